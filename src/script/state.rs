//! A Lua state: its memory, its context, and how it is run.
//!
//! * Memory comes from a [`Heap`], which refuses what would exceed the limit: Lua raises "not enough memory" then.
//! * What may raise is called inside [`State::run`], which catches. See [`stack`](super::stack) for what errors are to Rust.

use std::ffi::{c_int, c_void};
use std::ptr::NonNull;
use std::sync::Arc;

use mlua_sys as ffi;

use super::context::{Context, Job};
use super::heap::{Heap, allocate};
use super::running::RunSlot;
use super::stack::{Body, INSTRUCTIONS, Stack, enter_protected, on_count};

/// A Lua state with its memory and context.
pub struct State {
    stack: Stack,
    heap: NonNull<Heap>,
    context: NonNull<Context>,
}

/// SAFETY of every block in this file, unless it says more:
/// 1. The state, its heap and its context live as long as the `State`, which owns all three and is borrowed by whatever uses them.
/// 2. What may raise is called by `lua_cpcall` and `lua_pcall`, which catch.
const _SAFETY: () = ();

/// What a run is made of, in the registry, so that none is made for each run.
#[derive(Clone, Copy, Default)]
pub struct Kept {
    /// The body that runs.
    pub body: i32,
    /// What every error passes first.
    pub handler: i32,
    /// The body that looks at what comes of an error.
    pub explain: i32,
}

#[expect(unsafe_code, reason = "Lua is written in C")]
#[expect(clippy::undocumented_unsafe_blocks, reason = "one argument for all of them: SAFETY above")]
impl State {
    /// A state without anything in it, that may take `limit` bytes, and whose runs others see in `slot`.
    pub fn new(limit: usize, slot: Arc<RunSlot>) -> Self {
        let context = NonNull::from(Box::leak(Box::new(Context::default())));
        let heap = NonNull::from(Box::leak(Box::new(Heap::new(limit, context.as_ptr(), slot.clone()))));
        let state = unsafe { ffi::lua_newstate(allocate, heap.as_ptr().cast()) };
        assert!(!state.is_null(), "an empty Lua state needs a few kilobytes");
        unsafe { Heap::attach(heap.as_ptr(), state) };
        let mut state = State { stack: Stack(state), heap, context };
        state.context().slot = slot;
        state
    }

    /// Bytes that the state takes.
    pub fn memory(&self) -> usize {
        unsafe { self.heap.as_ref().used() }
    }

    /// The context, between calls.
    pub fn context(&mut self) -> &mut Context {
        unsafe { self.context.as_mut() }
    }

    /// The stack, for what cannot raise: between calls it is empty.
    pub fn stack(&self) -> Stack {
        self.stack
    }

    /// Opens Lua's own libraries that scripts may use. Inside [`State::run`].
    pub fn open_libraries(stack: Stack) {
        let libraries = [
            (c"", ffi::luaopen_base as ffi::lua_CFunction),
            (c"table", ffi::luaopen_table),
            (c"string", ffi::luaopen_string),
            (c"math", ffi::luaopen_math),
        ];
        for (name, open) in libraries {
            unsafe {
                ffi::lua_pushcclosure(stack.0, open, 0);
                ffi::lua_pushstring_(stack.0, name.as_ptr());
                ffi::lua_call(stack.0, 1, 0);
            }
        }
    }

    /// Runs a body with a job in its context, and catches what it raises: `Err` has the text.
    pub fn run(&mut self, body: Body, job: Option<&mut Job<'_>>) -> Result<(), Vec<u8>> {
        self.lend(job);
        let status = unsafe { ffi::lua_cpcall(self.stack.0, enter_protected, body as *mut c_void) };
        self.finish(status)
    }

    /// As [`State::run`], with what is kept for it. What `explain` does not raise is no error here.
    pub fn run_kept(&mut self, kept: Kept, job: &mut Job<'_>) -> Result<(), Vec<u8>> {
        self.lend(Some(job));
        let stack = self.stack;
        // The stack of an idle state has room for a few values.
        stack.push_kept(kept.handler);
        stack.push_kept(kept.body);
        let mut status = unsafe { ffi::lua_pcall(stack.0, 0, 0, 1) };
        if status != 0 {
            stack.push_kept(kept.explain);
            stack.insert(-2);
            status = unsafe { ffi::lua_pcall(stack.0, 1, 0, 0) };
        }
        self.finish(status)
    }

    fn lend(&mut self, job: Option<&mut Job<'_>>) {
        // SAFETY: 3. `finish` has the context forget the job before the run returns, so that it is used within its lifetime only.
        let erased = job
            .map(|job| unsafe { NonNull::from(std::mem::transmute::<&mut Job<'_>, &mut Job<'static>>(job)) });
        self.context().set_job(erased);
    }

    fn finish(&mut self, status: c_int) -> Result<(), Vec<u8>> {
        self.context().set_job(None);
        let result = if status == 0 { Ok(()) } else { Err(self.stack.bytes(-1).to_vec()) };
        self.stack.set_top(0);
        result
    }

    /// Makes garbage collection lazy again, once little is in use.
    #[inline]
    pub fn calm(&mut self) {
        unsafe { Heap::calm(self.heap.as_ptr()) }
    }

    /// Has [`Context::tick`] called after every so many instructions.
    pub fn watch(&self) {
        unsafe {
            ffi::lua_sethook(self.stack.0, Some(on_count), ffi::LUA_MASKCOUNT, INSTRUCTIONS);
        }
    }

    /// Lets the garbage collector go on after a script that stopped it, or takes a step.
    pub fn collect_some(&self) {
        unsafe {
            ffi::lua_gc(self.stack.0, ffi::LUA_GCSTEP, 1);
        }
    }
}

#[expect(unsafe_code, reason = "Lua is written in C")]
impl Drop for State {
    fn drop(&mut self) {
        // SAFETY: 1. nothing runs: `self` is not borrowed; 2. the boxes were leaked in `new`, and freed once, after their user.
        unsafe {
            ffi::lua_close(self.stack.0);
            drop(Box::from_raw(self.heap.as_ptr()));
            drop(Box::from_raw(self.context.as_ptr()));
        }
    }
}

/// The job of a context. Its lifetime is the run that is going on.
#[expect(unsafe_code, reason = "a job is lent to C for the time of a run")]
pub(super) fn job<'a>(erased: NonNull<Job<'static>>) -> &'a mut Job<'a> {
    // SAFETY: 1. `State::run` sets it for the time of its run and bodies run inside that; 2. the caller holds the only `&mut Context`.
    unsafe { std::mem::transmute::<&mut Job<'static>, &mut Job<'a>>(&mut *erased.as_ptr()) }
}
