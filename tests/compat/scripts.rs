//! Words that are Lua: scripts and libraries put together from expressions, and what they are called by.
//!
//! * No script runs long, and none says what depends on a server's own clock, memory or order.
//! * Tables have at most one key that is no index, because their order is Lua's own.

use super::words::{find, value};
use crate::support::Rng;
use forgekv::script::sha::sha1_hex;

/// Most scripts are made of this many seeds, so that SCRIPT LOAD and EVALSHA meet.
const SEEDS: usize = 12;

/// The text of a script.
pub fn script(rng: &mut Rng) -> Vec<u8> {
    match rng.below(8) {
        0 => broken(rng),
        1 => seeded(rng),
        2 => format!("{}{}", shebang(rng), body(rng)).into_bytes(),
        _ => body(rng).into_bytes(),
    }
}

/// One of the few scripts that have a name.
fn seeded(rng: &mut Rng) -> Vec<u8> {
    body(&mut Rng::new(rng.below(SEEDS) as u64)).into_bytes()
}

/// The name of a script.
pub fn sha(rng: &mut Rng) -> Vec<u8> {
    let sha = sha1_hex(&seeded(rng)).to_vec();
    match rng.below(8) {
        0 => sha.to_ascii_uppercase(),
        1 => sha[1..].to_vec(),
        2 => b"ffffffffffffffffffffffffffffffffffffffff".to_vec(),
        _ => sha,
    }
}

/// Whether this text of a script or library, or the script of this name, contains a word.
pub fn contains(text_or_sha: &[u8], word: &str) -> bool {
    let has_word = |text: &[u8]| text.windows(word.len()).any(|part| part == word.as_bytes());
    let seeds = (0..SEEDS as u64).map(|seed| body(&mut Rng::new(seed)).into_bytes());
    has_word(text_or_sha)
        || text_or_sha.len() == 40
            && seeds
                .filter(|text| has_word(text))
                .any(|text| sha1_hex(&text).eq_ignore_ascii_case(text_or_sha))
}

fn shebang(rng: &mut Rng) -> String {
    let line = rng.pick(&[
        "#!lua",
        "#!lua flags=no-writes",
        "#!lua flags=allow-oom,no-writes",
        "#!lua flags=no-cluster",
        "#!lua flags=allow-stale",
        "#!lua flags=",
        "#!lua flags=nosuch",
        "#!lua name=lib",
        "#!python",
        "#!lua nosuch=1",
    ]);
    format!("{line}\n")
}

/// Something that does not compile, or fails at once.
fn broken(rng: &mut Rng) -> Vec<u8> {
    let text = *rng.pick(&[
        "",
        "return (",
        "x = 1",
        "return x",
        "error('oops')",
        "error({err='MY own error'})",
        "error({err='one'}, 2)",
        "error()",
        "error(nil)",
        "error(12)",
        "return nosuch.field",
        "redis.call()",
        "redis.call('')",
        "redis.call('NOSUCH')",
        "redis.call('get')",
        "redis.call('get', {})",
        "redis.call('get', nil)",
        "redis.call('get', true)",
        "redis.pcall()",
        "redis.call('subscribe', 'c')",
        "redis.call('multi')",
        "redis.call('eval', 'return 1', 0)",
        "redis.call('config', 'nosuch')",
        "redis.nosuch()",
        "redis.call = 1",
        "string.rep = nil",
        "local s = string.rep('x', -1) return s",
        "return loadstring('return 1')()",
        "return load(function() return nil end)",
        "return string.dump(print)",
        "print(1)",
        "require('x')",
        "return io",
        "return setmetatable(_G, {})",
        "_G.x = 1",
        "rawset(_G, 'x', 1) return x",
        "return getmetatable(_G)",
        "local t = {} t.x = t return t.x.x == t",
        "#!lua",
        "#!lua\n",
        "return redis.setresp(4)",
        "return redis.setresp()",
        "return redis.sha1hex()",
        "redis.log(redis.LOG_NOSUCH, 'x')",
        "redis.log()",
        "redis.log(10, 'x')",
        "redis.set_repl(10)",
        "return redis.error_reply()",
        "return redis.error_reply(1)",
        "return redis.status_reply('a', 'b')",
        "redis.register_function('f', function() end)",
        "return redis.acl_check_cmd('nosuch')",
        "return redis.acl_check_cmd()",
        "return tostring(nil) .. tostring(true)",
        "local a = {} return #a + nil",
        "return ('x'):nosuch()",
        "goto = 1",
    ]);
    text.as_bytes().to_vec()
}

/// What a script or function does.
fn body(rng: &mut Rng) -> String {
    let first = match rng.below(6) {
        0 => format!("{}\n", call(rng)),
        1 => format!("local x = {} ", call(rng)),
        2 => "redis.setresp(3) ".to_owned(),
        3 if rng.one_in(3) => "redis.setresp(2) ".to_owned(),
        _ => String::new(),
    };
    let last = match rng.below(12) {
        0..3 => format!("return {}", call(rng)),
        3 => format!("local r = {} return {{type(r), r}}", call(rng)),
        4 => format!("local r = {} if type(r) == 'table' then return r.err or #r end return r", call(rng)),
        5 => format!("return {{{}, {}}}", call(rng), call(rng)),
        6..8 => format!("return {}", expression(rng, 3)),
        8..11 => format!("return {}", library_call(rng)),
        _ => one(
            rng,
            &[
                "return {KEYS[1], ARGV[1], #KEYS, #ARGV}",
                "return KEYS",
                "return ARGV",
                "return redis.sha1hex(ARGV[1] or '')",
                "return redis.REDIS_VERSION ~= nil",
                "return {redis.LOG_DEBUG, redis.LOG_WARNING, redis.REPL_ALL, redis.REPL_NONE}",
                "return redis.replicate_commands()",
                "return redis.breakpoint()",
                "redis.log(redis.LOG_DEBUG, 'x', 1) return 1",
                "redis.set_repl(redis.REPL_ALL) return 2",
                "local n = 0 for i = 1, 10 do n = n + i end return n",
                "local t = {} for i = 1, 3 do t[i] = redis.call('incr', 'k' .. i) end return t",
                "local t = {3, 1, 2} table.sort(t) return t",
                "return {pcall(redis.call, 'get')}",
                "local ok, e = pcall(error, 'x') return {tostring(ok), e}",
                "return select('#', redis.call('ping'))",
                "return math.floor(3.7) + math.max(1, 2)",
                "return tostring(1e15) .. tostring(2^53) .. tostring(0.1) .. 10 / 3",
                "return string.format('%5.1f|%d|%s|%q', 3.14159, 42, 'x', 'y')",
                "return {string.byte('abc', 1, -1)}",
                "return string.gsub('hello', 'l', 'L')",
                "return tonumber('0x10') + tonumber('10', 2)",
                "return table.concat({1, 2, 'x'}, ',')",
                "return unpack({1, 2, 3})",
                "return tostring(redis.acl_check_cmd('set', 'k', 'v'))",
            ],
        ),
    };
    first + &last
}

/// A string of Lua.
fn text(rng: &mut Rng) -> String {
    one(rng, &["''", "'a'", "'10'", "'1.5'", "'foo bar'", "'\\0x'", "'\\255'", "'abc'", "'-5'", "\"q'\""])
}

fn key(rng: &mut Rng) -> String {
    one(rng, &["KEYS[1]", "KEYS[1]", "KEYS[2]", "'k1'", "'k2'", "'k3'"])
}

fn argument(rng: &mut Rng) -> String {
    match rng.below(5) {
        0 => "ARGV[1]".to_owned(),
        1 => one(rng, &["1", "-3", "1.5", "1e20", "100000000000", "0.1", "3.0", "2^31"]),
        _ => text(rng),
    }
}

/// A command that a script calls.
fn call(rng: &mut Rng) -> String {
    let how = *rng.pick(&["call", "call", "pcall"]);
    let (k, l, a, b) = (key(rng), key(rng), argument(rng), argument(rng));
    let words = match rng.below(30) {
        0..3 => format!("'SET', {k}, {a}"),
        3..5 => format!("'get', {k}"),
        5 => format!("'incr', {k}"),
        6 => format!("'incrbyfloat', {k}, {a}"),
        7 => format!("'append', {k}, {a}"),
        8 => format!("'rpush', {k}, {a}, {b}"),
        9 => format!("'lrange', {k}, 0, -1"),
        10 => format!("'lpop', {k}"),
        11 => format!("'sadd', {k}, 'm'"),
        12 => format!("'smembers', {k}"),
        13 => format!("'hset', {k}, 'f', {a}"),
        14 => format!("'hgetall', {k}"),
        15 => format!("'zadd', {k}, 1.5, 'm'"),
        16 => format!("'zrange', {k}, 0, -1, 'withscores'"),
        17 => format!("'zscore', {k}, 'm'"),
        18 => format!("'rename', {k}, {l}"),
        19 => format!("'del', {k}, {l}"),
        20 => format!("'mget', {k}, {l}"),
        21 => format!("'type', {k}"),
        22 => format!("'exists', {k}"),
        23 => format!("'set', {k}, {a}, 'get'"),
        24 => format!("'strlen', {k}"),
        25 => format!("'select', {}", rng.pick(&["0", "1", "99", "'x'"])),
        26 => format!("'echo', {a}"),
        27 => format!("'sismember', {k}, 'm'"),
        28 => format!("'getex', {k}, 'persist'"),
        _ => one(
            rng,
            &["'ping'", "'nosuch', 1", "'get'", "'incr', KEYS[1], 1", "'dbsize'", "'object', 'help', 1"],
        ),
    };
    format!("redis.{how}({words})")
}

/// A value that is turned into a reply.
fn expression(rng: &mut Rng, depth: usize) -> String {
    if depth > 0 && rng.one_in(3) {
        let (a, b) = (expression(rng, depth - 1), expression(rng, depth - 1));
        return match rng.below(8) {
            0 => format!("{{map={{[{a}]={b}}}}}", a = if a == "nil" { "1" } else { &a }),
            1 => format!("{{set={{[{a}]=true}}}}", a = if a == "nil" { "1" } else { &a }),
            2 => format!("{{{a}, nil, {b}}}"),
            3 => "{}".to_owned(),
            _ => format!("{{{a}, {b}}}"),
        };
    }
    match rng.below(5) {
        0 => one(rng, &["1", "-1", "0", "3.99", "-3.99", "1e10", "9007199254740993", "2^62", "1/3", "-0"]),
        1 => one(rng, &["true", "false", "nil"]),
        2 => one(
            rng,
            &[
                "{ok='fine'}",
                "{err='bad'}",
                "{err='CODE bad'}",
                "{err=''}",
                "{ok='two\\r\\nlines'}",
                "{err='two\\nlines'}",
                "{ok=1}",
                "{err=1}",
                "{double=1.5}",
                "{double=3}",
                "{double=1e20}",
                "{double='x'}",
                "{big_number='123456789012345678901234567890'}",
                "{big_number='1\\r\\n2'}",
                "{verbatim_string={format='txt', string='hello'}}",
                "{verbatim_string={string='hello'}}",
                "redis.error_reply('ERR mine')",
                "redis.error_reply('mine')",
                "redis.error_reply('-CODE mine')",
                "redis.status_reply('FINE')",
            ],
        ),
        _ => text(rng),
    }
}

/// A call of one of the libraries that scripts have.
fn library_call(rng: &mut Rng) -> String {
    match rng.below(6) {
        0 => format!("cjson.encode({})", jsonable(rng, 2)),
        1 => {
            let json = one(rng, JSON);
            one(
                rng,
                &[
                    "cjson.encode(cjson.decode(J))",
                    "cjson.decode(J)",
                    "{type(cjson.decode(J)), cjson.decode(J)}",
                ],
            )
            .replace('J', &json)
        }
        2 => {
            let value = jsonable(rng, 2);
            one(
                rng,
                &[
                    "cmsgpack.pack(V)",
                    "{cmsgpack.unpack(cmsgpack.pack(V))}",
                    "{cmsgpack.unpack(cmsgpack.pack(1, V, 'x'))}",
                    "{cmsgpack.unpack_one(cmsgpack.pack(V, 2))}",
                    "{cmsgpack.unpack_limit(cmsgpack.pack(V, 2, 3), 2)}",
                ],
            )
            .replace('V', &value)
        }
        3 => one(rng, MSGPACK),
        4 => one(rng, STRUCTS),
        _ => one(rng, BITS),
    }
}

/// A value that JSON and MessagePack can say.
fn jsonable(rng: &mut Rng, depth: usize) -> String {
    match rng.below(if depth > 0 { 7 } else { 4 }) {
        0 => one(
            rng,
            &["1", "-1", "1.5", "1e15", "123456789012", "0.1", "1e300", "-129", "65536", "2^53", "300"],
        ),
        1 => one(rng, &["true", "false", "nil", "cjson.null", "{}"]),
        2 => one(
            rng,
            &["'\\0\\31'", "'\\\\/\"'", "string.rep('x', 40)", "string.rep('y', 300)", "'\\195\\169'"],
        ),
        3 => text(rng),
        4 => format!("{{{}, {}}}", jsonable(rng, depth - 1), jsonable(rng, depth - 1)),
        5 => format!("{{[{}]={}}}", rng.pick(&["'k'", "1", "2", "5", "1.5"]), jsonable(rng, depth - 1)),
        _ => format!("{{k={}}}", jsonable(rng, depth - 1)),
    }
}

const JSON: &[&str] = &[
    "'[1,2,3]'",
    "'{\"a\":[1,{\"b\":null}]}'",
    "'[]'",
    "'{}'",
    "'\"\\\\u00e9\\\\n\"'",
    "'\"\\\\ud83d\\\\ude00\"'",
    "'\"\\\\ud83d\"'",
    "'[1e3,-0.5,12345678901234567890]'",
    "'nul'",
    "'[1,'",
    "'{\"a\" 1}'",
    "'[1] x'",
    "''",
    "' [ true , false ] '",
    "'01'",
    "'-'",
    "'1.'",
    "'0x10'",
    "'nan'",
    "'inf'",
    "'\"\\\\x\"'",
    "'[null,null]'",
    "ARGV[1]",
    "KEYS[1]",
    "1",
    "nil",
];

const MSGPACK: &[&str] = &[
    "cmsgpack.unpack('')",
    "{cmsgpack.unpack('\\147\\1\\2\\3')}",
    "cmsgpack.unpack('\\147\\1\\2')",
    "cmsgpack.unpack('\\193')",
    "cmsgpack.unpack('\\217\\3abc')",
    "cmsgpack.unpack('\\203\\63\\248\\0\\0\\0\\0\\0\\0')",
    "cmsgpack.unpack(nil)",
    "cmsgpack.pack()",
    "{cmsgpack.unpack_one('\\1\\2', 1)}",
    "{cmsgpack.unpack_one('\\1\\2', 5)}",
    "{cmsgpack.unpack_limit('\\1\\2\\3', 2, 0)}",
    "{cmsgpack.unpack_limit('\\1\\2\\3', -1)}",
    "{cmsgpack.unpack_one('\\1\\2', -1)}",
    "cmsgpack.unpack('\\221\\255\\255\\255\\255')",
];

const STRUCTS: &[&str] = &[
    "struct.pack('>I2', 258)",
    "struct.pack('<i4', -2)",
    "struct.pack('>hHlLB', 1, 2, 3, 4, 5)",
    "struct.pack('s', 'abc')",
    "struct.pack('c3', 'abcd')",
    "struct.pack('c0', 'abcd')",
    "struct.pack('>d', 1.5)",
    "struct.pack('<f', 1.5)",
    "struct.pack('i33', 1)",
    "struct.pack('z', 1)",
    "struct.pack('>I2')",
    "struct.pack('!4 b i4', 1, 2)",
    "struct.pack('xxB', 7)",
    "struct.pack('>I8', 2^53)",
    "{struct.unpack('>I2', '\\1\\2')}",
    "{struct.unpack('<i4', '\\254\\255\\255\\255')}",
    "{struct.unpack('s', 'abc\\0def')}",
    "{struct.unpack('s', 'abc')}",
    "{struct.unpack('Bc0', '\\3abcdef')}",
    "{struct.unpack('>I2', '\\1')}",
    "{struct.unpack('>BB', '\\1\\2\\3', 2)}",
    "{struct.unpack('>BB', '\\1\\2\\3', 0)}",
    "{struct.unpack('>BB', '\\1\\2\\3', 9)}",
    "struct.size('>I2i4')",
    "struct.size('!8 b d')",
    "struct.size('s')",
    "struct.size('c5')",
    "struct.size('q')",
];

const BITS: &[&str] = &[
    "bit.tobit(2^40 + 5)",
    "bit.tohex(255)",
    "bit.tohex(255, -4)",
    "bit.tohex(-1, 20)",
    "bit.tohex(1, 0)",
    "bit.bnot(0)",
    "bit.band(255, 15, 6)",
    "bit.bor(1, 2, 4)",
    "bit.bxor(255, 15)",
    "bit.lshift(1, 33)",
    "bit.rshift(-1, 28)",
    "bit.arshift(-256, 4)",
    "bit.rol(0x12345678, 12)",
    "bit.ror(0x12345678, 12)",
    "bit.bswap(0x12345678)",
    "bit.band()",
    "bit.bnot('x')",
    "bit.tobit('0xff')",
    "bit.lshift(1)",
    "bit.tobit(0.5) + bit.tobit(1.5) + bit.tobit(-1.5)",
];

/// The text of a library of functions.
pub fn library(rng: &mut Rng) -> Vec<u8> {
    if rng.one_in(6) {
        let text = *rng.pick(&[
            "",
            "#!lua",
            "#!lua name=",
            "#!lua name=lib1",
            "#!lua name=lib1\n",
            "#!lua name=bad-name\nredis.register_function('f', function() end)",
            "#!lua name=lib1 name=lib2\nredis.register_function('f', function() end)",
            "#!python name=lib1\nx",
            "#!lua name=lib1 flags=no-writes\nredis.register_function('f', function() end)",
            "#!lua name=lib1\nreturn 1",
            "#!lua name=lib1\nredis.register_function('f')",
            "#!lua name=lib1\nredis.register_function('bad-name', function() end)",
            "#!lua name=lib1\nredis.register_function('f', 'x')",
            "#!lua name=lib1\nredis.register_function({})",
            "#!lua name=lib1\nredis.register_function{function_name='f'}",
            "#!lua name=lib1\nredis.register_function{function_name='f', callback=function() end, flags={'nosuch'}}",
            "#!lua name=lib1\nredis.register_function{function_name='f', callback=function() end, flags='x'}",
            "#!lua name=lib1\nredis.register_function{function_name='f', callback=function() end, nosuch=1}",
            "#!lua name=lib1\nredis.register_function('f', function() end) redis.register_function('f', function() end)",
            "#!lua name=lib1\nredis.call('ping')",
            "#!lua name=lib1\nerror('no')",
            "#!lua name=lib1\nx = 1",
            "#!lua name=lib1\nlocal t = redis.nosuch",
            "#!lua name=lib1\nthis does not compile",
        ]);
        return text.as_bytes().to_vec();
    }
    let name = *rng.pick(&["lib1", "lib1", "lib2", "Lib_3"]);
    let mut text = format!("#!lua name={name}\nlocal count = 0\n");
    let names: &[&str] = if name == "lib2" { &["p", "q"] } else { &["f", "g", "h"] };
    for function in &names[..1 + rng.below(names.len())] {
        // Functions do not see KEYS and ARGV, but what they are given.
        let body = body(rng).replace("KEYS", "keys").replace("ARGV", "args");
        text += &match rng.below(4) {
            0 => format!(
                "redis.register_function{{function_name='{function}', callback=function(keys, args) {body} end, \
                 flags={{{}}}}}\n",
                rng.pick(&["", "'no-writes'", "'allow-oom'", "'allow-stale', 'no-writes'"])
            ),
            1 => format!(
                "redis.register_function{{function_name='{function}', callback=function(keys, args) {body} end, \
                 description='does things'}}\n"
            ),
            _ => format!("redis.register_function('{function}', function(keys, args) {body} end)\n"),
        };
    }
    text.into_bytes()
}

/// What FCALL calls.
pub fn function(rng: &mut Rng) -> Vec<u8> {
    rng.pick(&["f", "f", "g", "h", "p", "q", "F", "nosuch", ""]).as_bytes().to_vec()
}

/// What FUNCTION DELETE and LIST name.
pub fn library_name(rng: &mut Rng) -> Vec<u8> {
    rng.pick(&["lib1", "lib1", "lib2", "Lib_3", "LIB1", "*", "lib?", ""]).as_bytes().to_vec()
}

/// How many keys a script has, and the keys.
pub fn argument_of_script(rng: &mut Rng) -> Vec<u8> {
    if rng.one_in(3) {
        return rng.pick(&["1", "1.5", "abc", "{\"a\":1}", "[1,2]", "-7"]).as_bytes().to_vec();
    }
    if rng.one_in(4) { find("int").map_or_else(Vec::new, |word| word(rng)) } else { value(rng) }
}

fn one(rng: &mut Rng, texts: &[&str]) -> String {
    (*rng.pick(texts)).to_owned()
}
