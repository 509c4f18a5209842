//! RESTORE of payloads that nobody's DUMP has made: whatever is accepted is then read, changed and written by every command of its
//! type. Nothing may panic; arithmetic that overflows does, in the builds that tests are run with.

use super::*;
use crate::rdb::crc64;

/// The version and the checksum behind a payload.
const FOOTER: usize = 10;
/// Payloads of each kind in a plain run.
const PAYLOADS: u64 = 1_500;

/// What makes a value of each kind, and what is then done to what came of it. `K` is the key.
const KINDS: &[(&[&str], &[&str])] = &[
    (
        &[
            "XADD K 5-1 a b",
            "XADD K 6-1 a b c d",
            "XADD K 70-1 x y",
            "XADD K 70-2 x z",
            "XDEL K 6-1",
            "XGROUP CREATE K g 0",
            "XGROUP CREATE K other $",
            "XREADGROUP GROUP g alice COUNT 2 STREAMS K >",
            "XREADGROUP GROUP g bob COUNT 1 STREAMS K >",
        ],
        &[
            "XLEN K",
            "XRANGE K - +",
            "XREVRANGE K + -",
            "XINFO STREAM K",
            "XINFO STREAM K FULL",
            "XINFO GROUPS K",
            "XINFO CONSUMERS K g",
            "XPENDING K g",
            "XPENDING K g - + 10",
            "XPENDING K g IDLE 1 - + 10 alice",
            "XREAD COUNT 10 STREAMS K 0",
            "XREADGROUP GROUP g alice COUNT 10 STREAMS K 0",
            "XREADGROUP GROUP g alice COUNT 10 STREAMS K >",
            "XAUTOCLAIM K g carol 0 0 COUNT 10",
            "XAUTOCLAIM K g carol 1000 0 COUNT 10 JUSTID",
            "XCLAIM K g bob 0 5-1 70-1 RETRYCOUNT 3",
            "XCLAIM K g bob 10 5-1 IDLE 5",
            "XACK K g 5-1 70-1",
            "XSETID K 18446744073709551615-1",
            "XADD K * f v",
            "XADD K NOMKSTREAM MAXLEN ~ 2 * f v",
            "XADD K MINID ~ 60 * f v",
            "XTRIM K MINID 6",
            "XTRIM K MAXLEN 1",
            "XDEL K 5-1 70-1 70-2",
            "XGROUP SETID K g 5",
            "XGROUP DELCONSUMER K g alice",
            "XGROUP DESTROY K g",
            "XSETID K 99999-1 ENTRIESADDED 5 MAXDELETEDID 3-1",
        ],
    ),
    (
        &["HSET K a 1 b 2 c x", "HPEXPIREAT K 70000000000000 FIELDS 2 a b"],
        &[
            "HGETALL K",
            "HTTL K FIELDS 3 a b c",
            "HPTTL K FIELDS 3 a b c",
            "HEXPIRETIME K FIELDS 2 a b",
            "HPEXPIRETIME K FIELDS 2 a b",
            "HEXPIRE K 100 GT FIELDS 1 a",
            "HPEXPIRE K 5 LT FIELDS 1 b",
            "HLEN K",
            "HSCAN K 0",
            "HRANDFIELD K -5 WITHVALUES",
            "HINCRBY K a 9223372036854775807",
            "HINCRBYFLOAT K b 1.5",
            "HSTRLEN K c",
            "HPERSIST K FIELDS 1 a",
            "HSET K a 9 d 4",
            "HDEL K a",
            "HMGET K a b c d",
            "HKEYS K",
            "HVALS K",
        ],
    ),
    (
        &[
            "HSET K a 1 b 2 c x d long-value-long-value-long-value-long-value-long-value-long-value-long-value",
        ],
        &[
            "HGETALL K",
            "HSCAN K 0",
            "HINCRBY K a 1",
            "HSET K z 1",
            "HRANDFIELD K 2",
            "HDEL K a b",
            "HEXPIRE K 9 FIELDS 1 c",
        ],
    ),
    (
        &["ZADD K 1 a 2 b 3.5 c -1 d"],
        &[
            "ZRANGE K 0 -1 WITHSCORES",
            "ZRANGE K -inf +inf BYSCORE",
            "ZRANGEBYLEX K - +",
            "ZRANK K a WITHSCORE",
            "ZSCAN K 0",
            "ZINCRBY K inf a",
            "ZADD K INCR -5 b",
            "ZCOUNT K -inf 2",
            "ZRANDMEMBER K -4 WITHSCORES",
            "ZUNIONSTORE t 2 K K WEIGHTS 2 -inf",
            "GEOHASH K a",
            "GEOPOS K a b",
            "GEODIST K a b",
            "GEORADIUS K 1 1 1000 km WITHDIST",
            "ZPOPMIN K 2",
            "ZREMRANGEBYSCORE K -inf 0",
            "ZRANGESTORE t K 0 -1",
            "ZADD K 5 e",
            "ZPOPMAX K",
        ],
    ),
    (
        &[
            "ZADD K 1 a 2 b 9 a-long-member-a-long-member-a-long-member-a-long-member-a-long-member-a-long-member",
        ],
        &[
            "ZRANGE K 0 -1 WITHSCORES",
            "ZSCAN K 0",
            "ZRANK K a",
            "ZREVRANK K b",
            "ZINCRBY K 4 a",
            "ZREM K a",
            "ZADD K 7 q",
        ],
    ),
    (
        &["RPUSH K 1 two 3 4444444444 -5 six"],
        &[
            "LRANGE K 0 -1",
            "LINDEX K 2",
            "LPOS K two",
            "LINSERT K AFTER two x",
            "LSET K 0 y",
            "LREM K 0 3",
            "LPUSH K z",
            "LMOVE K K LEFT RIGHT",
            "LTRIM K 1 3",
            "RPOP K 2",
            "SORT_RO K ALPHA",
        ],
    ),
    (
        &["SADD K 1 2 3 70000 5000000000"],
        &[
            "SMEMBERS K",
            "SISMEMBER K 2",
            "SSCAN K 0",
            "SRANDMEMBER K -4",
            "SADD K 9223372036854775807 x",
            "SREM K 1",
            "SINTER K K",
            "SUNIONSTORE t K K",
            "SPOP K 2",
            "SMOVE K t 3",
            "SINTERCARD 1 K",
        ],
    ),
    (
        &["SADD K a b 3 member-of-some-length"],
        &[
            "SMEMBERS K",
            "SISMEMBER K a",
            "SSCAN K 0",
            "SADD K zz",
            "SREM K b",
            "SDIFF K t",
            "SPOP K",
            "SRANDMEMBER K 2",
        ],
    ),
    (
        &["PFADD K a b c d e f"],
        &[
            "PFCOUNT K",
            "PFADD K x y z",
            "PFMERGE t K",
            "PFDEBUG ENCODING K",
            "PFDEBUG GETREG K",
            "PFDEBUG DECODE K",
            "STRLEN K",
            "PFCOUNT K t",
        ],
    ),
    (
        &["SET K 12345"],
        &[
            "GET K",
            "INCR K",
            "INCRBYFLOAT K 1e300",
            "APPEND K x",
            "GETRANGE K 0 -1",
            "BITCOUNT K",
            "SETBIT K 100 1",
            "BITFIELD K INCRBY i64 0 9223372036854775807",
            "LCS K K",
            "BITPOS K 1",
        ],
    ),
];

/// What is done to a value of any kind.
const ANY: &[&str] = &[
    "TYPE K",
    "OBJECT ENCODING K",
    "MEMORY USAGE K",
    "DEBUG DIGEST-VALUE K",
    "DEBUG OBJECT K",
    "COPY K c REPLACE",
    "DUMP K",
    "PEXPIRETIME K",
    "PTTL K",
    "OBJECT IDLETIME K",
];

fn words_of(words: &str) -> Words {
    words
        .split(' ')
        .map(|word| if word == "K" { b"victim".to_vec() } else { word.as_bytes().to_vec() })
        .collect()
}

/// The payload of a DUMP reply, without its footer.
fn payload(reply: &[u8]) -> Vec<u8> {
    let start = reply.iter().position(|&byte| byte == b'\n').expect("a bulk string has a length") + 1;
    reply[start..reply.len() - 2 - FOOTER].to_vec()
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.below(3) {
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.below(256) as u8,
            2 => _ = bytes.remove(at),
            3 => bytes.insert(at, random.below(256) as u8),
            // Numbers at the ends of what they can be.
            _ => {
                let fill = [0, 0xff, 0x7f, 0x80][random.below(4)];
                let end = (at + 1 + random.below(8)).min(bytes.len());
                bytes[at..end].fill(fill);
                if fill == 0x7f || fill == 0x80 {
                    bytes[at + 1..end].fill(if fill == 0x7f { 0xff } else { 0 });
                }
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
}

fn restore(machine: &mut Machine, payload: &[u8], random: &mut Random) -> bool {
    let mut whole = payload.to_vec();
    whole.extend_from_slice(&11u16.to_le_bytes());
    let crc = crc64::update(0, &whole);
    whole.extend_from_slice(&crc.to_le_bytes());
    let mut words = words_of("RESTORE K 0");
    words.push(whole);
    words.push(b"REPLACE".to_vec());
    if random.below(3) == 0 {
        let times = ["9223372036854775807", "99999999999999", "1"];
        words[2] = times[random.below(3)].as_bytes().to_vec();
        words.push(b"ABSTTL".to_vec());
    }
    machine.ask(&words) == b"+OK\r\n"
}

#[test]
fn mutated_payloads_that_restore_accepts_can_be_asked_of_by_every_command_of_their_type() {
    let payloads = PAYLOADS * factor("FORGEKV_STRESS", 1);
    let recovery = Engine::recover(Arc::new(Sim::new(1)), Path::new(DIR), options(SyncMode::Never));
    let recovery = recovery.expect("an empty disk opens");
    let mut machine = Machine::new(&recovery);
    machine.open();
    for (kind, (make, commands)) in KINDS.iter().enumerate() {
        machine.text("FLUSHALL");
        make.iter().for_each(|words| _ = machine.ask(&words_of(words)));
        let original = payload(&machine.ask(&words_of("DUMP K")));
        let mut random = Random::new(kind as u64);
        assert!(restore(&mut machine, &original, &mut random), "{make:?} comes back");
        let mut accepted = 0;
        for _ in 0..payloads {
            let mut bytes = original.clone();
            mutate(&mut bytes, &mut random);
            let unit = Unit { db: 0, commands: vec![vec![bytes.clone()]] };
            let last_words = LastWords(&unit);
            if restore(&mut machine, &bytes, &mut random) {
                accepted += 1;
                for words in ANY.iter().chain(*commands).chain(ANY) {
                    let unit = Unit { db: 0, commands: vec![words_of(words)] };
                    machine.do_unit(&unit);
                }
                machine.text("DEL t");
            }
            drop(last_words);
        }
        println!("{:?}: {accepted} of {payloads} accepted", make[0]);
        assert!(accepted > 0, "{make:?}: nothing but what is refused");
    }
}
