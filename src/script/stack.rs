//! The C side of Lua: the values that its functions work on, and how it calls ours. `state` and `heap` are the rest of it.
//!
//! * Lua raises errors with `longjmp`, which skips Rust frames without dropping what they own. Therefore: **between a C
//!   function that Lua has called (`enter`, `guard`) and a method of [`Stack`] that may raise, no frame may own anything that needs
//!   to be dropped.** Buffers live in the [`Context`], which outlives every call; bodies keep integers and borrows only.
//!   What a jump skips is then nothing.
//! * Every function that Lua calls is a [`Body`], called by `enter`, or an original function of Lua behind a [`Check`].
//!   An error is raised by the trampoline, when the body has returned.
//! * Methods that allocate, call metamethods or convert may raise; they are called inside [`State::run`](super::state::State::run),
//!   which catches.

use std::ffi::{CStr, c_int, c_void};
use std::ptr;

use mlua_sys as ffi;

use super::context::Context;
use super::heap::Heap;

/// Instructions between two looks at a run. Each may be the call of a function that takes a while.
pub(super) const INSTRUCTIONS: i32 = 5_000;

/// Kinds of Lua values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// There is no argument in this place.
    None,
    /// nil
    Nil,
    /// A boolean.
    Boolean,
    /// A pointer, such as `cjson.null`.
    Pointer,
    /// A number.
    Number,
    /// A string.
    String,
    /// A table.
    Table,
    /// A function.
    Function,
    /// Userdata or a coroutine.
    Other,
}

/// How a body wants an error raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raise {
    /// The text in [`Context::message`], behind the place in the script that called.
    Here,
    /// The value on top of the stack.
    Top,
}

/// How many results a body has pushed.
pub type Answer = Result<i32, Raise>;

/// A function for Lua.
pub type Body = fn(Stack, &mut Context) -> Answer;

/// What is done before an original function of Lua runs on the same arguments; `Some`: it does not run at all.
pub type Check = fn(Stack, &mut Context) -> Result<Option<i32>, Raise>;

/// The stack of a running Lua function. See the module's documentation for what may hold one.
#[derive(Clone, Copy)]
pub struct Stack(pub(super) *mut ffi::lua_State);

/// SAFETY of every block in this file, unless it says more:
/// 1. The pointer in a `Stack` is a live state: a `State` makes it and hands it only to bodies, which end before it.
/// 2. Indices name places below the top, or are pseudo-indices; each body looks at `top` or checks kinds first.
/// 3. Frames over a call that may raise own nothing (module documentation), so skipping them is sound.
const _SAFETY: () = ();

#[expect(unsafe_code, reason = "Lua is written in C")]
#[expect(clippy::undocumented_unsafe_blocks, reason = "one argument for all of them: SAFETY above")]
impl Stack {
    /// Number of values on the stack.
    #[inline]
    pub fn top(self) -> i32 {
        unsafe { ffi::lua_gettop(self.0) }
    }

    /// Makes the stack so high.
    #[inline]
    pub fn set_top(self, top: i32) {
        unsafe { ffi::lua_settop(self.0, top) }
    }

    /// Drops values from the top.
    #[inline]
    pub fn pop(self, count: i32) {
        unsafe { ffi::lua_pop(self.0, count) }
    }

    /// Pushes a copy.
    #[inline]
    pub fn push_copy(self, index: i32) {
        unsafe { ffi::lua_pushvalue(self.0, index) }
    }

    /// Moves the top under the values from `index` on.
    pub fn insert(self, index: i32) {
        unsafe { ffi::lua_insert(self.0, index) }
    }

    /// Puts the top in the place of `index`.
    pub fn replace(self, index: i32) {
        unsafe { ffi::lua_replace(self.0, index) }
    }

    /// Is there room for so many more values?
    #[inline]
    pub fn has_room(self, count: i32) -> bool {
        unsafe { ffi::lua_checkstack(self.0, count) != 0 }
    }

    /// The kind of a value.
    #[inline]
    pub fn kind(self, index: i32) -> Kind {
        match unsafe { ffi::lua_type(self.0, index) } {
            ffi::LUA_TNONE => Kind::None,
            ffi::LUA_TNIL => Kind::Nil,
            ffi::LUA_TBOOLEAN => Kind::Boolean,
            ffi::LUA_TLIGHTUSERDATA => Kind::Pointer,
            ffi::LUA_TNUMBER => Kind::Number,
            ffi::LUA_TSTRING => Kind::String,
            ffi::LUA_TTABLE => Kind::Table,
            ffi::LUA_TFUNCTION => Kind::Function,
            _ => Kind::Other,
        }
    }

    /// The name of a value's type, as `type` gives it.
    pub fn type_name(self, index: i32) -> &'static str {
        let name = unsafe { CStr::from_ptr(ffi::lua_typename(self.0, ffi::lua_type(self.0, index))) };
        name.to_str().unwrap_or("value")
    }

    /// A number, or a string that is one; else 0.
    #[inline]
    pub fn number(self, index: i32) -> f64 {
        unsafe { ffi::lua_tonumber(self.0, index) }
    }

    /// Is it a number, or a string that is one?
    pub fn is_numeric(self, index: i32) -> bool {
        unsafe { ffi::lua_isnumber(self.0, index) != 0 }
    }

    /// Is it neither false nor nil?
    pub fn is_true(self, index: i32) -> bool {
        unsafe { ffi::lua_toboolean(self.0, index) != 0 }
    }

    /// The bytes of a string, good as long as it is on the stack or in a table. A number becomes its text in its place.
    #[inline]
    pub fn bytes(&self, index: i32) -> &[u8] {
        let mut length = 0;
        unsafe {
            let start = ffi::lua_tolstring(self.0, index, &raw mut length);
            if start.is_null() { &[] } else { std::slice::from_raw_parts(start.cast(), length) }
        }
    }

    /// The address of a table or pointer.
    pub fn address(self, index: i32) -> usize {
        unsafe {
            match self.kind(index) {
                Kind::Pointer => ffi::lua_touserdata(self.0, index) as usize,
                _ => ffi::lua_topointer(self.0, index) as usize,
            }
        }
    }

    /// The length of a table's sequence.
    pub fn length(self, index: i32) -> usize {
        unsafe { ffi::lua_objlen(self.0, index) }
    }

    /// Are two values the same?
    pub fn is_same(self, a: i32, b: i32) -> bool {
        unsafe { ffi::lua_rawequal(self.0, a, b) != 0 }
    }

    /// Is one value smaller than another, as `<` says it?
    #[inline]
    pub fn is_less(self, a: i32, b: i32) -> bool {
        unsafe { ffi::lua_lessthan(self.0, a, b) != 0 }
    }

    /// Pushes nil.
    #[inline]
    pub fn push_nil(self) {
        unsafe { ffi::lua_pushnil(self.0) }
    }

    /// Pushes a boolean.
    #[inline]
    pub fn push_boolean(self, value: bool) {
        unsafe { ffi::lua_pushboolean(self.0, c_int::from(value)) }
    }

    /// Pushes a number.
    #[inline]
    pub fn push_number(self, value: f64) {
        unsafe { ffi::lua_pushnumber(self.0, value) }
    }

    /// Pushes a string.
    #[inline]
    pub fn push_bytes(self, bytes: &[u8]) {
        unsafe { ffi::lua_pushlstring_(self.0, bytes.as_ptr().cast(), bytes.len()) }
    }

    /// Pushes `cjson.null`.
    pub fn push_null_pointer(self) {
        unsafe { ffi::lua_pushlightuserdata(self.0, ptr::null_mut()) }
    }

    /// Pushes a new table.
    #[inline]
    pub fn push_table(self, elements: usize, fields: usize) {
        let fit = |count: usize| c_int::try_from(count).unwrap_or(c_int::MAX);
        unsafe { ffi::lua_createtable(self.0, fit(elements), fit(fields)) }
    }

    /// Pushes a function with `upvalues` values from the top, numbered from 2.
    pub fn push_body(self, body: Body, upvalues: i32) {
        unsafe {
            ffi::lua_pushlightuserdata(self.0, body as *mut c_void);
            ffi::lua_insert(self.0, -1 - upvalues);
            ffi::lua_pushcclosure(self.0, enter, upvalues + 1);
        }
    }

    /// Pushes a function that no script calls. That the run is killed does not keep it from what it has to do.
    pub fn push_own_body(self, body: Body) {
        unsafe {
            ffi::lua_pushlightuserdata(self.0, body as *mut c_void);
            ffi::lua_pushcclosure(self.0, enter_always, 1);
        }
    }

    /// Puts a check before the function of Lua on top, which must be one that has no upvalues of its own.
    pub fn guard_top(self, check: Check) {
        unsafe {
            ffi::lua_pushlightuserdata(self.0, check as *mut c_void);
            ffi::lua_insert(self.0, -2);
            ffi::lua_pushcclosure(self.0, guard, 2);
        }
    }

    /// The pseudo-index of a body's upvalue, from 2 on.
    pub const fn upvalue(number: i32) -> i32 {
        ffi::lua_upvalueindex(number)
    }

    /// Pushes a field of a table, without metamethods.
    #[inline]
    pub fn push_field(self, table: i32, name: &str) {
        let table = self.absolute(table);
        self.push_bytes(name.as_bytes());
        unsafe { ffi::lua_rawget_(self.0, table) }
    }

    /// Replaces the key on top by its value in a table, without metamethods.
    pub fn take_field(self, table: i32) {
        unsafe { ffi::lua_rawget_(self.0, table) }
    }

    /// Replaces the key on top by its value in a table, as a script would get it.
    pub fn take_value(self, table: i32) {
        unsafe {
            ffi::lua_gettable(self.0, table);
        }
    }

    /// Sets a field of a table to the value on top, without metamethods, and pops it.
    pub fn set_field(self, table: i32, name: &str) {
        let table = self.absolute(table);
        self.push_bytes(name.as_bytes());
        self.insert(-2);
        unsafe { ffi::lua_rawset(self.0, table) }
    }

    /// Sets a field of a table to the key and value on top, without metamethods, and pops them.
    pub fn set_pair(self, table: i32) {
        unsafe { ffi::lua_rawset(self.0, table) }
    }

    /// Pushes an element of a table, without metamethods.
    #[inline]
    pub fn push_element(self, table: i32, position: i32) {
        unsafe { ffi::lua_rawgeti_(self.0, table, position) }
    }

    /// Sets an element of a table to the value on top, without metamethods, and pops it.
    #[inline]
    pub fn set_element(self, table: i32, position: i32) {
        unsafe { ffi::lua_rawseti_(self.0, table, position) }
    }

    /// Replaces the key on top by the next one of a table and its value; false: there is no more, and the key is popped.
    pub fn next(self, table: i32) -> bool {
        unsafe { ffi::lua_next(self.0, table) != 0 }
    }

    /// Gives the value at `index` the table on top as its metatable, and pops that.
    pub fn set_metatable(self, index: i32) {
        unsafe {
            ffi::lua_setmetatable(self.0, index);
        }
    }

    /// Pushes the metatable of a value, if it has one.
    pub fn push_metatable(self, index: i32) -> bool {
        unsafe { ffi::lua_getmetatable(self.0, index) != 0 }
    }

    /// Is the table on top what it was made as: `count` elements, nothing else in it, and no metatable?
    #[inline]
    pub fn is_plain(self, count: usize) -> bool {
        if self.push_metatable(-1) {
            self.pop(1);
            return false;
        }
        let mut found = 0;
        self.push_nil();
        while self.next(-2) {
            found += 1;
            self.pop(1);
            if found > count || self.kind(-1) != Kind::Number || self.number(-1) != found as f64 {
                self.pop(1);
                return false;
            }
        }
        found == count
    }

    /// Joins values from the top.
    pub fn concat(self, count: i32) {
        unsafe { ffi::lua_concat(self.0, count) }
    }

    /// Pushes what the registry keeps under a number.
    #[inline]
    pub fn push_kept(self, number: i32) {
        self.push_element(ffi::LUA_REGISTRYINDEX, number);
    }

    /// Keeps the value on top in the registry and pops it.
    pub fn keep(self) -> i32 {
        unsafe { ffi::luaL_ref(self.0, ffi::LUA_REGISTRYINDEX) }
    }

    /// Gives up what the registry keeps under a number. Cannot raise.
    pub fn release(self, number: i32) {
        unsafe { ffi::luaL_unref(self.0, ffi::LUA_REGISTRYINDEX, number) }
    }

    /// Pushes the table of globals.
    pub fn push_globals(self) {
        self.push_copy(ffi::LUA_GLOBALSINDEX);
    }

    /// Makes the table on top the globals of what is loaded from now on, and pops it.
    pub fn set_globals(self) {
        self.replace(ffi::LUA_GLOBALSINDEX);
    }

    /// Makes the table on top the globals of the Lua function at `index`, and pops it.
    pub fn set_environment(self, index: i32) {
        unsafe {
            ffi::lua_setfenv(self.0, index);
        }
    }

    /// Compiles a text and pushes its function, or pushes the error and says false. Bytecode is no text.
    pub fn load(self, text: &[u8], name: &CStr) -> bool {
        unsafe { ffi::luaL_loadbuffer(self.0, text.as_ptr().cast(), text.len(), name.as_ptr()) == 0 }
    }

    /// Calls the function below `arguments` values; errors go through.
    pub fn call(self, arguments: i32, results: i32) {
        unsafe { ffi::lua_call(self.0, arguments, results) }
    }

    /// Calls the function below `arguments` values for one result, which is the error when this says false. Errors pass the
    /// function at `handler` first.
    #[inline]
    pub fn try_call(self, arguments: i32, handler: i32) -> bool {
        unsafe { ffi::lua_pcall(self.0, arguments, 1, handler) == 0 }
    }

    /// As [`Stack::try_call`] for all results.
    pub fn try_call_all(self, arguments: i32) -> bool {
        unsafe { ffi::lua_pcall(self.0, arguments, ffi::LUA_MULTRET, 0) == 0 }
    }

    /// Raises Lua's own complaint unless the argument is a function.
    pub fn check_function(self, argument: i32) {
        unsafe { ffi::luaL_checktype(self.0, argument, ffi::LUA_TFUNCTION) }
    }

    /// Raises Lua's own complaint unless the argument is a table.
    pub fn check_table(self, argument: i32) {
        unsafe { ffi::luaL_checktype(self.0, argument, ffi::LUA_TTABLE) }
    }

    /// Raises Lua's own complaint unless there is such an argument.
    pub fn check_any(self, argument: i32) {
        unsafe { ffi::luaL_checkany(self.0, argument) }
    }

    /// A numeric argument; raises Lua's own complaint when it is none.
    pub fn check_number(self, argument: i32) -> f64 {
        unsafe { ffi::luaL_checknumber(self.0, argument) }
    }

    /// The bytes of a string argument; raises Lua's own complaint when it is none.
    pub fn check_bytes(&self, argument: i32) -> &[u8] {
        let mut length = 0;
        unsafe {
            let start = ffi::luaL_checklstring(self.0, argument, &raw mut length);
            std::slice::from_raw_parts(start.cast(), length)
        }
    }

    /// Raises Lua's complaint about an argument.
    pub fn complain(self, argument: i32, what: &CStr) {
        unsafe {
            ffi::luaL_argerror(self.0, argument, what.as_ptr());
        }
    }

    /// As [`Stack::complain`], with a text that is no constant: what `text` holds.
    pub fn complain_about(self, argument: i32, text: &mut Vec<u8>) {
        text.push(0);
        // SAFETY: 4. the buffer is the context's, and ends with the byte just pushed.
        unsafe {
            ffi::luaL_argerror(self.0, argument, text.as_ptr().cast());
        }
    }

    /// Where the function at `level` of the call stack stands: its source and line, unless it is C.
    pub fn place(&self, level: i32) -> Place<'_> {
        unsafe {
            let mut record: ffi::lua_Debug = std::mem::zeroed();
            if ffi::lua_getstack(self.0, level, &raw mut record) == 0
                || ffi::lua_getinfo(self.0, c"Sl".as_ptr(), &raw mut record) == 0
            {
                return Place::Nowhere;
            }
            if CStr::from_ptr(record.what) == c"C" {
                return Place::Native;
            }
            // The text belongs to the function, which is being called.
            Place::Line(CStr::from_ptr(record.source).to_bytes(), record.currentline)
        }
    }

    /// Collects garbage: a step, or all of it.
    pub fn collect(self, all: bool) {
        let what = if all { ffi::LUA_GCCOLLECT } else { ffi::LUA_GCSTEP };
        unsafe {
            ffi::lua_gc(self.0, what, 0);
        }
    }

    /// Bytes that the state may still take.
    pub fn memory_left(self) -> usize {
        let mut heap = ptr::null_mut();
        unsafe {
            ffi::lua_getallocf(self.0, &raw mut heap);
            Heap::left(heap.cast())
        }
    }

    /// Ends the run at the next line, whatever the script does.
    pub fn stop_soon(self) {
        unsafe {
            ffi::lua_sethook(self.0, Some(on_count), ffi::LUA_MASKCOUNT | ffi::LUA_MASKLINE, 1);
        }
    }

    fn absolute(self, index: i32) -> i32 {
        if index < 0 && index > ffi::LUA_REGISTRYINDEX { self.top() + index + 1 } else { index }
    }
}

/// A place in the call stack.
pub enum Place<'a> {
    /// There is no such level.
    Nowhere,
    /// A function that is not written in Lua.
    Native,
    /// A source and a line.
    Line(&'a [u8], i32),
}

#[expect(unsafe_code, reason = "called by C")]
#[expect(clippy::undocumented_unsafe_blocks, reason = "one argument for all of them: SAFETY above")]
pub(super) unsafe extern "C-unwind" fn enter_protected(state: *mut ffi::lua_State) -> c_int {
    unsafe {
        let body = ffi::lua_touserdata(state, 1);
        ffi::lua_settop(state, 0);
        finish(state, std::mem::transmute::<*mut c_void, Body>(body)(Stack(state), context_of(state)))
    }
}

#[expect(unsafe_code, reason = "called by C")]
#[expect(clippy::undocumented_unsafe_blocks, reason = "one argument for all of them: SAFETY above")]
unsafe extern "C-unwind" fn enter(state: *mut ffi::lua_State) -> c_int {
    unsafe {
        end_if_killed(state);
        enter_always(state)
    }
}

#[expect(unsafe_code, reason = "called by C")]
#[expect(clippy::undocumented_unsafe_blocks, reason = "one argument for all of them: SAFETY above")]
unsafe extern "C-unwind" fn enter_always(state: *mut ffi::lua_State) -> c_int {
    unsafe {
        let body = ffi::lua_touserdata(state, ffi::lua_upvalueindex(1));
        finish(state, std::mem::transmute::<*mut c_void, Body>(body)(Stack(state), context_of(state)))
    }
}

#[expect(unsafe_code, reason = "called by C")]
#[expect(clippy::undocumented_unsafe_blocks, reason = "one argument for all of them: SAFETY above")]
unsafe extern "C-unwind" fn guard(state: *mut ffi::lua_State) -> c_int {
    unsafe {
        end_if_killed(state);
        let check = ffi::lua_touserdata(state, ffi::lua_upvalueindex(1));
        match std::mem::transmute::<*mut c_void, Check>(check)(Stack(state), context_of(state)) {
            Ok(Some(results)) => results,
            // In the same frame, so that its complaints name the script's line and the function's own name.
            Ok(None) => match ffi::lua_tocfunction(state, ffi::lua_upvalueindex(2)) {
                Some(original) => original(state),
                None => 0,
            },
            Err(raise) => finish(state, Err(raise)),
        }
    }
}

/// Raises the end of a run that was killed: many calls of functions that take long may come before the next count.
#[expect(unsafe_code, reason = "called by C")]
#[expect(clippy::undocumented_unsafe_blocks, reason = "one argument for all of them: SAFETY above")]
#[inline]
unsafe fn end_if_killed(state: *mut ffi::lua_State) {
    unsafe {
        if context_of(state).slot.is_killed() {
            on_count(state, ptr::null_mut());
        }
    }
}

/// Returns a body's results to Lua, or raises its error.
#[expect(unsafe_code, reason = "called by C")]
#[expect(clippy::undocumented_unsafe_blocks, reason = "one argument for all of them: SAFETY above")]
unsafe fn finish(state: *mut ffi::lua_State, answer: Answer) -> c_int {
    unsafe {
        match answer {
            Ok(results) => return results,
            Err(Raise::Top) => {}
            Err(Raise::Here) => {
                ffi::luaL_where(state, 1);
                Stack(state).push_bytes(&context_of(state).message);
                ffi::lua_concat(state, 2);
            }
        }
        ffi::lua_error(state)
    }
}

#[expect(unsafe_code, reason = "called by C")]
#[expect(clippy::undocumented_unsafe_blocks, reason = "one argument for all of them: SAFETY above")]
pub(super) unsafe extern "C-unwind" fn on_count(state: *mut ffi::lua_State, _record: *mut ffi::lua_Debug) {
    unsafe {
        if let Some(message) = context_of(state).tick() {
            // At every line from here on, so that a script that catches errors gets no further.
            Stack(state).stop_soon();
            Stack(state).push_bytes(message.as_bytes());
            ffi::lua_error(state);
        }
        // It may have been called sooner than after so many.
        ffi::lua_sethook(state, Some(on_count), ffi::LUA_MASKCOUNT, INSTRUCTIONS);
    }
}

#[expect(unsafe_code, reason = "called by C")]
#[expect(clippy::undocumented_unsafe_blocks, reason = "one argument for all of them: SAFETY above")]
unsafe fn context_of<'a>(state: *mut ffi::lua_State) -> &'a mut Context {
    unsafe {
        let mut heap = ptr::null_mut();
        ffi::lua_getallocf(state, &raw mut heap);
        &mut *Heap::context(heap.cast())
    }
}
