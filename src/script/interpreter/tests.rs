//! What scripts see, may do and return, without a server behind them.

use std::sync::Arc;

use super::{Interpreter, Ran, Run};
use crate::resp::{Argv, Output, Protocol, Reply, Span};
use crate::script::{Host, Shared, sha};
use crate::util::time::UnixMs;

/// Answers commands from a list of replies.
struct Scripted(Vec<&'static str>);

impl Host for Scripted {
    fn call(&mut self, argv: Argv<'_>, _: Protocol, reply: &mut Output) -> bool {
        if argv.get(0) == b"stop" {
            return false;
        }
        if argv.get(0) == b"words" {
            let words: Vec<&[u8]> = argv.iter().collect();
            Reply::new(reply, Protocol::Resp2).bulk(&words.join(&b"|"[..]));
            return true;
        }
        reply.extend(self.0.pop().unwrap_or("+OK\r\n").as_bytes());
        true
    }

    fn may_run(&mut self, argv: Argv<'_>) -> Option<bool> {
        (argv.get(0) == b"get").then_some(true)
    }

    fn takes_long(&mut self) -> bool {
        true
    }
}

fn interpreter() -> Interpreter {
    Interpreter::new(Arc::new(Shared::default()))
}

fn text_of(out: &Output) -> String {
    let mut whole = Vec::new();
    out.gather(&mut whole);
    String::from_utf8_lossy(out.contiguous(&whole)).into_owned()
}

/// Runs a script with the replies of its commands, the last first.
fn run_with(
    interpreter: &mut Interpreter,
    text: &str,
    replies: Vec<&'static str>,
    protocol: Protocol,
) -> String {
    run_on(interpreter, text, (&["k"], &["ab"]), replies, protocol)
}

fn run_on(
    interpreter: &mut Interpreter,
    text: &str,
    (keys, args): (&[&str], &[&str]),
    replies: Vec<&'static str>,
    protocol: Protocol,
) -> String {
    let sha = sha::sha1_hex(text.as_bytes());
    if let Err(error) = interpreter.compile(text.as_bytes(), true) {
        return String::from_utf8_lossy(&error).into_owned();
    }
    let (mut host, mut out) = (Scripted(replies), Output::new());
    let (mut words, mut spans) = (String::new(), Vec::new());
    for word in keys.iter().chain(args) {
        spans.push(Span::new(words.len(), words.len() + word.len()));
        words.push_str(word);
    }
    let run = Run {
        keys: Argv::new(words.as_bytes(), &spans[..keys.len()]),
        args: Argv::new(words.as_bytes(), &spans[keys.len()..]),
        host: &mut host,
        reply: (&mut out, protocol),
        now: UnixMs(0),
        shards: 0,
    };
    match interpreter.run_script(run) {
        Ran::Done => text_of(&out),
        Ran::Failed(error) => {
            let name = String::from_utf8_lossy(&sha).into_owned();
            String::from_utf8_lossy(&error).replace(&name, "SHA")
        }
        Ran::Stopped => "stopped".to_owned(),
    }
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let mut interpreter = interpreter();
    // Twice: what a script leaves behind must not change what comes after it.
    for _ in 0..2 {
        assert_eq!(run_with(&mut interpreter, text, Vec::new(), Protocol::Resp2), expected, "{text}");
    }
}

#[test]
fn values_become_replies() {
    check("return 3.99", ":3\r\n");
    check("return 'x'", "$1\r\nx\r\n");
    check("return {1,'a',{2},nil,5}", "*3\r\n:1\r\n$1\r\na\r\n*1\r\n:2\r\n");
    check("return {ok='FINE'}", "+FINE\r\n");
    check("return {err='MY err'}", "-MY err\r\n");
    check("return redis.error_reply('-X y')", "-X y\r\n");
    check("return redis.error_reply('X')", "-ERR X\r\n");
    check("return redis.status_reply('S')", "+S\r\n");
    check("return false", "$-1\r\n");
    check("return true", ":1\r\n");
    check("return {double=1.5}", "$3\r\n1.5\r\n");
    check("return {map={a=1}}", "*2\r\n$1\r\na\r\n:1\r\n");
    check("return {KEYS[1], ARGV[1], KEYS[2]}", "*2\r\n$1\r\nk\r\n$2\r\nab\r\n");
    let mut interpreter = interpreter();
    let mut check = |text, expected| {
        assert_eq!(run_with(&mut interpreter, text, Vec::new(), Protocol::Resp3), expected, "{text}");
    };
    check("return {map={a={set={x=true}}}}", "%1\r\n$1\r\na\r\n~1\r\n$1\r\nx\r\n");
    check("return {double=0.5}", ",0.5\r\n");
    check("return {big_number='123'}", "(123\r\n");
    check("return {big_number='1\\r\\n2'}", "(1  2\r\n");
    check("return {verbatim_string={format='txt',string='hi'}}", "=6\r\ntxt:hi\r\n");
    check("return true", ":1\r\n");
    check("redis.setresp(3) return true", "#t\r\n");
    check("return nil", "_\r\n");
}

#[test]
fn replies_become_values() {
    let mut interpreter = interpreter();
    let mut check = |reply, text: &str, expected| {
        let text = format!("local r = redis.call('x') {text}");
        assert_eq!(run_with(&mut interpreter, &text, vec![reply], Protocol::Resp2), expected, "{text}");
    };
    check(":7\r\n", "return r + 1", ":8\r\n");
    check("$-1\r\n", "return tostring(r)", "$5\r\nfalse\r\n");
    check("*-1\r\n", "return tostring(r)", "$5\r\nfalse\r\n");
    check("_\r\n", "return tostring(r)", "$3\r\nnil\r\n");
    check("+OK\r\n", "return r.ok", "$2\r\nOK\r\n");
    check("*2\r\n:1\r\n*1\r\n$1\r\na\r\n", "return r[2][1]", "$1\r\na\r\n");
    check("%1\r\n$1\r\na\r\n:1\r\n", "return r.map.a", ":1\r\n");
    check("~1\r\n$1\r\na\r\n", "return tostring(r.set.a)", "$4\r\ntrue\r\n");
    check(",1.5\r\n", "return tostring(r.double)", "$3\r\n1.5\r\n");
    check("(99\r\n", "return r.big_number", "$2\r\n99\r\n");
    check("#t\r\n", "return tostring(r)", "$4\r\ntrue\r\n");
    check("=6\r\ntxt:hi\r\n", "return r.verbatim_string.format..r.verbatim_string.string", "$5\r\ntxthi\r\n");
    check("|1\r\n+a\r\n+b\r\n:5\r\n", "return r", ":5\r\n");
}

#[test]
fn an_error_names_the_script_and_the_line() {
    check("\nerror('x')", "ERR user_script:2: x script: SHA, on @user_script:2.");
    check("error({err='My'})", "My script: SHA, on @user_script:1.");
    check("error()", "ERR nil script: SHA, on @user_script:1.");
    check(
        "return (",
        "ERR Error compiling script (new function): user_script:1: unexpected symbol near '<eof>'",
    );
    let mut interpreter = interpreter();
    let mut failing = |text: &str| run_with(&mut interpreter, text, vec!["-CODE text\r\n"], Protocol::Resp2);
    assert_eq!(failing("return redis.call('x')"), "CODE text script: SHA, on @user_script:1.");
    assert_eq!(failing("return redis.pcall('x')"), "-CODE text\r\n");
    assert_eq!(failing("return select(2, pcall(redis.call, 'x'))"), "$9\r\nCODE text\r\n");
    assert_eq!(
        failing("return redis.call()").split(" script").next(),
        Some("ERR Please specify at least one argument for this redis lib call")
    );
}

#[test]
fn nothing_of_the_world_can_be_changed() {
    let refused = "ERR user_script:1: Attempt to modify a readonly table script: SHA, on @user_script:1.";
    for text in [
        "x = 1",
        "redis = 1",
        "redis.x = 1",
        "string.len = nil",
        "_G.x = 1",
        "getmetatable('').__index.x = 1",
    ] {
        check(text, refused);
    }
    let refused = "ERR Attempt to modify a readonly table script: SHA, on @user_script:1.";
    for text in [
        "rawset(_G, 'x', 1)",
        "setmetatable(redis, {})",
        "table.insert(redis, 1)",
        "table.remove(string)",
        "getmetatable('').__index = 1",
    ] {
        let is_line = text.starts_with("getmetatable");
        let line = "ERR user_script:1: Attempt to modify a readonly table script: SHA, on @user_script:1.";
        check(text, if is_line { line } else { refused });
    }
    check(
        "return x",
        "ERR user_script:1: Script attempted to access nonexistent global variable 'x' script: SHA, on @user_script:1.",
    );
    check("return redis.x", "$-1\r\n");
    check("return tostring(getmetatable(redis))", "$3\r\nnil\r\n");
    check("local n = 0 for k, v in pairs(bit) do n = n + 1 end return n", ":12\r\n");
    check("local f, t = pairs(redis) t = nil return type(f)", "$8\r\nfunction\r\n");
    check("return type(next(redis))", "$6\r\nstring\r\n");
    check("return pcall(function() return io end)", "$-1\r\n");
}

#[test]
fn bytecode_is_refused() {
    check("return tostring(loadstring(string.dump(function() end)))", "$3\r\nnil\r\n");
    check(
        "local s = string.dump(function() end) local f = load(function() local r = s s = nil return r end) return tostring(f)",
        "$3\r\nnil\r\n",
    );
    check("return loadstring('return 5')()", ":5\r\n");
    check(
        "local p = {'return ', '6'} local i = 0 return load(function() i = i + 1 return p[i] end)()",
        ":6\r\n",
    );
}

#[test]
fn hostile_scripts_end_in_an_error_and_leave_the_state_usable() {
    let mut interpreter = Interpreter::with_memory(Arc::new(Shared::default()), 24 << 20);
    for text in [
        "local t = {} for i = 1, 1e9 do t[i] = {} end",
        "local s = 'x' while true do s = s .. s end",
        "return #string.rep('x', 2000000000)",
        "local function f() return f() + 1 end return f()",
        "local t = {} for i = 1, 100 do t = {t} end local s = ('('):rep(1e6) return loadstring(s)",
        "return string.find(('a'):rep(100000), ('a?'):rep(100000))",
        "local t = {} for i = 1, 2000 do t = {t} end return cjson.encode(t)",
        "return cjson.decode(('['):rep(100000))",
        "return cmsgpack.unpack(('\\145'):rep(100000))",
        "return unpack({}, 1, 1e8)",
        "return collectgarbage('stop') + nil",
        "return table.concat(setmetatable({}, {__index = function() return 'x' end}), ',', 1, 1e9)",
    ] {
        let reply = run_with(&mut interpreter, text, Vec::new(), Protocol::Resp2);
        assert!(
            reply.starts_with("ERR")
                || reply.contains("ERR")
                || reply.starts_with('$')
                || reply.starts_with(':'),
            "{text}: {reply}"
        );
        assert_eq!(run_with(&mut interpreter, "return 1", Vec::new(), Protocol::Resp2), ":1\r\n");
    }
    assert!(interpreter.memory() < 24 << 20);
}

#[test]
fn keys_and_arguments_are_what_was_sent_whatever_the_run_before_did_to_them() {
    let look = "local all = {} for _, words in ipairs({KEYS, ARGV}) do
        local count = 0 for _ in pairs(words) do count = count + 1 end
        all[#all + 1] = count .. ',' .. #words .. ',' .. table.concat(words, '|')
            .. ',' .. tostring(getmetatable(words)) .. ',' .. tostring(words.x) .. ',' .. tostring(words[0])
    end return table.concat(all, ';')";
    let spoil = [
        "KEYS.x = 1",
        "KEYS[0] = 1",
        "KEYS[1] = nil",
        "KEYS[1], KEYS[2] = KEYS[2], KEYS[1]",
        "KEYS[9] = 9",
        "KEYS[1] = {} ARGV[1] = KEYS KEYS[2] = ARGV",
        "setmetatable(KEYS, {__index = function() return 'evil' end}) setmetatable(ARGV, {})",
        "for i = 1, 100 do ARGV[i] = i end for i = 1, 100 do ARGV[i] = nil end",
        "table.insert(KEYS, 'x') table.remove(ARGV)",
        "ARGV.x = KEYS error('no')",
        "KEYS[1] = string.rep('x', 1e5)",
        "while #KEYS > 0 do table.remove(KEYS) end ARGV.y = ARGV",
    ];
    let all: Vec<String> = (0..12).map(|number| format!("w{number}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let mut interpreter = interpreter();
    for text in spoil {
        for (keys, args) in [(0, 0), (1, 0), (1, 1), (2, 3), (8, 1), (1, 9), (2, 3)] {
            let words = (&all[..keys], &all[12 - args..]);
            let shown = [words.0, words.1]
                .map(|words| format!("{0},{0},{1},nil,nil,nil", words.len(), words.join("|")));
            let expected = shown.join(";");
            for text in [look, text, look, "return 1", look] {
                let reply = run_on(&mut interpreter, text, words, Vec::new(), Protocol::Resp2);
                if text == look {
                    assert_eq!(reply, format!("${}\r\n{expected}\r\n", expected.len()));
                }
            }
        }
    }
}

#[test]
fn what_a_script_leaves_in_its_words_does_not_stay() {
    let mut interpreter = Interpreter::with_memory(Arc::new(Shared::default()), 32 << 20);
    for count in 0..=8 {
        let keys = &["k"; 8][..count];
        let text = "KEYS[1] = string.rep('x', 6e6) KEYS[2] = nil";
        assert_eq!(run_on(&mut interpreter, text, (keys, &[]), Vec::new(), Protocol::Resp2), "$-1\r\n");
    }
    assert_eq!(run_with(&mut interpreter, "return 1", Vec::new(), Protocol::Resp2), ":1\r\n");
    assert!(interpreter.memory() < 2 << 20, "{}", interpreter.memory());
}

#[test]
fn garbage_does_not_use_up_the_memory_that_a_script_may_take() {
    let mut interpreter = Interpreter::with_memory(Arc::new(Shared::default()), 64 << 20);
    let text = "local kept = {} for i = 1, 2e5 do kept[i % 2e4] = {i, 'x' .. i} end return #kept";
    for _ in 0..5 {
        let grows = "local s = 'x' for i = 1, 20 do s = s .. s end return #s";
        assert_eq!(run_with(&mut interpreter, grows, Vec::new(), Protocol::Resp2), ":1048576\r\n");
        assert_eq!(run_with(&mut interpreter, text, Vec::new(), Protocol::Resp2), ":19999\r\n");
    }
}

/// Is killed while it executes its first command.
struct Killed(Arc<crate::script::running::RunSlot>, u32);

impl Host for Killed {
    fn call(&mut self, _: Argv<'_>, _: Protocol, reply: &mut Output) -> bool {
        self.1 += 1;
        self.0.killed.store(true, std::sync::atomic::Ordering::Relaxed);
        reply.extend(b"+OK\r\n");
        true
    }

    fn may_run(&mut self, _: Argv<'_>) -> Option<bool> {
        None
    }

    fn takes_long(&mut self) -> bool {
        true
    }
}

/// The error of a script that is killed so, and how many commands it executed.
fn run_killed(interpreter: &mut Interpreter, text: &str) -> (String, u32) {
    interpreter.compile(text.as_bytes(), true).unwrap();
    let (mut host, mut out) = (Killed(interpreter.slot().clone(), 0), Output::new());
    let run = Run {
        keys: Argv::new(&[], &[]),
        args: Argv::new(&[], &[]),
        host: &mut host,
        reply: (&mut out, Protocol::Resp2),
        now: UnixMs(0),
        shards: 0,
    };
    let Ran::Failed(error) = interpreter.run_script(run) else { panic!("{text}: it goes on") };
    (String::from_utf8_lossy(&error).into_owned(), host.1)
}

#[test]
fn a_run_that_is_killed_executes_no_other_command() {
    let mut interpreter = interpreter();
    for text in [
        "for i = 1, 10 do redis.call('x') end",
        "for i = 1, 10 do redis.pcall('x') end return 1",
        "for i = 1, 10 do pcall(redis.call, 'x') end return 1",
    ] {
        let (error, commands) = run_killed(&mut interpreter, text);
        assert!(error.contains("killed by user"), "{error}");
        assert_eq!(commands, 1, "{text}");
        assert_eq!(run_with(&mut interpreter, "return 1", Vec::new(), Protocol::Resp2), ":1\r\n");
    }
}

/// Each takes long enough in one function of Lua that the run would be over before the next look at the clock.
#[test]
fn a_run_that_is_killed_does_not_end_sorting_and_joining_first() {
    let mut interpreter = interpreter();
    for text in ["table.sort(t)", "table.concat(t)", "pcall(table.sort, t)"] {
        let text = format!("local t = {{}} for i = 1, 1e5 do t[i] = i end redis.call('x') {text} return 1");
        let (error, _) = run_killed(&mut interpreter, &text);
        assert!(error.contains("killed by user"), "{text}: {error}");
    }
}

/// There are fewer instructions in each than between two looks at the run.
#[test]
fn a_run_that_is_killed_does_not_end_a_loop_of_long_calls_first() {
    let mut interpreter = interpreter();
    for each in [
        "s:rep(2)",
        "s:upper()",
        "s:sub(2)",
        "local t = s .. 'x'",
        "string.format('%sx', s)",
        "pcall(string.rep, s, 2)",
        "pcall(s.upper, s)",
        "s:find('b', 1, true)",
        "redis.sha1hex('')",
        "table.insert(t, 1, i)",
        "table.remove(t, 1)",
        "coroutine.wrap(function() local t = s .. 'x' end)()",
    ] {
        let begin = "local s, t = string.rep('a', 1e5), {} for i = 1, 10 do t[i] = i end redis.call('x')";
        let text = format!("{begin} for i = 1, 400 do {each} end return 1");
        let (error, _) = run_killed(&mut interpreter, &text);
        assert!(error.starts_with("ERR Script killed by user with SCRIPT KILL..."), "{each}: {error}");
        // What comes next may have all the memory that there is.
        let next = "return #string.rep('a', 1e6)";
        assert_eq!(run_with(&mut interpreter, next, Vec::new(), Protocol::Resp2), ":1000000\r\n");
    }
}

#[test]
fn a_run_that_is_stopped_goes_no_further() {
    let mut interpreter = interpreter();
    for text in [
        "redis.call('stop')",
        "redis.pcall('stop') return 1",
        "pcall(redis.call, 'stop') while true do pcall(function() while true do end end) end",
        "coroutine.wrap(function() pcall(redis.call, 'stop') while true do end end)()",
    ] {
        assert_eq!(run_with(&mut interpreter, text, Vec::new(), Protocol::Resp2), "stopped", "{text}");
    }
    let slot = interpreter.slot().clone();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..300 {
                std::thread::sleep(std::time::Duration::from_millis(10));
                slot.killed.store(true, std::sync::atomic::Ordering::Relaxed);
            }
        });
        let text = "while true do pcall(function() while true do end end) end";
        let reply = run_with(&mut interpreter, text, Vec::new(), Protocol::Resp2);
        assert!(reply.contains("killed by user"), "{reply}");
    });
}

#[test]
fn arguments_of_commands_are_strings_and_numbers() {
    check(
        "return redis.call('words', 1, 1.5, 1e15, 1e17, -0.0, '')",
        "$38\r\nwords|1|1.5|1000000000000000|1e+17|-0|\r\n",
    );
    let refused =
        "ERR Lua redis lib command arguments must be strings or integers script: SHA, on @user_script:1.";
    check("return redis.call('words', {})", refused);
    check("return redis.sha1hex('')", "$40\r\nda39a3ee5e6b4b0d3255bfef95601890afd80709\r\n");
}

#[test]
fn json_is_that_of_lua_cjson() {
    check(
        "return cjson.encode({1, 'a/\"\\n', {}, cjson.null, 1.5, 1e20, true})",
        "$36\r\n[1,\"a\\/\\\"\\n\",{},null,1.5,1e+20,true]\r\n",
    );
    check(
        "return cjson.encode({[1]=1,[2]=2,[30]=3})",
        "ERR user_script:1: Cannot serialise table: excessively sparse array script: SHA, on @user_script:1.",
    );
    check("cjson.encode_sparse_array(true) return cjson.encode({[30]=3})", "$8\r\n{\"30\":3}\r\n");
    check(
        "return cjson.encode(cjson.decode('{\"a\":[1,2,{\"b\":null}]}'))",
        "$22\r\n{\"a\":[1,2,{\"b\":null}]}\r\n",
    );
    check("return cjson.decode('\"\\\\u00e9\\\\ud83d\\\\ude00\"')", "$6\r\né😀\r\n");
    check("return tostring(cjson.decode('[1e3, 0x10, -inf, 01]')[2])", "$2\r\n16\r\n");
    for (text, error) in [
        ("[1,", "Expected value but found T_END at character 4"),
        ("{1:2}", "Expected object key string but found T_NUMBER at character 2"),
        ("{\"a\" 1}", "Expected colon but found T_NUMBER at character 6"),
        ("[1 2]", "Expected comma or array end but found T_NUMBER at character 4"),
        ("nul", "Expected value but found invalid token at character 1"),
        ("\"a", "Expected value but found unexpected end of string at character 3"),
        ("[] x", "Expected the end but found invalid token at character 4"),
    ] {
        let expected = format!("ERR user_script:1: {error} script: SHA, on @user_script:1.");
        check(&format!("return cjson.decode('{text}')"), &expected);
    }
}

#[test]
fn messages_are_packed_and_unpacked() {
    let hex = "local function hex(s) return (s:gsub('.', function(c) return string.format('%02x', c:byte()) end)) end ";
    for (value, packed) in [
        ("1, -1, 200, -200, 70000, 5e9", "01ffccc8d1ff38ce00011170cf000000012a05f200"),
        ("'abc', true, nil, 1.5, 0.1", "a3616263c3c0ca3fc00000cb3fb999999999999a"),
        ("{1,2}, {}, {a=1}", "9201029081a16101"),
    ] {
        check(
            &format!("{hex}return hex(cmsgpack.pack({value}))"),
            &format!("${}\r\n{packed}\r\n", packed.len()),
        );
    }
    check("return cmsgpack.unpack(cmsgpack.pack({1,{a={2}}}))[2].a[1]", ":2\r\n");
    check("return {cmsgpack.unpack_one(cmsgpack.pack(1,2,3), 1)}", "*2\r\n:2\r\n:2\r\n");
    check("return {cmsgpack.unpack_limit(cmsgpack.pack(1,2,3), 2)}", "*3\r\n:2\r\n:1\r\n:2\r\n");
    check(
        "return cmsgpack.unpack('\\147')",
        "ERR user_script:1: Missing bytes in input. script: SHA, on @user_script:1.",
    );
}

#[test]
fn structs_and_bits_are_those_of_their_libraries() {
    check(
        "return {struct.unpack('>I2hB', struct.pack('>I2hB', 513, -2, 255))}",
        "*4\r\n:513\r\n:-2\r\n:255\r\n:6\r\n",
    );
    check("return struct.pack('>I2', 258)", "$2\r\n\u{1}\u{2}\r\n");
    check("return {struct.size('!8bd'), struct.size('i3l')}", "*2\r\n:16\r\n:11\r\n");
    check(
        "return {struct.unpack('Bc0s', struct.pack('Bc0s', 2, 'ab', 'cd'))}",
        "*3\r\n$2\r\nab\r\n$2\r\ncd\r\n:7\r\n",
    );
    check(
        "return struct.pack('z', 1)",
        "ERR user_script:1: bad argument #1 to 'pack' (invalid format option 'z') script: SHA, on @user_script:1.",
    );
    check(
        "return {bit.band(0xff, 0x0f), bit.bnot(0), bit.lshift(1, 31), bit.arshift(-8, 1), bit.bswap(1)}",
        "*5\r\n:15\r\n:-1\r\n:-2147483648\r\n:-4\r\n:16777216\r\n",
    );
    check(
        "return {bit.tohex(255), bit.tohex(-1, -4), bit.tobit(2^33 + 5)}",
        "*3\r\n$8\r\n000000ff\r\n$4\r\nFFFF\r\n:5\r\n",
    );
}

#[test]
fn a_library_registers_functions_that_run() {
    let mut interpreter = interpreter();
    let code = b"#!lua name=lib\nlocal n = 0\nredis.register_function('f', function(keys, args) n = n + 1 return {keys[1], args[1], n} end)\nredis.register_function{function_name='g', callback=function() return type(KEYS) end, flags={'no-writes'}, description='d'}".to_vec();
    let (name, start) = crate::script::shebang::of_library(&code).unwrap();
    let functions = interpreter.try_library(&code[start..]).unwrap();
    assert_eq!(functions.len(), 2);
    let library = interpreter.shared.libraries.make(name, code, functions);
    let mut catalog = crate::script::Catalog::default();
    catalog.add(library, false).unwrap();
    interpreter.shared.libraries.replace(catalog);
    let (library, at) = interpreter.prepare_function(b"G").unwrap();
    assert_eq!(library.functions[at].flags, crate::script::flags::NO_WRITES);
    let mut call = |name: &[u8]| {
        assert!(interpreter.prepare_function(name).is_some());
        let (mut host, mut out) = (Scripted(Vec::new()), Output::new());
        let spans = [Span::new(0, 1)];
        let words = Argv::new(b"k", &spans);
        let run = Run {
            keys: words,
            args: words,
            host: &mut host,
            reply: (&mut out, Protocol::Resp2),
            now: UnixMs(0),
            shards: 0,
        };
        match interpreter.run_function(run) {
            Ran::Done => text_of(&out),
            Ran::Failed(error) => String::from_utf8(error).unwrap(),
            Ran::Stopped => "stopped".into(),
        }
    };
    assert_eq!(call(b"f"), "*3\r\n$1\r\nk\r\n$1\r\nk\r\n:1\r\n");
    assert_eq!(call(b"f"), "*3\r\n$1\r\nk\r\n$1\r\nk\r\n:2\r\n");
    assert_eq!(
        call(b"g"),
        "ERR user_function:4: Script attempted to access nonexistent global variable 'KEYS' script: g, on @user_function:4."
    );
    for (code, error) in [
        ("\nx = 1", "Error registering functions: ERR user_function:2: Attempt to modify a readonly table"),
        ("\nreturn 1", "No functions registered"),
        (
            "\nredis.call('get')",
            "Error registering functions: ERR user_function:2: Script attempted to access nonexistent global variable 'call'",
        ),
        ("\nreturn (", "Error compiling function: user_function:2: unexpected symbol near '<eof>'"),
        ("\nwhile true do end", "Error registering functions: ERR FUNCTION LOAD timeout"),
    ] {
        assert_eq!(
            interpreter.try_library(code.as_bytes()).map_err(|error| String::from_utf8(error).unwrap()),
            Err(error.to_owned())
        );
    }
}
