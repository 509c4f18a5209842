//! The floor: a bare epoll loop that answers constants.
//!
//! It reads, divides by the request's length and writes that many copies of one reply. It parses nothing and stores
//! nothing, so its processor time per request is what the kernel and the loop alone cost: no server that serves
//! the same clients over the same sockets can be below it.

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

const LISTENER: Token = Token(usize::MAX);
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

struct Peer {
    stream: TcpStream,
    /// Bytes of a request that has not arrived whole.
    partial: usize,
    output: Vec<u8>,
    written: usize,
}

/// Serves until killed: every `request_bytes` bytes that arrive are answered with `reply`; a PING with PONG.
pub fn serve(port: u16, request_bytes: usize, reply: &[u8]) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut peers: HashMap<usize, Peer> = HashMap::new();
    let mut next = 0;
    let mut events = Events::with_capacity(256);
    let mut input = vec![0; 64 << 10];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(next), interest)?;
                    peers.insert(next, Peer { stream, partial: 0, output: Vec::new(), written: 0 });
                    next += 1;
                }
                continue;
            }
            let index = event.token().0;
            let Some(peer) = peers.get_mut(&index) else { continue };
            if !peer.turn(&mut input, request_bytes, reply) {
                peers.remove(&index);
            }
        }
    }
}

impl Peer {
    /// Answers what arrived; false when the peer is gone.
    fn turn(&mut self, input: &mut [u8], request_bytes: usize, reply: &[u8]) -> bool {
        loop {
            match self.stream.read(input) {
                Ok(0) => return false,
                Ok(count) if input[..count] == *PING => self.output.extend_from_slice(b"+PONG\r\n"),
                Ok(count) => {
                    self.partial += count;
                    for _ in 0..self.partial / request_bytes {
                        self.output.extend_from_slice(reply);
                    }
                    self.partial %= request_bytes;
                    if count == input.len() {
                        continue;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return false,
            }
            break;
        }
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
        self.output.clear();
        self.written = 0;
        true
    }
}
