//! Sockets, readiness, and the mailboxes between threads.
//!
//! * `listener` opens what clients connect to, `acceptor` hands connections round-robin to workers, `worker` is one poll
//!   loop, `connection` is one client's bytes in and out, `batch` parses ahead and executes, `monitor` keeps a worker's
//!   loop going when one command runs long, `seat` is what a thread leaves behind for that, `mailbox` is how a thread reaches a
//!   worker, `unsent` is what its connections have to send.
//! * A worker never waits for anything but its own poll: what cannot go on now is put aside and comes back by mail.

pub mod acceptor;
mod batch;
pub mod connection;
mod inbox;
pub mod listener;
pub mod mailbox;
pub mod monitor;
mod parcels;
pub mod seat;
mod socket;
pub mod unsent;
pub mod worker;

pub use mailbox::{Mail, Mailbox};
