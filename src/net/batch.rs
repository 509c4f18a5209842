//! Parsing ahead: a pipeline's commands are looked up and their memory is fetched before they are executed, in order.
//!
//! Executing one command after the other would wait twice per key for memory (the bucket, then the entry), and four times if
//! the value is a collection. Sixteen commands ahead, those waits overlap: for one part after the other, the addresses are found
//! with each shard locked in turn, and asked for together when none is. An atomic operation waits for the translation of every
//! address that was asked for before; with a lock in between, HSET of 100,000 hashes spent a fifth of its time on that.

use crate::client::Client;
use crate::commands::dispatch::Request;
use crate::commands::table::Row;
use crate::commands::{BusyShard, Depth, Executor, Outcome};
use crate::resp::{Argv, Limits, Output, Parsed, Reply, RequestParser, Span};
use crate::sys::Lines;

/// Commands looked ahead.
const AHEAD: usize = 16;

/// Why processing stopped before the budget of the turn or the input ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The rest of the input is half a command; at least so many bytes are missing.
    NeedMore(usize),
    /// The turn's commands are used up.
    Budget,
    /// The next command's shard is busy.
    Busy(BusyShard),
    /// The next command waits until the log, RAM or the messages under way can take more.
    BackedUp,
    /// The next command waits for CLIENT UNPAUSE.
    Paused,
    /// The next command waits for the disk.
    AwaitDisk,
    /// The last command waits for its reply, and what follows waits behind it.
    Blocked,
    /// The connection is closing; no more commands are taken.
    Closing,
}

/// A command that has been parsed and looked up.
struct Ahead {
    /// Where it starts and ends in the input.
    start: usize,
    end: usize,
    /// Its spans in `Batch::spans`, relative to `start`.
    spans: (usize, usize),
    row: Option<&'static Row>,
    hash: Option<u64>,
    inline: bool,
}

/// The scratch memory of one thread.
#[derive(Default)]
pub struct Batch {
    spans: Vec<Span>,
    ahead: Vec<Ahead>,
    /// What they will read next.
    lines: Vec<Lines>,
    budget: usize,
    executed: usize,
}

impl Batch {
    /// Commands that the last [`Batch::process`] executed.
    pub fn executed(&self) -> usize {
        self.executed
    }

    /// Executes commands from the start of `input`, at most `budget` of them. Returns the bytes consumed, why it stopped,
    /// and the highest LSN that a reply depends on.
    #[expect(clippy::too_many_arguments, reason = "the disjoint parts of a connection and a thread")]
    pub fn process(
        &mut self,
        input: &[u8],
        limits: Limits,
        parser: &mut RequestParser,
        executor: &mut Executor,
        client: &mut Client,
        out: &mut Output,
        budget: usize,
    ) -> (usize, Stop, u64) {
        let (mut at, mut depends_on) = (0, 0);
        (self.budget, self.executed) = (budget, 0);
        loop {
            if self.executed == budget {
                return (at, Stop::Budget, depends_on);
            }
            let limits = Limits { authenticated: executor.is_authenticated(client), ..limits };
            let more = self.parse_ahead(&input[at..], at, limits, parser, executor, client);
            for index in 0..self.ahead.len() {
                let Ahead { start, end, spans, row, hash, inline } = self.ahead[index];
                let (words, spans) = (&input[start..end], &self.spans[spans.0..spans.1]);
                let argv = if inline { parser.argv(words, spans) } else { Argv::new(words, spans) };
                let stop = match executor.execute(client, Request { argv, row, hash }, out) {
                    Outcome::Done { depends_on: lsn } => {
                        depends_on = depends_on.max(lsn);
                        None
                    }
                    Outcome::Blocked => {
                        at = end;
                        self.executed += 1;
                        Some(Stop::Blocked)
                    }
                    Outcome::Busy(shard) => Some(Stop::Busy(shard)),
                    Outcome::BackedUp => Some(Stop::BackedUp),
                    Outcome::Paused => Some(Stop::Paused),
                    Outcome::AwaitDisk => Some(Stop::AwaitDisk),
                };
                if let Some(stop) = stop {
                    // What was parsed behind this command will be parsed again.
                    parser.reset();
                    return (at, stop, depends_on);
                }
                at = end;
                self.executed += 1;
                if client.close_after_reply {
                    return (at, Stop::Closing, depends_on);
                }
            }
            match more {
                More::Commands(consumed) => at = consumed,
                More::Bytes(consumed, missing) => return (consumed, Stop::NeedMore(missing), depends_on),
                More::Broken(error) => {
                    Reply::new(out, client.protocol).error(&error);
                    client.close_after_reply = true;
                    return (input.len(), Stop::Closing, depends_on);
                }
            }
        }
    }
}

/// What follows the commands that were parsed ahead.
enum More {
    /// Perhaps more commands, from here.
    Commands(usize),
    /// Half a command from here, with at least so many bytes missing.
    Bytes(usize, usize),
    /// Something that is no command; the error's text.
    Broken(Vec<u8>),
}

impl Batch {
    /// Parses up to [`AHEAD`] commands of `input`, which starts at `base`, but no more than the budget has left, and begins
    /// to fetch what they need.
    fn parse_ahead(
        &mut self,
        input: &[u8],
        base: usize,
        limits: Limits,
        parser: &mut RequestParser,
        executor: &mut Executor,
        client: &Client,
    ) -> More {
        self.ahead.clear();
        self.spans.clear();
        let prefetches = executor.prefetches();
        // Before AUTH the limits may change with each command.
        let ahead = if limits.authenticated { AHEAD.min(self.budget - self.executed) } else { 1 };
        let mut at = 0;
        let more = loop {
            if at == input.len() {
                break More::Bytes(base + at, 1);
            }
            if self.ahead.len() == ahead {
                break More::Commands(base + at);
            }
            let first = self.spans.len();
            match parser.parse(&input[at..], &limits, &mut self.spans) {
                Ok(Parsed::Complete { consumed }) => {
                    let spans = (first, self.spans.len());
                    self.push(&input[at..at + consumed], base + at, spans, parser, executor);
                    at += consumed;
                    if parser.is_inline() {
                        // Its words live in the parser only until the next command is parsed.
                        break More::Commands(base + at);
                    }
                }
                Ok(Parsed::Incomplete { need }) => break More::Bytes(base + at, need),
                Err(error) => break More::Broken(error.text().into_owned()),
            }
        };
        if prefetches && self.ahead.len() > 1 {
            let deepest = self.ahead.iter().filter_map(|command| Some(command.row?.depth)).max();
            for depth in Depth::ALL.into_iter().filter(|depth| Some(*depth) <= deepest) {
                self.prefetch(executor, client, depth);
            }
        }
        more
    }

    /// Asks for one part of what all commands will read.
    fn prefetch(&mut self, executor: &Executor, client: &Client, depth: Depth) {
        let hashes = self.ahead.iter().filter_map(|command| command.hash);
        self.lines.clear();
        self.lines.extend(hashes.filter_map(|hash| executor.lines_of(client, hash, depth)));
        self.lines.iter().for_each(|lines| lines.prefetch());
    }

    #[inline]
    fn push(
        &mut self,
        input: &[u8],
        start: usize,
        spans: (usize, usize),
        parser: &RequestParser,
        executor: &mut Executor,
    ) {
        if spans.0 == spans.1 {
            return;
        }
        let argv = parser.argv(input, &self.spans[spans.0..spans.1]);
        let Request { row, hash, .. } = executor.look_up(argv);
        let (end, inline) = (start + input.len(), parser.is_inline());
        self.ahead.push(Ahead { start, end, spans, row, hash, inline });
    }
}
