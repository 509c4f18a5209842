//! What clients are told, encoded once.
//!
//! A push is an array in RESP2 and a push in RESP3: all bytes but the first are the same, so one buffer serves both.

use std::sync::Arc;

use crate::resp::{Output, Protocol, Reply, SPLICE_MIN};

/// The channel of invalidations for RESP2 clients.
const INVALIDATE_CHANNEL: &[u8] = b"__redis__:invalidate";

/// What the wording depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Its protocol.
    pub protocol: Protocol,
    /// Is it subscribed to anything?
    pub is_subscribed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Complete, with RESP2's marker.
    Push,
    /// Complete in both protocols.
    Line,
    /// The array of keys that changed; empty: all keys. For the client that tracks them.
    Keys,
    /// The same, for a client that another one has them redirected to; never empty.
    RedirectedKeys,
    /// The number of the client to which nothing can be redirected any more.
    Broken,
}

/// A message; cloning shares it.
#[derive(Clone, Debug)]
pub struct Message {
    form: Form,
    bytes: Arc<Vec<u8>>,
}

impl Message {
    fn new(form: Form, write: impl FnOnce(&mut Reply<'_>)) -> Self {
        let mut out = Output::new();
        write(&mut Reply::new(&mut out, Protocol::Resp2));
        Message { form, bytes: Arc::new(std::mem::take(out.bytes_mut())) }
    }

    fn push(parts: &[&[u8]]) -> Self {
        Self::new(Form::Push, |reply| {
            reply.output().bytes_mut().reserve(parts.iter().map(|part| part.len() + 16).sum());
            reply.push(parts.len());
            parts.iter().for_each(|part| reply.bulk(part));
        })
    }

    /// For subscribers of a channel.
    pub fn channel(channel: &[u8], text: &[u8]) -> Self {
        Self::push(&[b"message", channel, text])
    }

    /// For subscribers of a shard channel.
    pub fn shard_channel(channel: &[u8], text: &[u8]) -> Self {
        Self::push(&[b"smessage", channel, text])
    }

    /// For subscribers of a pattern.
    pub fn pattern(pattern: &[u8], channel: &[u8], text: &[u8]) -> Self {
        Self::push(&[b"pmessage", pattern, channel, text])
    }

    /// A status line, for MONITOR. It must not hold a line end.
    pub fn line(line: &[u8]) -> Self {
        Message { form: Form::Line, bytes: Arc::new([b"+", line, b"\r\n"].concat()) }
    }

    /// These keys are not what they were.
    pub fn keys<'a>(keys: impl ExactSizeIterator<Item = &'a [u8]>) -> Self {
        Self::new(Form::Keys, |reply| {
            reply.array(keys.len());
            keys.for_each(|key| reply.bulk(key));
        })
    }

    /// No key is what it was.
    pub fn all_keys() -> Self {
        Message { form: Form::Keys, bytes: Arc::default() }
    }

    /// Nothing can be redirected to that client any more.
    pub fn broken(client: u64) -> Self {
        Self::new(Form::Broken, |reply| reply.integer(client as i64))
    }

    /// The keys, worded for a client that another has them redirected to. As in Redis the null that stands for all keys is of the
    /// protocol of the client that tracks, whatever the other's is.
    pub fn redirected(self, tracks_in: Protocol) -> Self {
        if self.bytes.is_empty() {
            let mut null = Output::new();
            Reply::new(&mut null, tracks_in).null();
            return Message { form: Form::RedirectedKeys, bytes: Arc::new(null.take()) };
        }
        Message { form: Form::RedirectedKeys, ..self }
    }

    /// Bytes, about.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Has it no bytes of its own?
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Appends the message as this recipient wants it; perhaps nothing.
    pub fn write(&self, to: Recipient, out: &mut Output) {
        let is_resp3 = to.protocol == Protocol::Resp3;
        match self.form {
            Form::Push if is_resp3 => {
                out.extend(b">");
                self.put(1, out);
            }
            Form::Push | Form::Line => self.put(0, out),
            Form::Keys | Form::RedirectedKeys if is_resp3 => {
                let mut reply = Reply::new(out, to.protocol);
                reply.push(2);
                reply.bulk(b"invalidate");
                match self.is_empty() {
                    true => reply.null(),
                    false => self.put(0, out),
                }
            }
            Form::RedirectedKeys if to.is_subscribed => {
                let mut reply = Reply::new(out, to.protocol);
                reply.push(3);
                reply.bulk(b"message");
                reply.bulk(INVALIDATE_CHANNEL);
                self.put(0, out);
            }
            Form::Broken if is_resp3 => {
                let mut reply = Reply::new(out, to.protocol);
                reply.push(2);
                reply.bulk(b"tracking-redir-broken");
                self.put(0, out);
            }
            // RESP2 has no place for it.
            Form::Keys | Form::RedirectedKeys | Form::Broken => {}
        }
    }

    /// Appends the bytes from `from` on, without copying them if they are many.
    fn put(&self, from: usize, out: &mut Output) {
        if self.bytes.len() < SPLICE_MIN {
            out.extend(&self.bytes[from..]);
        } else {
            out.splice(self.bytes.clone(), from..self.bytes.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use super::*;

    #[track_caller]
    fn check(message: &Message, protocol: Protocol, is_subscribed: bool, expected: &str) {
        let mut out = Output::new();
        message.write(Recipient { protocol, is_subscribed }, &mut out);
        let mut slices = [IoSlice::new(&[]); 16];
        let count = out.io_slices(usize::MAX, &mut slices);
        let written: String = slices[..count].iter().map(|slice| String::from_utf8_lossy(slice)).collect();
        assert_eq!(written, expected);
    }

    #[test]
    fn one_buffer_is_right_in_both_protocols() {
        let message = Message::channel(b"c", b"hi");
        check(&message, Protocol::Resp2, true, "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n");
        check(&message, Protocol::Resp3, false, ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n");
        let long = vec![b'x'; SPLICE_MIN];
        let text = format!("$4\r\npmes\r\n${SPLICE_MIN}\r\n{}\r\n", "x".repeat(SPLICE_MIN));
        let message = Message::push(&[b"pmes", &long]);
        check(&message, Protocol::Resp3, false, &format!(">2\r\n{text}"));
        check(&message, Protocol::Resp2, false, &format!("*2\r\n{text}"));
        check(&Message::line(b"a b"), Protocol::Resp3, false, "+a b\r\n");
    }

    #[test]
    fn invalidations_need_resp3_or_a_redirection_to_a_subscriber() {
        let keys = Message::keys([&b"a"[..], b"bc"].into_iter());
        let list = "*2\r\n$1\r\na\r\n$2\r\nbc\r\n";
        check(&keys, Protocol::Resp2, true, "");
        check(&keys, Protocol::Resp3, false, &format!(">2\r\n$10\r\ninvalidate\r\n{list}"));
        let redirected = keys.redirected(Protocol::Resp3);
        let channel = "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n";
        check(&redirected, Protocol::Resp2, false, "");
        check(&redirected, Protocol::Resp2, true, &format!("{channel}{list}"));
        check(&redirected, Protocol::Resp3, true, &format!(">2\r\n$10\r\ninvalidate\r\n{list}"));
        check(&Message::all_keys(), Protocol::Resp3, false, ">2\r\n$10\r\ninvalidate\r\n_\r\n");
        let all = |tracks_in| Message::all_keys().redirected(tracks_in);
        check(&all(Protocol::Resp2), Protocol::Resp2, true, &format!("{channel}$-1\r\n"));
        check(&all(Protocol::Resp3), Protocol::Resp2, true, &format!("{channel}_\r\n"));
        check(&all(Protocol::Resp2), Protocol::Resp3, true, ">2\r\n$10\r\ninvalidate\r\n$-1\r\n");
        check(&Message::broken(7), Protocol::Resp3, false, ">2\r\n$21\r\ntracking-redir-broken\r\n:7\r\n");
        check(&Message::broken(7), Protocol::Resp2, true, "");
    }
}
