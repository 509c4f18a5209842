//! Comparison with Lua's own functions, on random patterns and subjects.

use super::{FUNCTIONS, check_repetition};
use crate::script::context::Context;
use crate::script::stack::{Answer, Raise, Stack};
use crate::script::state::State;
use crate::util::random::Random;

/// Calls both and compares; returns what differs.
const COMPARE: &[u8] = b"local lua, ours, subjects, patterns, others = ...
local function pack(f, ...)
  local function keep(...) return {n = select('#', ...), ...} end
  return keep(f(...))
end
local function called(f, ...)
  local ok, results = pcall(pack, f, ...)
  if ok then return true, unpack(results, 1, results.n) end
  return false, results
end
local function show(ok, ...)
  local all = {tostring(ok)}
  for i = 1, select('#', ...) do
    local value = select(i, ...)
    all[#all + 1] = type(value) .. ':' .. tostring(value):gsub('table: .*', 'table'):gsub('function: .*', 'function')
  end
  return table.concat(all, '|')
end
local log
local function note(...) log[#log + 1] = show(true, ...) return ... end
local table_of_words = setmetatable({a = 'A', b = 7, ab = false, [''] = '<>', [1] = 'one'}, {
  __index = function(_, key) log[#log + 1] = tostring(key) if key == 'c' then return nil end return key == 'bb' and {} or nil end})
local function walk(gmatch)
  return function(subject, pattern)
    local all = {}
    for a, b, c in gmatch(subject, pattern) do
      all[#all + 1] = show(true, a, b, c)
      if #all > 40 then break end
    end
    return table.concat(all, ';')
  end
end
local function nested(gsub)
  return function(subject, pattern)
    return gsub(subject, pattern, function(word)
      local ok, inner = pcall(gsub, tostring(word) .. 'b', 'b', function(b) log[#log + 1] = b if #log % 3 == 0 then error('no') end return '(' .. b .. ')' end)
      return inner
    end)
  end
end
local function same(name, a, b, ...)
  log = {}
  local first = show(called(a, ...)) .. table.concat(log, ',')
  log = {}
  local second = show(called(b, ...)) .. table.concat(log, ',')
  if first ~= second then
    local words = {}
    for i = 1, select('#', ...) do words[i] = string.format('%q', tostring((select(i, ...)))) end
    error(name .. '(' .. table.concat(words, ', ') .. '): ' .. first .. ' and not ' .. second, 0)
  end
end
for i = 1, #subjects do
  local subject, pattern, other = subjects[i], patterns[i], others[i]
  for _, name in ipairs{'find', 'match'} do
    same(name, lua[name], ours[name], subject, pattern)
    for _, init in ipairs{0, 2, -1, -3, 9, 1e300, -1e300, '2', 0/0} do
      same(name, lua[name], ours[name], subject, pattern, init)
    end
    same(name, lua[name], ours[name], subject, pattern, 2, true)
    same(name, lua[name], ours[name], subject, other, 1, true)
  end
  same('gmatch', walk(lua.gmatch), walk(ours.gmatch), subject, pattern)
  same('gfind', walk(lua.gfind), walk(ours.gfind), subject, pattern)
  for _, with in ipairs{other, note, table_of_words, 5} do
    same('gsub', lua.gsub, ours.gsub, subject, pattern, with)
    same('gsub', lua.gsub, ours.gsub, subject, pattern, with, 2)
    same('gsub', lua.gsub, ours.gsub, subject, pattern, with, -1)
  end
  same('gsub', nested(lua.gsub), nested(ours.gsub), subject, pattern)
end
for _, name in ipairs{'find', 'match', 'gmatch', 'gsub', 'rep'} do
  for _, words in ipairs{{}, {'a'}, {{}, 'a'}, {'a', {}}, {'a', 'a', {}}, {'a', 'a', 'x', 'y'}, {nil, 'a'}, {1, 1, 1, 1}, {'a', 3},
      {'a', -3}, {'', 7}, {'ab', '2'}, {'ab', 1e300}, {12, 2}, {'a', 'a', true}, {'a', 'a', nil, true}, {'abc', '', 'x'}} do
    same(name, lua[name], ours[name], unpack(words, 1, 4))
  end
end
same('gsub', lua.gsub, ours.gsub, 'abc', '%w', function() return {} end)
same('gsub', lua.gsub, ours.gsub, 'abc', '%w', function() error({}) end)
same('gsub', lua.gsub, ours.gsub, 'abc', '%w', '%')
same('gsub', lua.gsub, ours.gsub, 'abc', '(%w', '%1')
same('gsub', lua.gsub, ours.gsub, 'abc', '()', '%1%2')
same('gsub', lua.gsub, ours.gsub, ('x'):rep(3000), 'x', ('y'):rep(300))
same('find', lua.find, ours.find, ('a'):rep(100), ('(a)'):rep(33))
same('find', lua.find, ours.find, ('a'):rep(100), ('()'):rep(32))
same('find', lua.find, ours.find, ('a'):rep(300), ('a?'):rep(300) .. ('a'):rep(20))
";

/// The words of a comparison: subjects, patterns and texts that replace, one of each a time.
fn compare(stack: Stack, context: &mut Context) -> Answer {
    State::open_libraries(stack);
    assert!(stack.load(COMPARE, c"=compare"), "{}", String::from_utf8_lossy(stack.bytes(-1)));
    stack.push_globals();
    stack.push_field(-1, "string");
    stack.replace(-2);
    stack.push_table(0, 8);
    for &(name, body) in FUNCTIONS {
        stack.push_body(body, 0);
        stack.set_field(-2, name);
    }
    stack.push_field(-2, "rep");
    stack.guard_top(check_repetition);
    stack.set_field(-2, "rep");
    let words = std::mem::take(&mut context.words);
    for list in words.split(|&byte| byte == 0xff) {
        stack.push_table(0, 0);
        for (at, word) in list.split(|&byte| byte == 0xfe).enumerate() {
            stack.push_bytes(word);
            stack.set_element(-2, at as i32 + 1);
        }
    }
    drop(words);
    stack.call(5, 0);
    if stack.top() == 0 { Ok(0) } else { Err(Raise::Top) }
}

fn random_text(random: &mut Random, pieces: &[&str], most: usize, into: &mut Vec<u8>) {
    for _ in 0..random.below(most) {
        into.extend_from_slice(pieces[random.below(pieces.len())].as_bytes());
    }
}

#[test]
fn patterns_find_what_they_find_in_lua() {
    let subject = ["a", "b", "ab", " ", "c", "(", ")", "%", "]", "-", "1", "A", "\0", "\n", "^", "x"];
    let pattern = [
        "a", "b", "a", "b", ".", "*", "+", "-", "?", "(", ")", "()", "%", "%a", "%A", "%s", "%d", "%p", "%w",
        "%z", "%x", "%c", "%l", "%u", "%b()", "%bab", "%b", "%f[%a]", "%f[^a]", "%f", "[", "]", "[^", "[ab]",
        "[^a]", "[a-", "-c]", "[]", "[^]", "%1", "%2", "%0", "^", "$", "(a", "b)", "(.-)", "(a*)", "\0",
        "[%", "[%a]", "[%]]", "[a-%%]", "x", "(.)", "%1*", "[^%s]", " ", "[0-9]", "[a-b]", "[^a-c]*",
        "[%a-]", "[b-x]-",
    ];
    let other = ["a", "<", ">", "%0", "%1", "%2", "%%", "%", "%9", "b", "\0"];
    let mut random = Random::new(77);
    let mut state = State::new(256 << 20, std::sync::Arc::default());
    for round in 0..2 {
        let mut lists = [Vec::new(), Vec::new(), Vec::new()];
        for at in 0..600 {
            for (list, pieces, most) in [(0, &subject[..], 12), (1, &pattern[..], 7), (2, &other[..], 5)] {
                if at > 0 {
                    lists[list].push(0xfe);
                }
                random_text(&mut random, pieces, most, &mut lists[list]);
            }
        }
        state.context().words = lists.join(&0xff);
        let result = state.run(compare, None).map_err(|text| String::from_utf8_lossy(&text).into_owned());
        assert_eq!(result, Ok(()), "round {round}");
    }
}
