//! The network half of MIGRATE: blocking, on a thread of its own, bounded by the timeout in every step.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::rdb::{Format, ObjectRef, dump};

/// The longest line of a reply that is read, as in Redis.
const LINE_MAX: u64 = 1024;
/// Bytes that wait at most before they are sent.
const CHUNK: usize = 64 << 10;

/// The other server.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    /// The user, if one is named, and the password.
    pub(super) auth: Option<(Option<Vec<u8>>, Vec<u8>)>,
    pub(super) db: i64,
    pub(super) timeout_ms: u64,
}

/// A key to be sent.
pub(super) struct Entry<'a> {
    pub(super) key: &'a [u8],
    pub(super) value: ObjectRef<'a>,
    /// 0: it does not expire.
    pub(super) ttl_ms: u64,
    pub(super) replace: bool,
}

/// Why not all keys have left.
pub(super) enum Failure {
    Connect,
    Write,
    Read,
    /// What the target has replied, without the `-`.
    Target(Vec<u8>),
    /// A key was changed again and again.
    Changing,
}

/// Sends all entries. Says of each, in order, whether the target has confirmed it; of those that are left out nothing is
/// known.
pub(super) fn run<'e>(
    target: &Target,
    entries: &mut dyn Iterator<Item = Entry<'e>>,
    format: Format,
) -> (Vec<bool>, Option<Failure>) {
    let mut stream = match connect(target) {
        Ok(stream) => stream,
        Err(failure) => return (Vec::new(), Some(failure)),
    };
    let mut greetings = 0;
    let mut out = Vec::new();
    if let Some((user, password)) = &target.auth {
        let words = [b"AUTH"].map(|word| &word[..]).into_iter();
        put(&mut out, words.chain(user.as_deref()).chain([&password[..]]));
        greetings += 1;
    }
    let db = target.db.to_string();
    put(&mut out, [&b"SELECT"[..], db.as_bytes()].into_iter());
    greetings += 1;
    let mut sent = 0;
    for entry in entries {
        let (ttl, payload) = (entry.ttl_ms.to_string(), dump::payload(entry.value, format));
        let words = [&b"RESTORE"[..], entry.key, ttl.as_bytes(), &payload];
        let replace: Option<&[u8]> = entry.replace.then_some(b"REPLACE");
        put(&mut out, words.into_iter().chain(replace));
        sent += 1;
        if out.len() >= CHUNK {
            if stream.write_all(&out).is_err() {
                return (Vec::new(), Some(Failure::Write));
            }
            out.clear();
        }
    }
    if stream.write_all(&out).is_err() {
        return (Vec::new(), Some(Failure::Write));
    }
    replies(BufReader::new(stream), greetings, sent)
}

fn connect(target: &Target) -> Result<TcpStream, Failure> {
    let timeout = Duration::from_millis(target.timeout_ms);
    let mut failure = Failure::Connect;
    let addrs = (target.host.as_str(), target.port).to_socket_addrs().map_err(|_| Failure::Connect)?;
    for addr in addrs {
        match TcpStream::connect_timeout(&addr, timeout) {
            Ok(stream) => {
                let both = stream.set_read_timeout(Some(timeout));
                both.and_then(|()| stream.set_write_timeout(Some(timeout))).map_err(|_| Failure::Connect)?;
                // Everything is one batch; if this fails it only takes longer.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            // As in Redis, which notices when it writes.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => failure = Failure::Write,
            Err(_) => {}
        }
    }
    Err(failure)
}

/// Reads the replies to AUTH and SELECT, and then one for each key.
fn replies(mut from: impl BufRead, greetings: usize, sent: usize) -> (Vec<bool>, Option<Failure>) {
    let mut refusal = None;
    for _ in 0..greetings {
        let Some(line) = line(&mut from) else { return (Vec::new(), Some(Failure::Read)) };
        refusal = refusal.or_else(|| error_of(&line));
    }
    let is_refused = refusal.is_some();
    let mut confirmed = Vec::new();
    for _ in 0..sent {
        let Some(line) = line(&mut from) else {
            return (confirmed, Some(refusal.map_or(Failure::Read, Failure::Target)));
        };
        let error = error_of(&line);
        confirmed.push(!is_refused && error.is_none());
        refusal = refusal.or(error);
    }
    (confirmed, refusal.map(Failure::Target))
}

fn error_of(line: &[u8]) -> Option<Vec<u8>> {
    line.strip_prefix(b"-").map(<[u8]>::to_vec)
}

/// A line without its end; `None`: the connection is closed, or nothing came in time.
fn line(from: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    from.take(LINE_MAX).read_until(b'\n', &mut line).ok()?;
    line.strip_suffix(b"\r\n").map(<[u8]>::to_vec)
}

/// Puts a command.
fn put<'w>(out: &mut Vec<u8>, words: impl Iterator<Item = &'w [u8]> + Clone) {
    out.extend_from_slice(format!("*{}\r\n", words.clone().count()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(replies_of_target: &[u8], greetings: usize, sent: usize) -> (Vec<bool>, &'static str) {
        let (confirmed, failure) = replies(replies_of_target, greetings, sent);
        let failure = match failure {
            None => "none",
            Some(Failure::Target(text)) if text == b"ERR no" => "target",
            Some(Failure::Read) => "read",
            Some(_) => "other",
        };
        (confirmed, failure)
    }

    #[test]
    fn only_what_the_target_confirms_is_confirmed() {
        assert_eq!(outcome(b"+OK\r\n+OK\r\n+OK\r\n", 1, 2), (vec![true, true], "none"));
        assert_eq!(outcome(b"+OK\r\n-ERR no\r\n+OK\r\n", 1, 2), (vec![false, true], "target"));
        assert_eq!(outcome(b"-ERR no\r\n+OK\r\n+OK\r\n", 1, 2), (vec![false, false], "target"));
        assert_eq!(outcome(b"+OK\r\n+OK\r\n", 1, 2), (vec![true], "read"));
        assert_eq!(outcome(b"+OK\r\n+OK", 1, 1), (vec![], "read"));
        assert_eq!(outcome(b"-ERR no\r\n", 1, 1), (vec![], "target"));
        assert_eq!(outcome(b"", 2, 1), (vec![], "read"));
    }
}
