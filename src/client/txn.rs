//! A session's transaction: the commands queued since MULTI, and the keys that WATCH names.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::resp::{Argv, Span};
use crate::store::UnixMs;
use crate::store::interest::NamedKey;
use crate::store::lock::ShardSet;

/// A queued command.
pub struct Queued {
    /// [`Row::id`](crate::commands::table::Row::id) of its command.
    pub row: usize,
    bytes: Box<[u8]>,
    spans: Box<[Span]>,
}

impl Queued {
    /// A copy of a command's words. They came in one request, so they are less than 4 GiB.
    pub fn new(row: usize, argv: Argv<'_>) -> Self {
        let mut bytes = Vec::with_capacity(argv.iter().map(<[u8]>::len).sum());
        let spans = argv.iter().map(|word| {
            let start = bytes.len();
            bytes.extend_from_slice(word);
            Span::new(start, bytes.len())
        });
        let spans = spans.collect();
        Queued { row, bytes: bytes.into_boxed_slice(), spans }
    }

    /// Its words.
    pub fn argv(&self) -> Argv<'_> {
        Argv::new(&self.bytes, &self.spans)
    }

    fn memory(&self) -> usize {
        size_of::<Self>() + self.bytes.len() + self.spans.len() * size_of::<Span>()
    }
}

/// What was queued since MULTI.
#[derive(Default)]
pub struct Transaction {
    commands: Vec<Queued>,
    /// The flags that any of them has.
    pub any_flags: u32,
    /// The flags that some of them lack.
    pub lacked_flags: u32,
    /// The shards that they need.
    pub shards: ShardSet,
    /// A command was refused, so EXEC will be, too.
    pub is_broken: bool,
    memory: usize,
}

impl Transaction {
    /// Adds a command with its flags and the shards that it needs.
    pub fn push(&mut self, command: Queued, flags: u32, shards: ShardSet) {
        self.memory += command.memory();
        self.any_flags |= flags;
        self.lacked_flags |= !flags;
        self.shards = self.shards.union(shards);
        self.commands.push(command);
    }

    /// The commands, in order.
    pub fn commands(&self) -> &[Queued] {
        &self.commands
    }

    /// Bytes that the queue takes.
    pub fn memory(&self) -> usize {
        self.memory
    }
}

/// A watched key.
struct Watched {
    key: NamedKey,
    expire_at: Option<UnixMs>,
}

/// What WATCH named since the last EXEC, DISCARD or UNWATCH.
#[derive(Default)]
pub struct Watches {
    /// Set by whoever changes one of the keys.
    changed: Arc<AtomicBool>,
    keys: Vec<Watched>,
}

impl Watches {
    /// Has one of the keys changed?
    pub fn has_changed(&self) -> bool {
        self.changed.load(Ordering::Acquire)
    }

    /// Has one of the keys changed, or expired although nobody has noticed? A key that expires and has not changed still
    /// exists, and expires at the time that it had when it was watched.
    pub fn is_void(&self, now: UnixMs) -> bool {
        self.has_changed() || self.keys.iter().any(|watched| watched.expire_at.is_some_and(|at| at < now))
    }

    /// The flag, for whoever changes a key.
    pub fn flag(&self) -> &Arc<AtomicBool> {
        &self.changed
    }

    /// Is the key watched already?
    pub fn has(&self, key: &NamedKey) -> bool {
        self.keys.iter().any(|watched| watched.key == *key)
    }

    /// Adds a key that expires at a time, or never.
    pub fn add(&mut self, key: NamedKey, expire_at: Option<UnixMs>) {
        self.keys.push(Watched { key, expire_at });
    }

    /// How many keys are watched; none any more when one has changed.
    pub fn len(&self) -> usize {
        if self.has_changed() { 0 } else { self.keys.len() }
    }

    /// Is nothing to be given up?
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The shards of the keys.
    pub fn shards(&self) -> ShardSet {
        self.keys.iter().fold(ShardSet::EMPTY, |set, watched| set.with(watched.key.shard()))
    }

    /// The keys, and the flag that was set for them.
    pub fn into_parts(self) -> (Vec<NamedKey>, Arc<AtomicBool>) {
        (self.keys.into_iter().map(|watched| watched.key).collect(), self.changed)
    }
}
