//! What the clients of a simulated machine ask. Whatever a reply or an effect depends on is in the words: no chance, no relative
//! times, no waiting.

use super::{DATABASES, Random, Unit, Words};

/// `k` is a key of the kind of value that the command works on, `m` a member or a field, `n` a number, `v` a value, `i` an id that
/// ascends; everything else is itself.
const WRITES: &[&str] = &[
    "SET k v",
    "SET k v KEEPTTL",
    "SET k v PXAT 99999999999999",
    "APPEND k v",
    "INCRBY k n",
    "SETRANGE k n v",
    "GETDEL k",
    "GETSET k v",
    "SETBIT k n 1",
    "MSET k v k v k v",
    "MSETNX k v k v",
    "PFADD k m m m",
    "INCRBYFLOAT k 1.5",
    "RPUSH l v v v",
    "LPUSH l v m",
    "LPOP l n",
    "RPOP l",
    "LINSERT l BEFORE m v",
    "LSET l n v",
    "LREM l 1 m",
    "LTRIM l 1 n",
    "LMOVE l l LEFT RIGHT",
    "LMPOP 2 l l RIGHT COUNT n",
    "SADD s m m n",
    "SADD s n n",
    "SREM s m n",
    "SMOVE s s m",
    "SUNIONSTORE s s s",
    "SDIFFSTORE s s s",
    "SINTERSTORE s s s",
    "SPOP s 9999",
    "HSET h m v m v",
    "HSET h m n",
    "HDEL h m m",
    "HINCRBY h m n",
    "HSETNX h m v",
    "HINCRBYFLOAT h m 0.5",
    "HPEXPIREAT h 70000000000000 FIELDS 2 m m",
    "HPERSIST h FIELDS 1 m",
    "HPEXPIREAT h 5 FIELDS 1 m",
    "ZADD z n m n m",
    "ZADD z XX CH n m",
    "ZINCRBY z n m",
    "ZREM z m m",
    "ZPOPMIN z n",
    "ZPOPMAX z",
    "ZREMRANGEBYSCORE z n 20",
    "ZREMRANGEBYRANK z 0 n",
    "ZUNIONSTORE z 2 z z",
    "ZINTERSTORE z 2 z z",
    "ZRANGESTORE z z 0 n",
    "GEOADD z 13.361389 38.115556 m",
    "XADD x i m v",
    "XADD x MAXLEN ~ 20 i m v m n",
    "XTRIM x MAXLEN n",
    "XGROUP CREATE x g 0 MKSTREAM",
    "XGROUP DESTROY x g",
    "XACK x g 5-1 6-1",
    "XSETID x 12-5",
    "DEL a a",
    "UNLINK a",
    "PEXPIREAT a 99999999999999",
    "PERSIST a",
    "PEXPIREAT a 5",
    "RENAME a a",
    "RENAMENX a a",
    "COPY a a REPLACE",
    "MOVE a 1",
    "COPY a a DB 1 REPLACE",
    "EVAL script 2 k l n v",
    "FLUSHDB",
    "SWAPDB 0 1",
];

const READS: &[&str] = &[
    "GET k",
    "STRLEN k",
    "GETRANGE k 0 n",
    "BITCOUNT k",
    "MGET k l s k",
    "PFCOUNT k",
    "LRANGE l 0 -1",
    "LLEN l",
    "LINDEX l n",
    "LPOS l m",
    "SCARD s",
    "SISMEMBER s m",
    "SMISMEMBER s m n",
    "SINTERCARD 2 s s",
    "HGET h m",
    "HLEN h",
    "HMGET h m m",
    "HSTRLEN h m",
    "HPEXPIRETIME h FIELDS 1 m",
    "ZRANGE z 0 -1 WITHSCORES",
    "ZSCORE z m",
    "ZRANK z m",
    "ZCOUNT z -inf n",
    "ZRANGEBYLEX z - +",
    "XRANGE x - +",
    "XLEN x",
    "XREVRANGE x + - COUNT n",
    "TYPE a",
    "EXISTS a a a",
    "PEXPIRETIME a",
    "DBSIZE",
    "DUMP l",
    "SMEMBERS s",
    "HGETALL h",
];

const SCRIPT: &str = "redis.call('SET', KEYS[1], ARGV[1]) \
    for i = 1, 5 do redis.call('RPUSH', KEYS[2], ARGV[2] .. i) end return redis.call('LLEN', KEYS[2])";

/// Keys of one kind.
const KEYS: usize = 4;

/// What comes next.
pub(super) fn unit(random: &mut Random) -> Unit {
    let db = random.below(DATABASES as usize) as u32;
    if random.below(8) > 0 {
        return Unit { db, commands: vec![command(random)] };
    }
    let mut commands = vec![vec![b"MULTI".to_vec()]];
    (0..1 + random.below(5)).for_each(|_| commands.push(command(random)));
    commands.push(vec![b"EXEC".to_vec()]);
    Unit { db, commands }
}

fn command(random: &mut Random) -> Words {
    let forms = if random.below(5) < 3 { WRITES } else { READS };
    loop {
        let form = forms[random.below(forms.len())];
        // What empties everything is seldom, or there would never be anything.
        if ["FLUSHDB", "SWAPDB 0 1", "SPOP s 9999"].contains(&form) && random.below(4) > 0 {
            continue;
        }
        return form.split(' ').map(|word| fill(word, random)).collect();
    }
}

fn fill(word: &str, random: &mut Random) -> Vec<u8> {
    match word {
        "k" | "l" | "s" | "h" | "z" | "x" => key(word, random),
        "a" => key(["k", "l", "s", "h", "z", "x"][random.below(6)], random),
        "m" => match random.below(40) {
            // A long one and many make tables and trees of small values.
            0 => vec![b'm'; 70],
            n => format!("member{n}").into_bytes(),
        },
        "n" => random.below(25).to_string().into_bytes(),
        "v" => match random.below(8) {
            0 => vec![b'a' + random.below(26) as u8; 300 + random.below(3000)],
            1 => random.below(100_000).to_string().into_bytes(),
            _ => format!("value {}", random.below(1000)).into_bytes(),
        },
        "i" => format!("{}-*", random.below(12)).into_bytes(),
        "script" => SCRIPT.as_bytes().to_vec(),
        other => other.as_bytes().to_vec(),
    }
}

fn key(kind: &str, random: &mut Random) -> Vec<u8> {
    // Now and then of another kind.
    let kind = if random.below(30) == 0 { "k" } else { kind };
    format!("{kind}{}", random.below(KEYS)).into_bytes()
}
