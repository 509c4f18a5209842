//! What the functions that Lua calls share: buffers, settings of libraries, and the job of the run that is going on.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::cjson;
use super::library::Registered;
use super::random::Lrand48;
use super::running::RunSlot;
use super::stack::Raise;
use super::state::{self, Kept};
use super::strings;
use super::words::Tables;
use crate::resp::{Argv, Output, Protocol, Span};
use crate::util::time::Monotonic;

/// What a script asks of the server: dispatch provides it.
pub trait Host {
    /// Executes a command; its reply in `protocol` goes to `reply`. False: the run is to end, whatever the script does.
    fn call(&mut self, argv: Argv<'_>, protocol: Protocol, reply: &mut Output) -> bool;

    /// May the client run this command? `None`: there is no such command.
    fn may_run(&mut self, argv: Argv<'_>) -> Option<bool>;

    /// Looks after a run that takes long. False: the run is to end.
    fn takes_long(&mut self) -> bool;
}

/// One run: what it works on, and what comes of it.
pub struct Job<'a> {
    /// The server; `None` while a library is loaded.
    pub host: Option<&'a mut dyn Host>,
    /// What is to be compiled.
    pub text: &'a [u8],
    /// KEYS.
    pub keys: Argv<'a>,
    /// ARGV.
    pub args: Argv<'a>,
    /// Where the reply goes, and in which protocol.
    pub reply: Option<(&'a mut Output, Protocol)>,
    /// The function to run, in the registry.
    pub function: i32,
    /// Is it a script, whose keys are globals? Otherwise it is a function of a library.
    pub is_script: bool,
    /// The script's SHA-1 or the function's name.
    pub name: &'a [u8],
    /// What was compiled, in the registry.
    pub compiled: i32,
    /// The metatable of a library's globals, in the registry.
    pub metatable: i32,
    /// Functions that a library has registered.
    pub registered: Vec<Registered>,
    /// Why the script failed, if it did.
    pub error: Option<Vec<u8>>,
    /// Has the error been counted already, as that of the command that failed?
    pub is_error_counted: bool,
}

impl<'a> Job<'a> {
    /// A job that compiles `text`.
    pub fn compiling(name: &'a [u8], text: &'a [u8]) -> Self {
        let none = Argv::new(&[], &[]);
        Job {
            host: None,
            text,
            keys: none,
            args: none,
            reply: None,
            function: 0,
            is_script: true,
            name,
            compiled: 0,
            metatable: 0,
            registered: Vec::new(),
            error: None,
            is_error_counted: false,
        }
    }
}

/// Why a run was ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Somebody killed it.
    Killed,
    /// The host asked for it.
    Stopped,
    /// A library took too long to load.
    LoadedTooLong,
}

/// A read-only table as scripts see it, and the table behind it.
#[derive(Clone, Copy, Default)]
pub struct Protected {
    /// The address of the stand-in.
    pub address: usize,
    /// The table behind it, in the registry.
    pub table: i32,
}

/// See the module's documentation.
#[derive(Default)]
pub struct Context {
    /// The text of the error that a body returns.
    pub message: Vec<u8>,
    /// Scratch of a library function.
    pub buffer: Vec<u8>,
    /// The words of a command, and where each lies in them.
    pub words: Vec<u8>,
    /// See `words`.
    pub spans: Vec<Span>,
    /// Replies of commands.
    pub replies: Output,
    /// Big replies in one piece.
    pub whole: Vec<u8>,
    /// `redis.setresp`.
    pub protocol: Protocol,
    /// `math.random`.
    pub random: Lrand48,
    /// Tables that scripts cannot change.
    pub protected: Vec<Protected>,
    /// The globals of scripts.
    pub world: Protected,
    /// The globals of functions, in the registry.
    pub function_world: i32,
    /// The globals of libraries that are being loaded, in the registry.
    pub loading_world: i32,
    /// What scripts see as the metatable of strings, in the registry.
    pub string_metatable: i32,
    /// Of `string.gsub` and its kin.
    pub strings: strings::Work,
    /// KEYS and ARGV, by [`Global`](super::words::Global).
    pub tables: [Tables; 2],
    /// How a job is run.
    pub kept: Kept,
    /// `cjson.encode_max_depth` and its kin.
    pub cjson: cjson::Settings,
    /// How other threads see the run.
    pub slot: Arc<RunSlot>,
    /// Set when the run has to end.
    pub end: Option<End>,
    /// When the library that is loaded began to be.
    pub loading_since: Option<Monotonic>,
    job: Option<NonNull<Job<'static>>>,
}

impl Context {
    /// The job of this run. Only inside of [`State::run`](state::State::run).
    pub fn job<'a>(&mut self) -> Option<&'a mut Job<'a>> {
        self.job.map(state::job)
    }

    /// The server, while a script runs.
    pub fn host<'a>(&mut self) -> Option<&'a mut dyn Host> {
        match self.job() {
            Some(Job { host: Some(host), .. }) => Some(&mut **host),
            _ => None,
        }
    }

    pub(super) fn set_job(&mut self, job: Option<NonNull<Job<'static>>>) {
        self.job = job;
    }

    /// An error with this text.
    pub fn fail(&mut self, text: &str) -> Raise {
        self.message.clear();
        self.message.extend_from_slice(text.as_bytes());
        Raise::Here
    }

    /// Looks whether the run may go on; called after many instructions. The text is the error that ends it.
    pub fn tick(&mut self) -> Option<&'static str> {
        if self.end.is_none() {
            if self.slot.killed.load(Ordering::Relaxed) {
                self.end = Some(End::Killed);
            } else if self.host().is_some_and(|host| !host.takes_long()) {
                self.end = Some(End::Stopped);
            } else if self.loads_too_long() {
                self.end = Some(End::LoadedTooLong);
            }
        }
        self.end.map(|end| match end {
            End::Killed => self.slot.kill_text(),
            End::Stopped => "The script is stopped",
            End::LoadedTooLong => "FUNCTION LOAD timeout",
        })
    }
}
