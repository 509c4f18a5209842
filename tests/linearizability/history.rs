//! What clients did and saw: operations with the time from their sending to their reply.
//!
//! * All times are those of one monotonic clock: an operation whose reply came before another was sent precedes it.
//! * The operations of one client are in the order in which it sent them, also where it sent several at once.
//! * An operation is what takes effect at one moment: a command, a transaction from its EXEC on, a script.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use crate::support::{Value, show};

/// A command's words.
pub type Words = Vec<String>;

/// What a client asks for.
#[derive(Clone, Debug)]
pub enum Action {
    /// One command. BLPOP, BRPOP and BLMOVE may wait, WATCH is for the same client's next EXEC.
    Command(Words),
    /// A transaction. Its reply is that of EXEC.
    Exec(Vec<Words>),
    /// A script that runs these commands and replies with their replies. It declares the first keys of them, so many.
    Batch {
        /// What it runs.
        commands: Vec<Words>,
        /// How many of the keys it declares.
        declared: usize,
    },
    /// A script that finds the key that it changes in another: it appends to number `length of source` of `targets`, and
    /// replies with that key and the new length.
    Computed {
        /// The key that it reads and declares.
        source: String,
        /// The keys that it chooses from.
        targets: Vec<String>,
        /// What it appends.
        value: String,
    },
}

/// One operation of a history.
#[derive(Clone, Debug)]
pub struct Operation {
    /// What was asked for.
    pub action: Action,
    /// What was replied.
    pub reply: Value,
    /// When it was sent.
    pub sent: Duration,
    /// When its reply was there.
    pub done: Duration,
}

/// The operations of each client, in its order.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// By client.
    pub clients: Vec<Vec<Operation>>,
}

/// A command's words from a text.
pub fn words(text: &str) -> Words {
    text.split_whitespace().map(str::to_owned).collect()
}

impl Action {
    fn show(&self) -> String {
        let all =
            |commands: &[Words]| commands.iter().map(|words| show(words)).collect::<Vec<_>>().join("; ");
        match self {
            Action::Command(words) => show(words),
            Action::Exec(commands) => format!("EXEC {{ {} }}", all(commands)),
            Action::Batch { commands, declared } => {
                format!("EVAL {{ {} }} with {declared} keys declared", all(commands))
            }
            Action::Computed { source, targets, value } => {
                format!("EVAL {{ APPEND {targets:?}[STRLEN {source}] {value} }}")
            }
        }
    }
}

impl Operation {
    /// The operation on one line; times from `start` on.
    fn show(&self, client: usize, start: Duration) -> String {
        let micros = |at: Duration| at.saturating_sub(start).as_micros();
        let (sent, done) = (micros(self.sent), micros(self.done));
        format!("{sent:>8} ..{done:>8} µs  client {client}  {}  =>  {:?}", self.action.show(), self.reply)
    }
}

impl History {
    /// Number of operations.
    pub fn len(&self) -> usize {
        self.clients.iter().map(Vec::len).sum()
    }

    /// All operations by the time of their sending, one a line; those that are numbered in `order` with their numbers.
    pub fn show(&self, order: &[(usize, usize)]) -> String {
        let numbers: BTreeMap<_, _> = order.iter().enumerate().map(|(at, &which)| (which, at + 1)).collect();
        let mut lines = Vec::new();
        let start = self.clients.iter().flatten().map(|operation| operation.sent).min().unwrap_or_default();
        for (client, operations) in self.clients.iter().enumerate() {
            for (nth, operation) in operations.iter().enumerate() {
                let number = numbers.get(&(client, nth)).map_or(String::new(), |number| format!("#{number}"));
                lines.push((operation.sent, nth, format!("{number:>4} {}", operation.show(client, start))));
            }
        }
        lines.sort();
        lines.iter().fold(String::new(), |mut text, (_, _, line)| {
            let _ = writeln!(text, "{line}");
            text
        })
    }
}
