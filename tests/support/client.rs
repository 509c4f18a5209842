//! A client that sees every byte: it sends what it is told and reads strict replies.
//!
//! * Every read and write has a timeout, so a server that hangs fails the test instead of hanging it.
//! * The typed calls (`ok`, `int`, `bulk` …) assert the kind of the reply and name the command when it is another.

use super::value::{Value, read_value};
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(10);

/// One connection.
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    #[track_caller]
    pub fn connect(addr: SocketAddr) -> Self {
        Self::try_connect(addr).unwrap_or_else(|error| panic!("cannot connect to {addr}: {error}"))
    }

    pub fn try_connect(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, TIMEOUT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self { stream: BufReader::with_capacity(64 << 10, stream) })
    }

    /// Changes how long a read may take.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.stream.get_ref().set_read_timeout(Some(timeout)).expect("a timeout above zero is valid");
    }

    /// This end's address, as CLIENT LIST shows it.
    pub fn local_addr(&self) -> SocketAddr {
        self.stream.get_ref().local_addr().expect("a connected socket has an address")
    }

    // ---- Bytes.

    pub fn try_send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    #[track_caller]
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.try_send_raw(bytes).unwrap_or_else(|error| panic!("cannot send: {error}"));
    }

    /// Exactly `len` bytes of whatever comes next.
    #[track_caller]
    pub fn recv_raw(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.stream.read_exact(&mut bytes).unwrap_or_else(|error| panic!("cannot read {len} bytes: {error}"));
        bytes
    }

    /// Everything up to the server's end of the stream; panics if it does not close within the timeout.
    #[track_caller]
    pub fn recv_until_closed(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.stream.read_to_end(&mut bytes) {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => {
                panic!("the server did not close: {error}; it sent \"{}\"", bytes.escape_ascii())
            }
            _ => bytes,
        }
    }

    /// Asserts that nothing arrives for `quiet`.
    #[track_caller]
    pub fn expect_silence(&mut self, quiet: Duration) {
        self.set_timeout(quiet);
        let read = read_value(&mut self.stream);
        self.set_timeout(TIMEOUT);
        match read {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            other => panic!("expected silence, got {other:?}"),
        }
    }

    // ---- Commands and replies.

    /// Sends one command and leaves its reply to be read.
    #[track_caller]
    pub fn send<A: AsRef<[u8]>>(&mut self, argv: &[A]) {
        self.send_raw(&encode(argv));
    }

    #[track_caller]
    pub fn read(&mut self) -> Value {
        self.try_read().unwrap_or_else(|error| panic!("cannot read a reply: {error}"))
    }

    pub fn try_read(&mut self) -> io::Result<Value> {
        read_value(&mut self.stream)
    }

    pub fn try_cmd<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> io::Result<Value> {
        self.try_send_raw(&encode(argv))?;
        self.try_read()
    }

    /// Sends one command and returns its reply, whatever it is.
    #[track_caller]
    pub fn cmd<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> Value {
        self.try_cmd(argv).unwrap_or_else(|error| panic!("{}: {error}", show(argv)))
    }

    /// Sends all commands in one write and returns their replies.
    #[track_caller]
    pub fn pipeline<A: AsRef<[u8]>>(&mut self, commands: &[Vec<A>]) -> Vec<Value> {
        let bytes: Vec<u8> = commands.iter().flat_map(|argv| encode(argv)).collect();
        self.send_raw(&bytes);
        commands.iter().map(|_| self.read()).collect()
    }

    /// Switches the protocol; returns HELLO's map.
    #[track_caller]
    pub fn hello(&mut self, version: u8) -> Value {
        let reply = self.cmd(&["HELLO", &version.to_string()]);
        assert!(reply.pairs().is_some(), "HELLO {version}: {reply:?}");
        reply
    }

    #[track_caller]
    pub fn ok<A: AsRef<[u8]>>(&mut self, argv: &[A]) {
        let reply = self.cmd(argv);
        assert_eq!(reply, Value::simple("OK"), "{}", show(argv));
    }

    #[track_caller]
    pub fn int<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> i64 {
        let reply = self.cmd(argv);
        reply.as_int().unwrap_or_else(|| panic!("{}: expected an integer, got {reply:?}", show(argv)))
    }

    /// The bytes of a bulk string.
    #[track_caller]
    pub fn bulk<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> Vec<u8> {
        match self.cmd(argv) {
            Value::Bulk(bytes) => bytes,
            reply => panic!("{}: expected a bulk string, got {reply:?}", show(argv)),
        }
    }

    /// The text of a string of any kind.
    #[track_caller]
    pub fn text<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> String {
        let reply = self.cmd(argv);
        let bytes =
            reply.as_bytes().unwrap_or_else(|| panic!("{}: expected text, got {reply:?}", show(argv)));
        String::from_utf8(bytes.to_vec()).unwrap_or_else(|_| panic!("{}: {reply:?} is not text", show(argv)))
    }

    /// Asserts a null of any of the three kinds.
    #[track_caller]
    pub fn null<A: AsRef<[u8]>>(&mut self, argv: &[A]) {
        let reply = self.cmd(argv);
        assert!(reply.is_null(), "{}: expected a null, got {reply:?}", show(argv));
    }

    /// The members of an array, a set or a push.
    #[track_caller]
    pub fn array<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> Vec<Value> {
        let reply = self.cmd(argv);
        match reply.items() {
            Some(items) => items.to_vec(),
            None => panic!("{}: expected an array, got {reply:?}", show(argv)),
        }
    }

    /// An array of strings; a null member becomes `"(nil)"`.
    #[track_caller]
    pub fn texts<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> Vec<String> {
        let text = |item: &Value| match item.as_bytes() {
            Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            None if item.is_null() => "(nil)".to_owned(),
            None => panic!("{}: {item:?} is not a string", show(argv)),
        };
        self.array(argv).iter().map(text).collect()
    }

    /// The error's text, `CODE message`.
    #[track_caller]
    pub fn error<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> String {
        let reply = self.cmd(argv);
        reply.as_error().unwrap_or_else(|| panic!("{}: expected an error, got {reply:?}", show(argv)))
    }
}

/// A command as a client library writes it: an array of bulk strings.
pub fn encode<A: AsRef<[u8]>>(argv: &[A]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", argv.len()).into_bytes();
    for arg in argv {
        let arg = arg.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        bytes.extend_from_slice(arg);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// A command for a failure message, in redis-cli's notation.
pub fn show<A: AsRef<[u8]>>(argv: &[A]) -> String {
    let quote = |arg: &A| {
        let arg = arg.as_ref();
        let plain = !arg.is_empty() && arg.iter().all(|b| b.is_ascii_graphic() && !b"\"'\\".contains(b));
        if plain {
            String::from_utf8_lossy(arg).into_owned()
        } else {
            format!("\"{}\"", arg.escape_ascii().to_string().replace("\\'", "'"))
        }
    };
    argv.iter().map(quote).collect::<Vec<_>>().join(" ")
}
