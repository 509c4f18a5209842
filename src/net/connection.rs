//! One client's connection: bytes in, commands, bytes out.
//!
//! * A turn reads until the socket has no more (bounded) and executes what has arrived. It takes everything it needs from the
//!   thread that runs it ([`Kit`]), so a turn can finish on a thread that no longer owns the worker's loop. Its replies are
//!   sent behind the turns of others ([`super::unsent`]).
//! * Bytes are parsed where they were read: in the thread's scratch buffer, or, when a command has arrived in part, in the
//!   connection's own `pending`, which an idle connection does not have.
//! * While its command waits ([`Client::blocked`]) nothing that arrives is executed, but it is read, so that the client's end
//!   is noticed. The reply comes as a [`Letter`].
//! * Replies that depend on log records that are not durable yet stay behind a gate (`wal_sync_mode always`): a position
//!   in the output and the LSN that opens it. Positions and LSNs only grow.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::atomic::Ordering;

use super::batch::{Batch, Stop};
use super::inbox::Inbox;
use super::socket::Socket;
use crate::client::{Client, Letter, ReplyMode};
use crate::commands::{BusyShard, Executor, blocking};
use crate::config::values::OutputLimit;
use crate::pubsub::Message;
use crate::resp::{Limits, Output, Reply, RequestParser};
use crate::stats::Stat;
use crate::util::time::UnixMs;

/// Bytes read into the scratch buffer at once.
const READ_BYTES: usize = 64 * 1024;
/// Bytes read in one turn, then the next connection has its turn.
const TURN_BYTES: usize = 512 * 1024;
/// Commands executed in one turn.
const TURN_COMMANDS: usize = 1024;
/// Slices per gather write.
const SLICES: usize = 16;

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnEnd {
    /// Nothing more to do until the socket says so.
    Idle,
    /// There is more, but it is another connection's turn.
    Again,
    /// A shard is busy.
    AwaitShard(BusyShard),
    /// The log, RAM or the messages under way cannot take more just now: to be tried again in a moment.
    BackedUp,
    /// CLIENT PAUSE.
    Paused,
    /// Something is read from disk; whoever reads it wakes the connection.
    AwaitDisk,
    /// A command waits for its reply.
    Blocked,
    /// The connection is to be closed.
    Close,
}

/// What a thread brings to a turn.
pub struct Kit {
    /// Executes.
    pub executor: Executor,
    pub(super) batch: Batch,
    scratch: Vec<u8>,
}

impl Kit {
    /// A thread's kit.
    pub fn new(executor: Executor) -> Self {
        Kit { executor, batch: Batch::default(), scratch: vec![0; READ_BYTES] }
    }
}

/// A connection.
pub struct Connection {
    socket: Socket,
    /// The session.
    pub client: Client,
    parser: RequestParser,
    /// Received, not yet executed.
    pending: Inbox,
    out: Output,
    /// (output position, LSN): bytes behind the position wait until the LSN is durable.
    gates: VecDeque<(u64, u64)>,
    /// How many bytes the command in `pending` lacks at least.
    missing: usize,
    /// May the socket have bytes? The poll says so once (it is edge-triggered), and reads find out.
    readable: bool,
    /// Has the peer said that it sends no more? Then a short read says nothing: the end of the stream must be read.
    is_ending: bool,
    /// May the socket take bytes?
    writable: bool,
    /// May `pending` hold a whole command? Not when it was looked at and the command has not arrived whole.
    unparsed: bool,
    /// Since when more is unsent than the soft limit of its class allows.
    over_soft_limit_since: Option<UnixMs>,
    /// Is it in its worker's list of connections that wait for the log?
    pub is_listed_as_gated: bool,
    /// When its wait ends, in nanoseconds since the worker began: its place in the worker's list.
    pub deadline: Option<u64>,
    /// Is it in its worker's list of commands that wait for the log?
    pub is_listed_as_syncing: bool,
    /// Is it in its worker's list of connections that have something to send?
    pub is_listed_as_unsent: bool,
}

impl Connection {
    /// A connection around a socket that is registered with the worker's poll.
    pub fn new(socket: Socket, client: Client) -> Self {
        Connection {
            socket,
            client,
            parser: RequestParser::new(),
            pending: Inbox::default(),
            missing: 0,
            out: Output::default(),
            gates: VecDeque::new(),
            readable: false,
            is_ending: false,
            writable: true,
            unparsed: false,
            over_soft_limit_since: None,
            is_listed_as_gated: false,
            deadline: None,
            is_listed_as_syncing: false,
            is_listed_as_unsent: false,
        }
    }

    /// Readiness from the poll.
    pub fn ready(&mut self, readable: bool, writable: bool) {
        self.readable |= readable;
        self.writable |= writable;
    }

    /// Do replies wait for the log?
    pub fn is_gated(&self) -> bool {
        !self.gates.is_empty()
    }

    /// The poll says that the peer sends no more.
    pub fn ends(&mut self) {
        (self.readable, self.is_ending) = (true, true);
    }

    /// One turn: reads and executes. What is to be sent then is in the output.
    pub fn turn(&mut self, kit: &mut Kit) -> TurnEnd {
        if self.client.info.is_killed() {
            return TurnEnd::Close;
        }
        kit.executor.begin_turn();
        let end = self.work(kit);
        kit.executor.end_turn();
        // Before the replies leave: who has one may ask on another connection where this session stands.
        self.client.publish();
        if end == TurnEnd::Close {
            // Its last replies; whether they arrive is nobody's concern any more.
            let _ = self.flush(kit);
        }
        match end {
            _ if self.has_unsent() => end,
            // Sending looks at all of this, too.
            _ if self.exceeds_limits(kit) || self.client.close_after_reply => TurnEnd::Close,
            end => {
                self.publish();
                end
            }
        }
    }

    /// Is there anything in the output?
    pub fn has_unsent(&self) -> bool {
        !self.out.is_empty()
    }

    fn work(&mut self, kit: &mut Kit) -> TurnEnd {
        let (mut bytes, mut commands) = (0, 0);
        loop {
            if self.client.close_after_reply {
                return TurnEnd::Idle;
            }
            if self.client.blocked.is_some() {
                return self.listen(kit, bytes);
            }
            if self.unparsed {
                let stop = self.process_pending(kit, TURN_COMMANDS - commands);
                commands += kit.batch.executed();
                match stop {
                    Stop::NeedMore(_) => self.unparsed = false,
                    Stop::Blocked => continue,
                    stop => return self.stopped(stop),
                }
            }
            if !self.readable {
                return TurnEnd::Idle;
            }
            if bytes >= TURN_BYTES {
                return TurnEnd::Again;
            }
            match self.receive(kit, TURN_COMMANDS - commands) {
                Ok((0, _)) => return TurnEnd::Close,
                Ok((received, stop)) => {
                    bytes += received;
                    commands += kit.batch.executed();
                    match stop {
                        Stop::NeedMore(_) => {}
                        Stop::Blocked => self.unparsed = true,
                        stop => return self.stopped(stop),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return TurnEnd::Close,
            }
        }
    }

    /// Reads what arrives while a command waits, after `bytes` in this turn.
    fn listen(&mut self, kit: &mut Kit, mut bytes: usize) -> TurnEnd {
        // What is there now may be whole commands.
        self.unparsed = true;
        while self.readable {
            if bytes >= TURN_BYTES {
                return TurnEnd::Again;
            }
            match self.socket.read(&mut kit.scratch) {
                Ok(0) => return TurnEnd::Close,
                Ok(received) => {
                    self.pending.extend(&kit.scratch[..received]);
                    self.account(kit, received, kit.scratch.len());
                    bytes += received;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return TurnEnd::Close,
            }
        }
        TurnEnd::Blocked
    }

    /// Takes a letter: the wait is over, and its text is the next thing that the client reads. False: it is for another client.
    pub fn receive_letter(&mut self, kit: &Kit, letter: &Letter) -> bool {
        if letter.to != self.client.id() {
            return false;
        }
        blocking::end_wait(kit.executor.state(), &mut self.client);
        if !self.wants_reply() {
            return true;
        }
        let text = &letter.text;
        Reply::new(&mut self.out, self.client.protocol).raw_shared(text);
        if letter.depends_on > 0 {
            self.close_gate(&kit.executor, letter.depends_on);
        }
        true
    }

    /// Ends the wait of the client's command without anything, if nobody has ended it.
    pub fn time_out(&mut self, kit: &Kit) {
        let state = kit.executor.state();
        if let Some(waiting) = self.client.blocked.clone().filter(|waiting| waiting.blocked.end()) {
            let text = blocking::otherwise(state, &waiting);
            blocking::end_wait(state, &mut self.client);
            if self.wants_reply() {
                self.out.extend(&text);
            }
        }
    }

    /// CLIENT REPLY, when a reply comes later than its command.
    fn wants_reply(&mut self) -> bool {
        if self.client.reply_mode == ReplyMode::Skipping {
            self.client.reply_mode = ReplyMode::On;
            return false;
        }
        self.client.reply_mode == ReplyMode::On
    }

    /// How the turn ends when processing stopped before the input was used up.
    fn stopped(&mut self, stop: Stop) -> TurnEnd {
        self.unparsed = true;
        match stop {
            Stop::Budget | Stop::NeedMore(_) => TurnEnd::Again,
            Stop::Blocked => TurnEnd::Blocked,
            Stop::Busy(shard) => TurnEnd::AwaitShard(shard),
            Stop::BackedUp => TurnEnd::BackedUp,
            Stop::Paused => TurnEnd::Paused,
            Stop::AwaitDisk => TurnEnd::AwaitDisk,
            Stop::Closing => TurnEnd::Idle,
        }
    }

    /// Reads once and executes what became complete. Without half a command before it, the bytes are parsed in the thread's
    /// scratch buffer and only what is left over is copied.
    fn receive(&mut self, kit: &mut Kit, budget: usize) -> io::Result<(usize, Stop)> {
        if self.pending.is_empty() {
            let mut scratch = std::mem::take(&mut kit.scratch);
            let result = self.socket.read(&mut scratch).map(|received| {
                self.account(kit, received, scratch.len());
                let input = &scratch[..received];
                let (consumed, stop) = self.process(input, kit, budget);
                self.pending.extend(&input[consumed..]);
                (received, stop)
            });
            kit.scratch = scratch;
            return result;
        }
        let room = self.pending.room(self.missing);
        let offered = room.len();
        let received = self.socket.read(room)?;
        self.pending.filled(received);
        self.account(kit, received, offered);
        Ok((received, self.process_pending(kit, budget)))
    }

    fn process_pending(&mut self, kit: &mut Kit, budget: usize) -> Stop {
        let mut pending = std::mem::take(&mut self.pending);
        let (consumed, stop) = self.process(pending.bytes(), kit, budget);
        pending.consume(consumed);
        self.pending = pending;
        stop
    }

    /// Notes a read of `received` bytes into a buffer of `room`.
    fn account(&mut self, kit: &Kit, received: usize, room: usize) {
        // A short read has emptied the socket: edge-triggered readiness will tell when more comes. It has told of the end
        // already when that came with what was read.
        self.readable = (received == room && received > 0) || self.is_ending;
        let info = &self.client.info;
        info.net_in.store(info.net_in.load(Ordering::Relaxed) + received as u64, Ordering::Relaxed);
        info.last_active_ms.store(kit.executor.now().0, Ordering::Relaxed);
        kit.executor.stats().add(Stat::NetInput, received as u64);
        kit.executor.stats().add(Stat::ReadsProcessed, 1);
    }

    /// Executes the complete commands at the start of `input`.
    fn process(&mut self, input: &[u8], kit: &mut Kit, budget: usize) -> (usize, Stop) {
        let limits = Limits {
            proto_max_bulk_len: kit.executor.config().proto_max_bulk_len as u64,
            authenticated: kit.executor.is_authenticated(&self.client),
        };
        let Kit { executor, batch, .. } = kit;
        let (consumed, stop, depends_on) =
            batch.process(input, limits, &mut self.parser, executor, &mut self.client, &mut self.out, budget);
        if let Stop::NeedMore(missing) = stop {
            self.missing = missing;
        }
        if depends_on > 0 {
            self.close_gate(executor, depends_on);
        }
        (consumed, stop)
    }

    /// Holds back everything in the output so far until `lsn` is durable, if the sync mode promises that.
    fn close_gate(&mut self, executor: &Executor, lsn: u64) {
        if !executor.state().keyspace.holds_back(lsn) {
            return;
        }
        let from = self.gates.back().map_or(0, |&(_, highest)| highest);
        self.gates.push_back((self.out.position(), lsn.max(from)));
    }

    /// Appends a message that must not be seen before `depends_on` is durable.
    pub fn tell(&mut self, message: &Message, depends_on: u64, kit: &Kit) {
        if self.client.close_after_reply || self.client.info.is_killed() {
            return;
        }
        message.write(self.client.recipient(), &mut self.out);
        if depends_on > 0 {
            self.close_gate(&kit.executor, depends_on);
        }
    }

    /// Sends what may be sent. False: the connection is to be closed.
    pub fn send(&mut self, kit: &Kit) -> bool {
        let is_good = self.flush(kit).is_ok() && !self.exceeds_limits(kit);
        self.publish();
        is_good && (self.has_unsent() || !self.client.close_after_reply)
    }

    /// Sends what may be sent, until the socket takes no more. An error ends the connection.
    pub fn flush(&mut self, kit: &Kit) -> io::Result<()> {
        let sendable = self.sendable(kit);
        while self.writable {
            let mut slices = [(); SLICES].map(|()| IoSlice::new(&[]));
            let count = self.out.io_slices_until(sendable, &mut slices);
            if count == 0 {
                break;
            }
            let offered: usize = slices[..count].iter().map(|slice| slice.len()).sum();
            match self.socket.write_vectored(&slices[..count]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => {
                    self.out.consume(sent);
                    let info = &self.client.info;
                    info.net_out.store(info.net_out.load(Ordering::Relaxed) + sent as u64, Ordering::Relaxed);
                    kit.executor.stats().add(Stat::NetOutput, sent as u64);
                    kit.executor.stats().add(Stat::WritesProcessed, 1);
                    self.writable = sent == offered;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Up to which position the output may be sent: opens the gates that the durable mark has passed.
    fn sendable(&mut self, kit: &Kit) -> u64 {
        if self.gates.is_empty() {
            return u64::MAX;
        }
        let durable = kit.executor.state().keyspace.durable_lsn();
        let mut from = 0;
        while let Some(&(until, lsn)) = self.gates.front() {
            if lsn > durable {
                return from;
            }
            from = until;
            self.gates.pop_front();
        }
        u64::MAX
    }

    /// Has more been unsent than the soft limit allows, and for too long by now?
    pub fn is_slow(&mut self, kit: &Kit) -> bool {
        self.over_soft_limit_since.is_some() && self.exceeds_limits(kit)
    }

    fn exceeds_limits(&mut self, kit: &Kit) -> bool {
        let config = kit.executor.config();
        if self.pending.len() + self.client.queued_bytes() > config.client_query_buffer_limit {
            kit.executor.stats().add(Stat::QueryBufferLimit, 1);
            return true;
        }
        let limits = &config.client_output_buffer_limit;
        let limit = if self.client.info.is_subscribed() { limits.pubsub } else { limits.normal };
        let OutputLimit { hard_bytes: hard, soft_bytes: soft, soft_seconds } = limit;
        let unsent = self.out.len() as u64;
        let over_soft = soft > 0 && unsent > soft;
        let now = kit.executor.now();
        let since = if over_soft { Some(self.over_soft_limit_since.unwrap_or(now)) } else { None };
        self.over_soft_limit_since = since;
        let too_long = since.is_some_and(|since| now.0.saturating_sub(since.0) > soft_seconds * 1000);
        let over = (hard > 0 && unsent > hard) || too_long;
        if over {
            kit.executor.stats().add(Stat::OutputBufferLimit, 1);
        }
        over
    }

    /// Shows other threads what the buffers hold.
    fn publish(&self) {
        let info = &self.client.info;
        info.query_bytes.store(self.pending.len() as u64, Ordering::Relaxed);
        info.query_free.store(self.pending.free() as u64, Ordering::Relaxed);
        info.output_bytes.store(self.out.len() as u64, Ordering::Relaxed);
        info.output_memory.store(self.out.memory() as u64, Ordering::Relaxed);
        let buffers = self.pending.memory() + self.out.memory() + self.parser.memory();
        info.memory.store((buffers + size_of::<Connection>()) as u64, Ordering::Relaxed);
    }

    /// Has the client said nothing for longer than this? Who listens or waits is never idle.
    pub fn is_idle(&self, now: UnixMs, timeout_seconds: u64) -> bool {
        if self.client.blocked.is_some()
            || self.client.info.is_subscribed()
            || self.client.listening.is_monitor()
        {
            return false;
        }
        let last = self.client.info.last_active_ms.load(Ordering::Relaxed);
        now.0.saturating_sub(last) > timeout_seconds * 1000
    }

    /// The last attempt to send, when the server stops.
    pub fn finish(&mut self, kit: &Kit) {
        self.writable = true;
        let _ = self.flush(kit);
        self.socket.shut_down();
    }
}
