//! How a thread reaches a worker: a channel, and a waker for its poll.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, unbounded};
use mio::Waker;

use super::connection::{Connection, TurnEnd};
use super::socket::Socket;
use crate::client::{ClientInfo, Notice};
use crate::pubsub::Parcel;

/// What a worker is told.
pub enum Mail {
    /// A new client.
    Accepted(Socket, Arc<ClientInfo>),
    /// A connection that was put aside may go on.
    Resume(u64),
    /// About clients.
    Notice(Notice),
    /// A connection comes back from a thread that outlived its turn.
    Returned(Box<Connection>, TurnEnd),
    /// Messages for connections.
    Parcels(Vec<Parcel>),
    /// A second has passed: look at idle clients.
    Tick,
    /// Send what can be sent, close everything, end.
    Stop,
}

/// One worker's mailbox. The channel is bounded by what can be in it: per connection at most one of each kind of mail, and
/// the acceptor stops at `maxclients`; parcels are counted by their office, and whoever sends them waits.
pub struct Mailbox {
    sender: Sender<Mail>,
    waker: Waker,
    /// Has the worker replies that wait for the log? Set by the worker, cleared by whoever wakes it.
    awaits_durable: AtomicBool,
}

impl Mailbox {
    /// A mailbox that wakes through `waker`, and the end that the worker reads.
    pub fn new(waker: Waker) -> (Self, Receiver<Mail>) {
        let (sender, receiver) = unbounded();
        (Mailbox { sender, waker, awaits_durable: AtomicBool::new(false) }, receiver)
    }

    /// Delivers, and wakes the worker. Mail to a worker that has ended is dropped.
    pub fn post(&self, mail: Mail) {
        if self.sender.send(mail).is_ok() {
            self.wake();
        }
    }

    /// The log's durable mark moved: wakes the worker if it waits for that.
    pub fn durable_moved(&self) {
        if self.awaits_durable.load(Ordering::SeqCst) && self.awaits_durable.swap(false, Ordering::SeqCst) {
            self.wake();
        }
    }

    /// The worker will look at the durable mark once more after this call, then sleep until it moves.
    pub fn await_durable(&self) {
        self.awaits_durable.store(true, Ordering::SeqCst);
    }

    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            // An eventfd write can only fail when its counter is full, and then the worker is awake already.
            debug_assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        }
    }
}
