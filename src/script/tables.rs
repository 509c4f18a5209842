//! The functions of `table` that take long on a big one: Lua's own sort and join millions of elements in C, and nothing stops them.
//!
//! Results, complaints and the order in which `sort` compares are Lua 5.1's; the tests compare with its own functions.

use super::context::Context;
use super::convert::cut;
use super::sandbox::refuse_stand_in;
use super::stack::{Answer, Body, Kind, Raise, Stack};
use super::strings::{append, stop};

/// The functions.
pub const FUNCTIONS: &[(&str, Body)] = &[("concat", concat), ("sort", sort)];

/// Elements, or comparisons, between two looks at whether the run may go on.
const STEPS: u32 = 50_000;

/// An optional argument that is an integer as C's `int`.
fn optional_int(stack: Stack, argument: i32, default: i32) -> i32 {
    if matches!(stack.kind(argument), Kind::None | Kind::Nil) {
        return default;
    }
    cut(stack.check_number(argument)) as i32
}

/// Counts a step. Every so many it looks whether the run may go on.
#[inline]
fn step(stack: Stack, context: &mut Context, steps: &mut u32) -> Result<(), Raise> {
    *steps += 1;
    if *steps < STEPS {
        return Ok(());
    }
    *steps = 0;
    if context.tick().is_some() { Err(stop(stack, context)) } else { Ok(()) }
}

fn concat(stack: Stack, context: &mut Context) -> Answer {
    let separator: &[u8] =
        if matches!(stack.kind(2), Kind::None | Kind::Nil) { b"" } else { stack.check_bytes(2) };
    stack.check_table(1);
    let first = optional_int(stack, 3, 1);
    let last = optional_int(stack, 4, stack.length(1) as i32);
    let (begin, mut steps) = (context.strings.made.len(), 0);
    for at in first..=last {
        step(stack, context, &mut steps)?;
        if at > first {
            append(stack, context, separator)?;
        }
        stack.push_element(1, at);
        if !matches!(stack.kind(-1), Kind::String | Kind::Number) {
            return Err(refuse_element(stack, context, at));
        }
        append(stack, context, stack.bytes(-1))?;
        stack.pop(1);
    }
    stack.push_bytes(&context.strings.made[begin..]);
    context.strings.made.truncate(begin);
    Ok(1)
}

#[cold]
fn refuse_element(stack: Stack, context: &mut Context, at: i32) -> Raise {
    let Context { message, .. } = context;
    message.clear();
    message.extend_from_slice(b"invalid value (");
    message.extend_from_slice(stack.type_name(-1).as_bytes());
    message.extend_from_slice(b") at index ");
    message.extend_from_slice(itoa::Buffer::new().format(at).as_bytes());
    message.extend_from_slice(b" in table for 'concat'");
    Raise::Here
}

/// The stack that `sort` needs: a few values for each of the parts that lie in each other.
const SORT_ROOM: i32 = 120;

fn sort(stack: Stack, context: &mut Context) -> Answer {
    refuse_stand_in(stack, context, 1)?;
    stack.check_table(1);
    let count = stack.length(1) as i32;
    if !stack.has_room(SORT_ROOM) {
        return Err(context.fail("stack overflow ()"));
    }
    if !matches!(stack.kind(2), Kind::None | Kind::Nil) {
        stack.check_function(2);
    }
    stack.set_top(2);
    Sort { stack, context, steps: 0 }.sort(1, count)?;
    Ok(0)
}

/// Sorts the table at 1 by the function at 2, or by what Lua takes for smaller.
struct Sort<'c> {
    stack: Stack,
    context: &'c mut Context,
    steps: u32,
}

impl Sort<'_> {
    /// Is the value at `a` smaller than that at `b`? Both count from the top.
    fn is_less(&mut self, a: i32, b: i32) -> Result<bool, Raise> {
        let stack = self.stack;
        step(stack, self.context, &mut self.steps)?;
        if stack.kind(2) == Kind::Nil {
            return Ok(stack.is_less(a, b));
        }
        stack.push_copy(2);
        stack.push_copy(a - 1);
        stack.push_copy(b - 2);
        stack.call(2, 1);
        let is_less = stack.is_true(-1);
        stack.pop(1);
        Ok(is_less)
    }

    /// Stores the two values on top, the upper one in `a`.
    fn store(&self, a: i32, b: i32) {
        self.stack.set_element(1, a);
        self.stack.set_element(1, b);
    }

    /// Exchanges two elements if the later one is smaller, and says so.
    fn order(&mut self, low: i32, high: i32) -> Result<bool, Raise> {
        self.stack.push_element(1, low);
        self.stack.push_element(1, high);
        let is_less = self.is_less(-1, -2)?;
        if is_less {
            self.store(low, high)
        } else {
            self.stack.pop(2)
        }
        Ok(is_less)
    }

    /// Sorts a part: quicksort, whose pivot is the middle one of the first, the last and the one between.
    fn sort(&mut self, mut low: i32, mut high: i32) -> Result<(), Raise> {
        while low < high {
            self.order(low, high)?;
            if high - low == 1 {
                break;
            }
            let middle = low.midpoint(high);
            if !self.order(low, middle)? {
                self.order(middle, high)?;
            }
            if high - low == 2 {
                break;
            }
            let pivot = self.split(low, middle, high)?;
            // The smaller part first, so that no more than the logarithm of them lie in each other.
            if pivot - low < high - pivot {
                self.sort(low, pivot - 1)?;
                low = pivot + 1;
            } else {
                self.sort(pivot + 1, high)?;
                high = pivot - 1;
            }
        }
        Ok(())
    }

    /// Brings what is smaller than the element in the middle before it, and what is not behind it. Returns where that is then.
    fn split(&mut self, low: i32, middle: i32, high: i32) -> Result<i32, Raise> {
        let stack = self.stack;
        stack.push_element(1, middle);
        stack.push_copy(-1);
        stack.push_element(1, high - 1);
        self.store(middle, high - 1);
        let (mut from, mut to) = (low, high - 1);
        loop {
            from += 1;
            stack.push_element(1, from);
            while self.is_less(-1, -2)? {
                if from > high {
                    return Err(self.context.fail("invalid order function for sorting"));
                }
                stack.pop(1);
                from += 1;
                stack.push_element(1, from);
            }
            to -= 1;
            stack.push_element(1, to);
            while self.is_less(-3, -1)? {
                if to < low {
                    return Err(self.context.fail("invalid order function for sorting"));
                }
                stack.pop(1);
                to -= 1;
                stack.push_element(1, to);
            }
            if to < from {
                break;
            }
            self.store(from, to);
        }
        stack.pop(3);
        stack.push_element(1, high - 1);
        stack.push_element(1, from);
        self.store(high - 1, from);
        Ok(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::state::State;

    /// Calls Lua's functions and ours with the same words, and compares what comes of it.
    const COMPARE: &[u8] = b"local lua, ours = ...
local calls
local function show(value)
  if type(value) ~= 'table' then return tostring(value) end
  local all = {}
  for i = 1, #value do all[i] = tostring(value[i]) end
  return lua.concat(all, ' ')
end
local function same(name, make, ...)
  local first, second = make(), make()
  local log = {}
  local function noting(f)
    return type(f) ~= 'function' and f or function(a, b) log[#log + 1] = show(a) .. '<' .. show(b) return f(a, b) end
  end
  local words = {n = select('#', ...), ...}
  local function call(f, list) calls = 0 return pcall(f, list, noting(words[1]), unpack(words, 2, words.n)) end
  local done, result = call(lua[name], first)
  local compared = lua.concat(log, ';')
  log = {}
  local done_too, result_too = call(ours[name], second)
  assert(done == done_too, name .. ': ' .. tostring(result) .. ' and not ' .. tostring(result_too))
  assert(show(result) == show(result_too), name .. ': ' .. show(result) .. ' and not ' .. show(result_too))
  assert(show(first) == show(second), name .. ' of ' .. show(make()) .. ': ' .. show(first) .. ' and not ' .. show(second))
  assert(compared == lua.concat(log, ';'), name .. ' compares in another order')
end
math.randomseed(5)
local orders = {
  false, function(a, b) return a > b end, function(a, b) return true end, function(a, b) return false end,
  function(a, b) return tostring(a) < tostring(b) end, 7, {}, 'text',
  function(a, b) calls = calls + 1 if calls % 50 == 0 then error('no') end return a < b end,
  function(a, b) calls = calls + 1 return calls % 3 == 0 end,
}
for round = 1, 300 do
  local list = {}
  for i = 1, math.random(0, round % 10 == 0 and 300 or 12) do list[i] = math.random(1, round % 7 == 0 and 1000 or 9) end
  if round % 5 == 0 then for i = 1, #list do list[i] = 'v' .. list[i] end end
  if round % 11 == 0 and #list > 0 then list[math.random(1, #list)] = round % 2 == 0 and 'text' or {} end
  if round % 13 == 0 and #list > 0 then list[math.random(1, #list)] = 0/0 end
  local function make() local copy = {} for i = 1, #list do copy[i] = list[i] end return copy end
  for _, order in ipairs(orders) do same('sort', make, order or nil) end
  same('sort', make)
  same('concat', make)
  for _, separator in ipairs{',', '', 7, {}, true, 'and so on'} do
    same('concat', make, separator)
    for _, first in ipairs{1, 2, 0, -1, '2', 'x', 1e300, 2147483647} do
      same('concat', make, separator, first)
      same('concat', make, separator, first, first == 2147483647 and first or 3)
    end
  end
end
for _, name in ipairs{'sort', 'concat'} do
  for _, word in ipairs{false, 1, 'text', print} do same(name, function() return word end) end
  same(name, function() return nil end)
end
same('concat', function() return setmetatable({}, {__index = function() return 'x' end}) end, ',', 1, 5)
";

    fn compare(stack: Stack, _context: &mut Context) -> Answer {
        State::open_libraries(stack);
        assert!(stack.load(COMPARE, c"=compare"), "{}", String::from_utf8_lossy(stack.bytes(-1)));
        stack.push_globals();
        stack.push_field(-1, "table");
        stack.replace(-2);
        stack.push_table(0, 2);
        for &(name, body) in FUNCTIONS {
            stack.push_body(body, 0);
            stack.set_field(-2, name);
        }
        stack.call(2, 0);
        Ok(0)
    }

    #[test]
    fn tables_are_sorted_and_joined_as_lua_does_it() {
        let mut state = State::new(256 << 20, std::sync::Arc::default());
        let result = state.run(compare, None).map_err(|text| String::from_utf8_lossy(&text).into_owned());
        assert_eq!(result, Ok(()));
    }
}
