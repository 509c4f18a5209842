//! One worker: a poll loop and the connections it owns.
//!
//! * The loop's whole state is one box, [`Core`]. For each turn of a connection the thread takes the connection out and puts
//!   the box into the worker's [`Seat`]; afterwards it takes the box back. If a command runs long, the monitor has meanwhile
//!   given the box to a spare thread, which goes on polling; the thread that finishes late mails the connection back and
//!   becomes a spare (L3). The ordinary turn pays two uncontended locks for that.
//! * A connection is in the slab, or out for a turn; readiness and mail that arrive while it is out wait in its place.
//! * Waits that end at some time are in one ordered list, and the poll ends when the first of them does.
//! * Whatever holds a connection back (a shard, the log, a pause) leaves a note in the core or with whom it waits for; the
//!   thread never waits.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use super::connection::{Connection, Kit, TurnEnd};
use super::mailbox::Mail;
use super::monitor::Monitor;
use super::parcels::Held;
use super::seat::Seat;
use super::socket::Socket;
use crate::allocator;
use crate::client::{Client, ClientInfo, Letter, Notice};
use crate::commands::{ServerState, blocking, transactions};
use crate::stats::Stat;
use crate::sys;
use crate::util::time;

/// The waker's token; connections have their slab index plus one.
pub const WAKER: Token = Token(0);
const EVENTS: usize = 256;
/// How long connections wait that nobody will wake.
const RETRY: Duration = Duration::from_millis(1);
/// The longest wait for the end of a pause before the clock is looked at again.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// A connection's place in the slab.
pub(super) enum Place {
    /// It is here.
    Here(Box<Connection>),
    /// It is out for a turn; what came for it meanwhile.
    Out(Missed),
}

/// What came for a connection while it was out.
#[derive(Default)]
pub(super) struct Missed {
    readable: bool,
    writable: bool,
    resumed: bool,
    ends: bool,
    /// The time of its wait is over.
    is_late: bool,
    /// Replies and messages.
    pub(super) held: Held,
}

/// The state of a worker's loop.
pub struct Core {
    poll: Poll,
    events: Events,
    mail: Receiver<Mail>,
    pub(super) places: Slab<Place>,
    /// Connections that have something to do, each at most once per cause.
    pub(super) ready: VecDeque<usize>,
    /// Connections whose next command the log, RAM or the messages under way could not take: tried again each [`RETRY`].
    backed_up: Vec<usize>,
    /// Connections that CLIENT PAUSE holds back.
    paused: Vec<usize>,
    /// Connections whose replies wait for the durable mark.
    pub(super) gated: Vec<usize>,
    /// Connections that have something to send.
    pub(super) unsent: Vec<usize>,
    /// When they began to gather.
    pub(super) gathers_since: time::Monotonic,
    /// Connections whose commands wait for the durable mark.
    syncing: Vec<usize>,
    /// When waits end, in nanoseconds since `began`, and whose.
    deadlines: BTreeSet<(u64, usize)>,
    began: time::Monotonic,
    pub(super) seat: Arc<Seat>,
    pub(super) state: Arc<ServerState>,
    stopping: bool,
    /// Told when the worker has stopped.
    stopped: Sender<u32>,
}

/// Runs a worker until it stops (`true`) or its core has been given to another thread (`false`: this thread is spare now).
pub fn run(mut core: Box<Core>, kit: &mut Kit, monitor: &Monitor) -> bool {
    let (seat, thread) = (core.seat.clone(), sys::current_thread());
    allocator::allocate_as(seat.index as usize);
    core.send_inherited(kit);
    loop {
        core.wait(kit);
        // A round is those that are ready now. Whoever is not done yet goes behind what the next poll brings, or two clients
        // that never stop sending would keep all others waiting.
        for _ in 0..core.ready.len() {
            let Some((index, mut connection)) = core.next() else { break };
            monitor.rouse();
            seat.lend(core, thread);
            let end = connection.turn(kit);
            match seat.take() {
                Some(back) => core = back,
                None => {
                    kit.executor.stats().add(Stat::Handoffs, 1);
                    if !connection.send(kit) {
                        connection.client.info.kill();
                    }
                    seat.mailbox.post(Mail::Returned(connection, end));
                    return false;
                }
            }
            core.settle(index, connection, end, kit);
            core.send_overdue(kit);
        }
        core.send(kit);
        if core.stopping {
            core.close_all(kit);
            // Nobody may be waiting any more.
            let _ = core.stopped.send(seat.index);
            return true;
        }
    }
}

impl Core {
    /// A worker's state around its poll.
    pub fn new(
        poll: Poll,
        mail: Receiver<Mail>,
        seat: Arc<Seat>,
        state: Arc<ServerState>,
        stopped: Sender<u32>,
    ) -> Box<Self> {
        Box::new(Core {
            poll,
            events: Events::with_capacity(EVENTS),
            mail,
            places: Slab::new(),
            ready: VecDeque::new(),
            backed_up: Vec::new(),
            paused: Vec::new(),
            gated: Vec::new(),
            syncing: Vec::new(),
            deadlines: BTreeSet::new(),
            began: time::Monotonic::now(),
            unsent: Vec::new(),
            gathers_since: time::Monotonic::now(),
            seat,
            state,
            stopping: false,
            stopped,
        })
    }

    /// Polls: at once when there is something to do, else until something happens.
    fn wait(&mut self, kit: &mut Kit) {
        self.open_gates(kit);
        let timeout = self.timeout();
        kit.executor.stats().add(Stat::LoopCycles, 1);
        if let Err(error) = self.poll.poll(&mut self.events, timeout) {
            assert!(error.kind() == io::ErrorKind::Interrupted, "polling cannot fail otherwise: {error}");
            return;
        }
        kit.executor.begin_round();
        self.gathers_since = kit.executor.turn_ended();
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            if event.token() == WAKER {
                continue;
            }
            let (index, ends) = (event.token().0 - 1, event.is_read_closed() || event.is_error());
            self.note(index, event.is_readable(), event.is_writable(), ends);
        }
        events.clear();
        self.events = events;
        while let Ok(mail) = self.mail.try_recv() {
            self.open(mail, kit);
        }
        self.end_waits(kit);
        self.retry(kit);
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.unsent.is_empty() || !self.ready.is_empty() || self.stopping {
            return Some(Duration::ZERO);
        }
        if !self.backed_up.is_empty() {
            return Some(RETRY);
        }
        let wait = self.deadlines.first().map(|&(deadline, _)| {
            // Rounded up, or the poll would end some microseconds too early again and again.
            Duration::from_millis(deadline.saturating_sub(self.nanos()).div_ceil(1_000_000))
        });
        let pause = (!self.paused.is_empty()).then(|| {
            let now = time::now();
            let until = self.state.pause.until().map_or(0, |until| until.0.saturating_sub(now.0) + 1);
            Duration::from_millis(until)
        });
        // Bounded: the poll takes an `int` of milliseconds, and these may be for years.
        wait.into_iter().chain(pause).min().map(|timeout| timeout.min(WAIT_MAX))
    }

    /// Nanoseconds since the worker began, as `deadlines` counts.
    fn nanos(&self) -> u64 {
        time::Monotonic::now().nanos_since(self.began)
    }

    /// Ends the waits whose time is over.
    fn end_waits(&mut self, kit: &mut Kit) {
        if self.deadlines.is_empty() {
            return;
        }
        let now = self.nanos();
        while let Some(&(deadline, index)) = self.deadlines.first().filter(|(deadline, _)| *deadline <= now) {
            self.deadlines.remove(&(deadline, index));
            match self.places.get_mut(index) {
                Some(Place::Here(connection)) => {
                    connection.deadline = None;
                    connection.time_out(kit);
                    self.ready.push_back(index);
                }
                // It is reading what its client sends meanwhile.
                Some(Place::Out(missed)) => missed.is_late = true,
                None => {}
            }
        }
    }

    /// Brings a letter to its connection, or keeps it while that is out.
    fn deliver(&mut self, letter: Letter, kit: &Kit) {
        let index = letter.at.connection as usize;
        match self.places.get_mut(index) {
            Some(Place::Here(connection)) => {
                let is_for_it = connection.receive_letter(kit, &letter);
                self.ready.extend(is_for_it.then_some(index));
                // The command that comes next may wait, too, and has a time of its own.
                if connection.client.blocked.is_none()
                    && let Some(deadline) = connection.deadline.take()
                {
                    self.deadlines.remove(&(deadline, index));
                }
            }
            Some(Place::Out(missed)) => missed.held.keep(letter),
            None => {}
        }
    }

    /// Notes how a wait may end, and forgets one that is over.
    fn note_wait(&mut self, index: usize, connection: &mut Connection) {
        let waiting = connection.client.blocked.as_ref();
        let timeout = waiting.and_then(|waiting| waiting.timeout_ms);
        match (timeout, connection.deadline) {
            (Some(timeout_ms), None) => {
                let deadline = self.nanos().saturating_add(timeout_ms.saturating_mul(1_000_000));
                connection.deadline = Some(deadline);
                self.deadlines.insert((deadline, index));
            }
            (None, Some(deadline)) => {
                connection.deadline = None;
                self.deadlines.remove(&(deadline, index));
            }
            _ => {}
        }
        let awaits_log = waiting.is_some_and(|waiting| waiting.awaited_lsn().is_some());
        if awaits_log && !connection.is_listed_as_syncing {
            connection.is_listed_as_syncing = true;
            self.syncing.push(index);
        }
    }

    /// Something came for a connection.
    fn note(&mut self, index: usize, is_readable: bool, is_writable: bool, ends: bool) {
        match self.places.get_mut(index) {
            Some(Place::Here(connection)) => {
                connection.ready(is_readable, is_writable);
                if ends {
                    connection.ends();
                }
                self.ready.push_back(index);
            }
            Some(Place::Out(missed)) => {
                missed.readable |= is_readable;
                missed.writable |= is_writable;
                missed.ends |= ends;
            }
            // It was closed earlier in this round.
            None => {}
        }
    }

    fn resume(&mut self, index: usize) {
        match self.places.get_mut(index) {
            Some(Place::Here(_)) => self.ready.push_back(index),
            Some(Place::Out(missed)) => missed.resumed = true,
            None => {}
        }
    }

    fn open(&mut self, mail: Mail, kit: &mut Kit) {
        match mail {
            Mail::Accepted(socket, info) => self.accept(socket, info),
            Mail::Resume(index) => self.resume(index as usize),
            Mail::Notice(Notice::Killed(id)) => {
                if let Some(info) = self.state.clients.get(id) {
                    self.resume(info.token.load(Ordering::Relaxed) as usize);
                }
            }
            Mail::Notice(Notice::PauseChanged) => {
                for index in std::mem::take(&mut self.paused) {
                    self.resume(index);
                }
            }
            Mail::Notice(Notice::Letter(letter)) => self.deliver(letter, kit),
            Mail::Returned(connection, end) => {
                let index = connection.client.info.token.load(Ordering::Relaxed) as usize;
                self.settle(index, connection, end, kit);
            }
            Mail::Parcels(parcels) => {
                kit.executor.refresh_config();
                self.deliver_parcels(&parcels, kit);
            }
            Mail::Tick => {
                kit.executor.refresh_config();
                self.close_idle(kit);
                self.close_slow(kit);
            }
            Mail::Stop => self.stopping = true,
        }
    }

    fn accept(&mut self, mut socket: Socket, info: Arc<ClientInfo>) {
        let entry = self.places.vacant_entry();
        let index = entry.key();
        let interests = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(&mut socket, Token(index + 1), interests).is_err() {
            self.state.clients.remove(info.id);
            return;
        }
        info.token.store(index as u64, Ordering::Relaxed);
        // Not the executor's configuration: it is as old as the thread's last turn, and a password may have been set since.
        let needs_password = !self.state.config.snapshot().requirepass.is_empty();
        let mut connection = Box::new(Connection::new(socket, Client::new(info, !needs_password)));
        // What arrived before the registration is reported by the poll as well, but one look costs less than a round.
        connection.ready(true, true);
        entry.insert(Place::Here(connection));
        self.ready.push_back(index);
    }

    /// The next connection with something to do, taken out of its place.
    fn next(&mut self) -> Option<(usize, Box<Connection>)> {
        loop {
            let index = self.ready.pop_front()?;
            match self.places.get_mut(index) {
                Some(place @ Place::Here(_)) => {
                    match std::mem::replace(place, Place::Out(Missed::default())) {
                        Place::Here(connection) => return Some((index, connection)),
                        Place::Out(_) => unreachable!("it was here a moment ago"),
                    }
                }
                Some(Place::Out(_)) | None => {}
            }
        }
    }

    /// Puts a connection back after its turn, and does what the turn's end asks for.
    fn settle(&mut self, index: usize, mut connection: Box<Connection>, end: TurnEnd, kit: &Kit) {
        let Some(Place::Out(missed)) = self.places.get_mut(index) else {
            unreachable!("a connection comes back to the place it was taken from")
        };
        let Missed { readable, writable, resumed, ends, is_late, held } = std::mem::take(missed);
        let more = readable || writable || resumed || ends || is_late || !held.is_empty();
        connection.ready(readable, writable);
        if ends {
            connection.ends();
        }
        if !held.is_empty() {
            held.deliver(&mut connection, kit);
        }
        if is_late {
            connection.deadline = None;
            connection.time_out(kit);
        }
        if connection.client.blocked.is_some() || connection.deadline.is_some() {
            self.note_wait(index, &mut connection);
        }
        if end == TurnEnd::Close {
            self.close(index, connection);
            return;
        }
        // While it was out the list may have been worked off without it.
        connection.is_listed_as_unsent = false;
        if connection.has_unsent() {
            self.list_as_unsent(index, &mut connection);
        }
        self.places[index] = Place::Here(connection);
        match end {
            TurnEnd::Again => self.ready.push_back(index),
            TurnEnd::AwaitShard(shard) => {
                kit.executor.stats().add(Stat::Deferred, 1);
                if !kit.executor.await_shard(shard, self.seat.index, index as u64) {
                    self.ready.push_back(index);
                }
            }
            TurnEnd::BackedUp => self.backed_up.push(index),
            TurnEnd::Paused => self.paused.push(index),
            TurnEnd::Idle | TurnEnd::AwaitDisk | TurnEnd::Blocked | TurnEnd::Close => {}
        }
        if more {
            self.ready.push_back(index);
        }
    }

    /// Lets those go on who waited for a moment, or for the end of a pause.
    fn retry(&mut self, kit: &mut Kit) {
        self.ready.extend(std::mem::take(&mut self.backed_up));
        if !self.paused.is_empty() && self.state.pause.at(kit.executor.now()).is_none() {
            self.ready.extend(std::mem::take(&mut self.paused));
        }
    }

    /// Sends the replies that the durable mark has freed. When some still wait, the log wakes this worker at its next move;
    /// the mark is looked at again after that has been arranged, so no move is missed.
    fn open_gates(&mut self, kit: &mut Kit) {
        if self.gated.is_empty() && self.syncing.is_empty() {
            return;
        }
        self.flush_gated(kit);
        self.end_syncing(kit);
        if !self.gated.is_empty() || !self.syncing.is_empty() {
            self.seat.mailbox.await_durable();
            self.flush_gated(kit);
            self.end_syncing(kit);
        }
    }

    /// Ends the waits of commands whose writes are durable.
    fn end_syncing(&mut self, kit: &mut Kit) {
        for index in std::mem::take(&mut self.syncing) {
            let connection = match self.places.get_mut(index) {
                Some(Place::Here(connection)) => connection,
                Some(Place::Out(_)) => {
                    self.syncing.push(index);
                    continue;
                }
                None => continue,
            };
            let awaited = connection.client.blocked.as_ref().and_then(|waiting| waiting.awaited_lsn());
            connection.is_listed_as_syncing = awaited.is_some_and(|lsn| kit.executor.is_behind(lsn));
            if connection.is_listed_as_syncing {
                self.syncing.push(index);
            } else if awaited.is_some() {
                if let Some(deadline) = connection.deadline.take() {
                    self.deadlines.remove(&(deadline, index));
                }
                connection.time_out(kit);
                self.ready.push_back(index);
            }
        }
    }

    fn flush_gated(&mut self, kit: &mut Kit) {
        for index in std::mem::take(&mut self.gated) {
            match self.places.get_mut(index) {
                Some(Place::Here(connection)) => {
                    let failed = connection.flush(kit).is_err();
                    connection.is_listed_as_gated = connection.is_gated() && !failed;
                    if connection.is_listed_as_gated {
                        self.gated.push(index);
                    } else if failed || connection.client.close_after_reply {
                        // Its turn finds that it is to be closed.
                        connection.ready(true, true);
                        self.ready.push_back(index);
                    }
                }
                Some(Place::Out(_)) => self.gated.push(index),
                None => {}
            }
        }
    }

    /// Ends a connection. Lists that still name its index do no harm: whoever gets the place next is looked at once too often.
    fn close(&mut self, index: usize, mut connection: Box<Connection>) {
        self.places.remove(index);
        if let Some(deadline) = connection.deadline {
            self.deadlines.remove(&(deadline, index));
        }
        connection.client.stop_listening(self.state.keyspace.pubsub());
        transactions::abandon(&self.state, &mut connection.client);
        blocking::hang_up(&self.state, &mut connection.client);
        self.state.clients.remove(connection.client.id());
    }

    /// Closes connections that have left too much unread for too long. Sending checks that as well, but there may be nothing more to
    /// send.
    fn close_slow(&mut self, kit: &Kit) {
        for (index, place) in &mut self.places {
            if let Place::Here(connection) = place
                && connection.is_slow(kit)
            {
                connection.client.info.kill();
                self.ready.push_back(index);
            }
        }
    }

    /// `timeout`: closes connections that have been silent for too long.
    fn close_idle(&mut self, kit: &mut Kit) {
        let timeout = u64::from(kit.executor.config().timeout);
        if timeout == 0 {
            return;
        }
        let now = kit.executor.now();
        let is_idle =
            |place: &Place| matches!(place, Place::Here(connection) if connection.is_idle(now, timeout));
        let idle: Vec<usize> =
            self.places.iter().filter(|(_, place)| is_idle(place)).map(|(index, _)| index).collect();
        for index in idle {
            let out = Place::Out(Missed::default());
            if let Place::Here(connection) = std::mem::replace(&mut self.places[index], out) {
                self.close(index, connection);
            }
        }
    }

    fn close_all(&mut self, kit: &mut Kit) {
        for place in self.places.drain() {
            if let Place::Here(mut connection) = place {
                connection.finish(kit);
                self.state.clients.remove(connection.client.id());
            }
        }
    }
}
