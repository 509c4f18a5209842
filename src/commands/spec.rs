//! What a command *is*: the row type of the command table.
//!
//! * A command is declared once, in its family's `COMMANDS`, as a constant; everything else (lookup, arity checks, lock
//!   sets, ACL categories, COMMAND INFO/DOCS/GETKEYS, HELP) is derived from the row.
//! * Flags, key-spec flags and categories are plain integer constants, so that rows can be `const`.
//! * Nothing here runs a command; `dispatch` does.

use super::call::Call;
use super::error::CommandError;
use crate::resp::Argv;

/// What a handler returns: the reply has been written, or an error that becomes the reply.
pub type CommandResult = Result<(), CommandError>;

/// A handler reads its arguments from the call, calls `types` and `store`, and writes exactly one reply.
pub type Handler = fn(&mut Call<'_>) -> CommandResult;

/// Command flags, as `COMMAND INFO` names them.
pub mod flags {
    /// May modify the dataset.
    pub const WRITE: u32 = 1 << 0;
    /// Only reads keys.
    pub const READONLY: u32 = 1 << 1;
    /// May use more memory: refused when `maxmemory` cannot be met.
    pub const DENYOOM: u32 = 1 << 2;
    /// An administrator's command.
    pub const ADMIN: u32 = 1 << 3;
    /// Belongs to publish/subscribe.
    pub const PUBSUB: u32 = 1 << 4;
    /// Not allowed from scripts.
    pub const NOSCRIPT: u32 = 1 << 5;
    /// May block the client.
    pub const BLOCKING: u32 = 1 << 6;
    /// Allowed while the dataset is loading.
    pub const LOADING: u32 = 1 << 7;
    /// Allowed on a replica with stale data.
    pub const STALE: u32 = 1 << 8;
    /// Not shown to MONITOR.
    pub const SKIP_MONITOR: u32 = 1 << 9;
    /// Not kept in the slow log.
    pub const SKIP_SLOWLOG: u32 = 1 << 10;
    /// Constant or logarithmic time.
    pub const FAST: u32 = 1 << 11;
    /// Allowed before authentication.
    pub const NO_AUTH: u32 = 1 << 12;
    /// Replicated even when nothing changed.
    pub const MAY_REPLICATE: u32 = 1 << 13;
    /// Not allowed inside MULTI.
    pub const NO_MULTI: u32 = 1 << 16;
    /// Allowed while a script is busy.
    pub const ALLOW_BUSY: u32 = 1 << 17;
    /// Its answer depends on keys that its arguments do not name.
    pub const TOUCHES_ARBITRARY_KEYS: u32 = 1 << 18;
    /// The positions of its keys cannot be given as a first, a last and a step.
    pub const MOVABLE_KEYS: u32 = 1 << 19;
    /// Not allowed while a replica loads a dataset beside the one that it serves.
    pub const NO_ASYNC_LOADING: u32 = 1 << 20;
    /// May be called without any key although it has key specs.
    pub const NO_MANDATORY_KEYS: u32 = 1 << 21;
    /// A cluster's node takes it for a slot that is just moving there.
    pub const ASKING: u32 = 1 << 22;
    /// Runs a script: it may take more shards than those of its keys.
    pub const RUNS_SCRIPT: u32 = 1 << 30;
    /// Names in the order in which `COMMAND INFO` prints them; the other flags are not shown.
    pub const NAMES: [(u32, &str); 19] = [
        (WRITE, "write"),
        (READONLY, "readonly"),
        (DENYOOM, "denyoom"),
        (ADMIN, "admin"),
        (PUBSUB, "pubsub"),
        (NOSCRIPT, "noscript"),
        (BLOCKING, "blocking"),
        (LOADING, "loading"),
        (STALE, "stale"),
        (SKIP_MONITOR, "skip_monitor"),
        (SKIP_SLOWLOG, "skip_slowlog"),
        (ASKING, "asking"),
        (FAST, "fast"),
        (NO_AUTH, "no_auth"),
        (NO_MANDATORY_KEYS, "no_mandatory_keys"),
        (NO_ASYNC_LOADING, "no_async_loading"),
        (NO_MULTI, "no_multi"),
        (MOVABLE_KEYS, "movablekeys"),
        (ALLOW_BUSY, "allow_busy"),
    ];
}

/// Flags of one key spec, as `COMMAND INFO` names them.
pub mod key_flags {
    /// Reads the value.
    pub const RO: u16 = 1 << 0;
    /// Reads and writes the value.
    pub const RW: u16 = 1 << 1;
    /// Overwrites the value.
    pub const OW: u16 = 1 << 2;
    /// Removes the value.
    pub const RM: u16 = 1 << 3;
    /// Returns or copies data of the value.
    pub const ACCESS: u16 = 1 << 4;
    /// Updates data of the value.
    pub const UPDATE: u16 = 1 << 5;
    /// Adds data without reading any.
    pub const INSERT: u16 = 1 << 6;
    /// Deletes data explicitly.
    pub const DELETE: u16 = 1 << 7;
    /// The argument is not a key although it looks like one.
    pub const NOT_KEY: u16 = 1 << 8;
    /// The spec may miss keys.
    pub const INCOMPLETE: u16 = 1 << 9;
    /// The flags depend on the arguments.
    pub const VARIABLE_FLAGS: u16 = 1 << 10;
    /// Names that `COMMAND INFO` prints, in bit order.
    pub const NAMES: [&str; 11] = [
        "RO",
        "RW",
        "OW",
        "RM",
        "access",
        "update",
        "insert",
        "delete",
        "not_key",
        "incomplete",
        "variable_flags",
    ];
}

/// ACL categories, one bit each.
pub mod category {
    /// `@keyspace`
    pub const KEYSPACE: u32 = 1 << 0;
    /// `@read`
    pub const READ: u32 = 1 << 1;
    /// `@write`
    pub const WRITE: u32 = 1 << 2;
    /// `@set`
    pub const SET: u32 = 1 << 3;
    /// `@sortedset`
    pub const SORTEDSET: u32 = 1 << 4;
    /// `@list`
    pub const LIST: u32 = 1 << 5;
    /// `@hash`
    pub const HASH: u32 = 1 << 6;
    /// `@string`
    pub const STRING: u32 = 1 << 7;
    /// `@bitmap`
    pub const BITMAP: u32 = 1 << 8;
    /// `@hyperloglog`
    pub const HYPERLOGLOG: u32 = 1 << 9;
    /// `@geo`
    pub const GEO: u32 = 1 << 10;
    /// `@stream`
    pub const STREAM: u32 = 1 << 11;
    /// `@pubsub`
    pub const PUBSUB: u32 = 1 << 12;
    /// `@admin`
    pub const ADMIN: u32 = 1 << 13;
    /// `@fast`
    pub const FAST: u32 = 1 << 14;
    /// `@slow`
    pub const SLOW: u32 = 1 << 15;
    /// `@blocking`
    pub const BLOCKING: u32 = 1 << 16;
    /// `@dangerous`
    pub const DANGEROUS: u32 = 1 << 17;
    /// `@connection`
    pub const CONNECTION: u32 = 1 << 18;
    /// `@transaction`
    pub const TRANSACTION: u32 = 1 << 19;
    /// `@scripting`
    pub const SCRIPTING: u32 = 1 << 20;
    /// Names in bit order, without the `@`.
    pub const NAMES: [&str; 21] = [
        "keyspace",
        "read",
        "write",
        "set",
        "sortedset",
        "list",
        "hash",
        "string",
        "bitmap",
        "hyperloglog",
        "geo",
        "stream",
        "pubsub",
        "admin",
        "fast",
        "slow",
        "blocking",
        "dangerous",
        "connection",
        "transaction",
        "scripting",
    ];
}

/// Where a key spec's keys begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At this argument.
    Index(usize),
    /// After this keyword, looked for from the given argument (from the end when negative).
    Keyword(&'static str, isize),
    /// Cannot be said.
    Unknown,
}

/// How the keys go on from there.
#[derive(Clone, Copy, Debug)]
pub enum Find {
    /// A range of arguments.
    Range {
        /// The last one, relative to the first; negative: from the end of the arguments, −1 the last one.
        last: isize,
        /// Arguments from one key to the next.
        step: usize,
        /// Above 1: only the first `1/limit` of the rest are keys.
        limit: usize,
    },
    /// A count, and so many keys.
    KeyCount {
        /// The argument with the count, relative to the begin.
        number: usize,
        /// The first key, relative to the begin.
        first: usize,
        /// Arguments from one key to the next.
        step: usize,
    },
    /// Cannot be said, but this finds the only one.
    Found(fn(Argv<'_>) -> Option<usize>),
    /// Cannot be said.
    Unknown,
}

/// Which arguments are keys, and what the command does with them.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    /// Where they begin.
    pub begin: Begin,
    /// How many there are.
    pub find: Find,
    /// `key_flags`.
    pub flags: u16,
    /// A remark for COMMAND INFO.
    pub notes: &'static str,
}

impl KeySpec {
    /// One key at argument `position`.
    pub const fn at(position: usize, flags: u16) -> Self {
        Self::range(position, 0, 1, flags)
    }

    /// Keys from argument `first` to `last` (see [`Find::Range`]) every `step`.
    pub const fn range(first: usize, last: isize, step: usize, flags: u16) -> Self {
        KeySpec { begin: Begin::Index(first), find: Find::Range { last, step, limit: 0 }, flags, notes: "" }
    }

    /// The key after the first `word` from argument `from` on.
    pub const fn keyword(word: &'static str, from: isize, flags: u16) -> Self {
        KeySpec { begin: Begin::Keyword(word, from), ..Self::at(0, flags) }
    }

    /// A count at argument `position`, the keys right after it.
    pub const fn counted(position: usize, flags: u16) -> Self {
        KeySpec {
            begin: Begin::Index(position),
            find: Find::KeyCount { number: 0, first: 1, step: 1 },
            flags,
            notes: "",
        }
    }

    /// Keys that no rule describes.
    pub const fn unknown(flags: u16) -> Self {
        KeySpec { begin: Begin::Unknown, find: Find::Unknown, flags, notes: "" }
    }

    /// The key that this finds, for want of a rule.
    pub const fn found(find: fn(Argv<'_>) -> Option<usize>, flags: u16) -> Self {
        KeySpec { begin: Begin::Unknown, find: Find::Found(find), flags, notes: "" }
    }

    /// Adds the remark that COMMAND INFO shows.
    pub const fn notes(mut self, notes: &'static str) -> Self {
        self.notes = notes;
        self
    }
}

/// Which shards a command locks.
#[derive(Clone, Copy, Debug)]
pub enum Locks {
    /// Those of its keys (none when it has no keys).
    Keys,
    /// All 64: it sees or changes the whole keyspace at once.
    AllShards,
    /// All 64 if this says that the command will look for keys that no argument names (the patterns of SORT), otherwise those of
    /// its keys.
    AllShardsIf(fn(Argv<'_>) -> bool),
    /// Those of the arguments from 2 on when argument 1 is one of these words. Redis's table does not call them keys, so no
    /// key spec may say so (DEBUG OBJECT).
    KeysOfSubcommand(&'static [&'static str]),
    /// Those of the arguments that this finds. The key specs are Redis's, and may take another argument for the keyword
    /// before the keys than the command does (XREADGROUP with a group called `streams`), or the first of several options where the
    /// command uses the last (GEORADIUS with two STORE).
    KeysFound(fn(Argv<'_>, &mut dyn FnMut(usize))),
}

/// A key that a command looks for in another database than the selected one. No key spec can say so.
#[derive(Clone, Copy, Debug)]
pub struct Elsewhere {
    /// The key's argument.
    pub key: usize,
    /// Finds the argument that names the database, if one does.
    pub database: fn(Argv<'_>) -> Option<usize>,
}

/// The type of an argument, for COMMAND DOCS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the documentation: they are what COMMAND DOCS prints")]
pub enum ArgKind {
    String,
    Integer,
    Double,
    Key,
    Pattern,
    UnixTime,
    PureToken,
    OneOf,
    Block,
}

impl ArgKind {
    /// The type's name in COMMAND DOCS.
    pub const fn name(self) -> &'static str {
        match self {
            ArgKind::String => "string",
            ArgKind::Integer => "integer",
            ArgKind::Double => "double",
            ArgKind::Key => "key",
            ArgKind::Pattern => "pattern",
            ArgKind::UnixTime => "unix-time",
            ArgKind::PureToken => "pure-token",
            ArgKind::OneOf => "oneof",
            ArgKind::Block => "block",
        }
    }
}

/// One argument of a command, for COMMAND DOCS.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: ArgKind,
    /// The word that announces it.
    pub token: &'static str,
    /// The key spec that a `Key` argument belongs to.
    pub key_spec_index: usize,
    /// The version that brought it.
    pub since: &'static str,
    /// May be left out.
    pub is_optional: bool,
    /// May be repeated.
    pub is_multiple: bool,
    /// Repeats its token too.
    pub is_multiple_token: bool,
    /// Alternatives or parts.
    pub args: &'static [Arg],
}

impl Arg {
    const fn new(name: &'static str, kind: ArgKind) -> Self {
        Arg {
            name,
            kind,
            token: "",
            key_spec_index: 0,
            since: "",
            is_optional: false,
            is_multiple: false,
            is_multiple_token: false,
            args: &[],
        }
    }

    /// Any bytes.
    pub const fn string(name: &'static str) -> Self {
        Self::new(name, ArgKind::String)
    }

    /// A signed integer.
    pub const fn integer(name: &'static str) -> Self {
        Self::new(name, ArgKind::Integer)
    }

    /// A floating-point number.
    pub const fn double(name: &'static str) -> Self {
        Self::new(name, ArgKind::Double)
    }

    /// A glob pattern.
    pub const fn pattern(name: &'static str) -> Self {
        Self::new(name, ArgKind::Pattern)
    }

    /// A point in time.
    pub const fn unix_time(name: &'static str) -> Self {
        Self::new(name, ArgKind::UnixTime)
    }

    /// A key of the first key spec.
    pub const fn key(name: &'static str) -> Self {
        Self::new(name, ArgKind::Key)
    }

    /// A key of key spec `index`.
    pub const fn key_of(name: &'static str, index: usize) -> Self {
        let mut arg = Self::new(name, ArgKind::Key);
        arg.key_spec_index = index;
        arg
    }

    /// A word that stands for itself.
    pub const fn flag(name: &'static str, token: &'static str) -> Self {
        Self::new(name, ArgKind::PureToken).token(token)
    }

    /// One of several.
    pub const fn oneof(name: &'static str, args: &'static [Arg]) -> Self {
        let mut arg = Self::new(name, ArgKind::OneOf);
        arg.args = args;
        arg
    }

    /// Several together.
    pub const fn block(name: &'static str, args: &'static [Arg]) -> Self {
        let mut arg = Self::new(name, ArgKind::Block);
        arg.args = args;
        arg
    }

    /// Belongs to key spec `index`.
    pub const fn of_spec(mut self, index: usize) -> Self {
        self.key_spec_index = index;
        self
    }

    /// Announced by `token`.
    pub const fn token(mut self, token: &'static str) -> Self {
        self.token = token;
        self
    }

    /// May be left out.
    pub const fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }

    /// May be repeated.
    pub const fn multiple(mut self) -> Self {
        self.is_multiple = true;
        self
    }

    /// May be repeated with its token.
    pub const fn multiple_token(mut self) -> Self {
        self.is_multiple = true;
        self.is_multiple_token = true;
        self
    }

    /// Came with this version.
    pub const fn since(mut self, version: &'static str) -> Self {
        self.since = version;
        self
    }
}

/// One row of the command table.
#[derive(Clone, Copy)]
pub struct Command {
    /// Lower-case name; of a subcommand, without its container's.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// The Redis version that brought it.
    pub since: &'static str,
    /// Time complexity in Redis's notation.
    pub complexity: &'static str,
    /// The group of the documentation: `string`, `generic`, …
    pub group: &'static str,
    /// Number of words with the name; −n: at least n.
    pub arity: i16,
    /// What runs.
    pub handler: Handler,
    /// `flags`.
    pub flags: u32,
    /// Explicit ACL categories; the implied ones come from the flags.
    pub categories: u32,
    /// Where its keys are.
    pub keys: &'static [KeySpec],
    /// What it locks.
    pub locks: Locks,
    /// Its key in another database.
    pub elsewhere: Option<Elsewhere>,
    /// Hints for client proxies.
    pub tips: &'static [&'static str],
    /// The version since which something else is recommended; empty: none.
    pub deprecated_since: &'static str,
    /// What is recommended instead, in Redis's notation: a command in backquotes, with what else to say.
    pub replaced_by: &'static str,
    /// Meant for the server itself or its developers: COMMAND DOCS says `syscmd`.
    pub is_internal: bool,
    /// Arguments for COMMAND DOCS.
    pub args: &'static [Arg],
    /// Subcommands; a container's own handler runs when none is named (arity −2 makes that an error in most).
    pub subcommands: &'static [Command],
}

impl Command {
    /// The base of every row: `..Command::NONE` in a family's own base.
    pub const NONE: Command = Command {
        name: "",
        summary: "",
        since: "1.0.0",
        complexity: "O(1)",
        group: "",
        arity: 1,
        handler: unknown_subcommand,
        flags: 0,
        categories: 0,
        keys: &[],
        locks: Locks::Keys,
        elsewhere: None,
        tips: &[],
        deprecated_since: "",
        replaced_by: "",
        is_internal: false,
        args: &[],
        subcommands: &[],
    };

    /// Does the row carry any of these flags?
    pub const fn has(&self, flags: u32) -> bool {
        self.flags & flags != 0
    }

    /// The explicit categories and those that Redis derives from the flags.
    pub fn all_categories(&self) -> u32 {
        let mut all = self.categories;
        if self.has(flags::WRITE) {
            all |= category::WRITE;
        }
        if self.has(flags::READONLY) && self.categories & category::SCRIPTING == 0 {
            all |= category::READ;
        }
        if self.has(flags::ADMIN) {
            all |= category::ADMIN | category::DANGEROUS;
        }
        if self.has(flags::PUBSUB) {
            all |= category::PUBSUB;
        }
        if self.has(flags::BLOCKING) {
            all |= category::BLOCKING;
        }
        all | if self.has(flags::FAST) { category::FAST } else { category::SLOW }
    }

    /// Does a call with `words` words have the right number of them?
    pub const fn accepts(&self, words: usize) -> bool {
        if self.arity >= 0 { words == self.arity as usize } else { words >= -(self.arity as isize) as usize }
    }
}

/// The handler of containers: dispatch resolves their subcommands, so this only answers an unknown one.
fn unknown_subcommand(call: &mut Call<'_>) -> CommandResult {
    Err(CommandError::unknown_subcommand(call.command.name(), call.argv.get(1)))
}
