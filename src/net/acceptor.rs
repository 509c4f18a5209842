//! The acceptor thread: takes connections and hands them round-robin to the workers.
//!
//! It refuses what `maxclients` and protected mode forbid, so workers only see clients that may stay. It locks nothing.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Events, Interest, Poll, Token};
use nix::sys::socket::{setsockopt, sockopt};

use super::listener::Listener;
use super::mailbox::Mail;
use super::seat::Seat;
use super::socket::Socket;
use super::worker::WAKER;
use crate::client::{ClientInfo, Endpoint};
use crate::commands::{CommandError, ServerState};
use crate::stats::{Stat, ThreadStats};
use crate::util::{log, time};

/// The acceptor.
pub struct Acceptor {
    poll: Poll,
    listeners: Vec<Listener>,
    seats: Vec<Arc<Seat>>,
    next: usize,
    state: Arc<ServerState>,
    stats: Arc<ThreadStats>,
}

impl Acceptor {
    /// An acceptor for `listeners` whose poll the caller can wake to stop it.
    pub fn new(
        poll: Poll,
        mut listeners: Vec<Listener>,
        seats: Vec<Arc<Seat>>,
        state: Arc<ServerState>,
    ) -> io::Result<Self> {
        for (index, listener) in listeners.iter_mut().enumerate() {
            let source: &mut dyn Source = match listener {
                Listener::Tcp(listener) => listener,
                Listener::Unix(listener, _) => listener,
            };
            poll.registry().register(source, Token(index + 1), Interest::READABLE)?;
        }
        let stats = state.stats.register();
        Ok(Acceptor { poll, listeners, seats, next: 0, state, stats })
    }

    /// Accepts until the waker stops it; the thread's main function.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(64);
        loop {
            match self.poll.poll(&mut events, None) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    log::warning(&format!("Accepting stops: polling failed: {error}"));
                    return;
                }
            }
            for event in &events {
                if event.token() == WAKER {
                    return;
                }
                self.accept_all(event.token().0 - 1);
            }
        }
    }

    fn accept_all(&mut self, index: usize) {
        loop {
            let accepted = match &self.listeners[index] {
                Listener::Tcp(listener) => listener.accept().map(|(stream, peer)| Self::tcp(stream, peer)),
                Listener::Unix(listener, path) => {
                    listener.accept().map(|(stream, _)| Self::unix(stream, &path.display().to_string()))
                }
            };
            match accepted {
                Ok((socket, endpoint)) => self.admit(socket, endpoint),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // Out of descriptors, most likely: the listener stays readable, so wait a moment before the next try.
                    log::warning(&format!("Accepting client connection: {error}"));
                    std::thread::sleep(std::time::Duration::from_millis(10));
                    let nothing_left =
                        !matches!(error.raw_os_error(), Some(libc_errno) if is_passing(libc_errno));
                    if nothing_left {
                        return;
                    }
                }
            }
        }
    }

    fn tcp(stream: TcpStream, peer: SocketAddr) -> (Socket, Endpoint) {
        let local = stream.local_addr().map(|local| local.to_string()).unwrap_or_default();
        let endpoint = Endpoint {
            peer: peer.to_string(),
            local,
            fd: stream.as_raw_fd(),
            is_unix: false,
            is_local: peer.ip().is_loopback(),
        };
        (Socket::Tcp(stream), endpoint)
    }

    fn unix(stream: UnixStream, path: &str) -> (Socket, Endpoint) {
        let name = format!("{path}:0");
        let fd = stream.as_raw_fd();
        (
            Socket::Unix(stream),
            Endpoint { peer: name.clone(), local: name, fd, is_unix: true, is_local: true },
        )
    }

    fn admit(&mut self, socket: Socket, endpoint: Endpoint) {
        self.stats.add(Stat::ConnectionsReceived, 1);
        let config = self.state.config.snapshot();
        let refusal = if self.state.clients.len() >= config.maxclients as usize {
            Some(CommandError::MAX_CLIENTS)
        } else if config.protected_mode && config.requirepass.is_empty() && !endpoint.is_local {
            Some(CommandError::PROTECTED)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            self.stats.add(Stat::RejectedConnections, 1);
            Self::refuse(socket, &refusal);
            return;
        }
        Self::tune(&socket, config.tcp_keepalive);
        let seat = &self.seats[self.next];
        self.next = (self.next + 1) % self.seats.len();
        let info = Arc::new(ClientInfo::new(self.state.clients.next_id(), endpoint, time::now(), seat.index));
        self.state.clients.add(info.clone());
        seat.mailbox.post(Mail::Accepted(socket, info));
    }

    /// One try to say why; a client that cannot take a line now gets none.
    fn refuse(socket: Socket, refusal: &CommandError) {
        let line = format!("-{refusal}\r\n");
        let _ = match socket {
            Socket::Tcp(mut stream) => stream.write(line.as_bytes()),
            Socket::Unix(mut stream) => stream.write(line.as_bytes()),
        };
    }

    /// No Nagle delay, and keep-alive probes as Redis sets them. A socket that refuses an option works without.
    fn tune(socket: &Socket, keepalive_seconds: u32) {
        let Socket::Tcp(stream) = socket else { return };
        let _ = stream.set_nodelay(true);
        if keepalive_seconds > 0 {
            let fd = stream.as_fd();
            let _ = setsockopt(&fd, sockopt::KeepAlive, &true);
            let _ = setsockopt(&fd, sockopt::TcpKeepIdle, &keepalive_seconds);
            let _ = setsockopt(&fd, sockopt::TcpKeepInterval, &(keepalive_seconds / 3).max(1));
            let _ = setsockopt(&fd, sockopt::TcpKeepCount, &3);
        }
    }
}

/// Errors of one connection, after which the next may be fine: it was aborted before it was accepted.
fn is_passing(errno: i32) -> bool {
    errno == nix::errno::Errno::ECONNABORTED as i32 || errno == nix::errno::Errno::EPROTO as i32
}
