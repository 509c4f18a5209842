//! Writes replies in the protocol version that the client speaks (`HELLO`).
//!
//! A handler says what it means (a map, a double, null) and this module knows what that is in RESP2 and in RESP3:
//!
//! | meaning | RESP2 | RESP3 |
//! |---|---|---|
//! | null, null array | `$-1`, `*-1` | `_` |
//! | map of n pairs | `*2n` | `%n` |
//! | set, push of n | `*n` | `~n`, `>n` |
//! | boolean | `:1` `:0` | `#t` `#f` |
//! | double | its text as a bulk | `,text` |
//! | big number, verbatim | bulk | `(text`, `=len` with `txt:` in front |
//! | attribute | nothing | <code>&#124;n</code> |
//!
//! Invariants:
//! * Statuses and errors are one line whatever bytes they quote.
//! * The hot replies (ok, integer, bulk, null) use no formatting machinery and reserve once.
//!
//! It does not check that an announced number of elements is followed by so many; handlers' tests do.

use std::ops::Range;
use std::sync::Arc;

use memchr::memchr2;

use super::Output;
use super::output::Gap;
use crate::util::double::DoubleText;

/// Values at least this long, in bytes, are sent from where they are. Below, copying is cheaper than one more slice
/// in the system call and a shared reference count.
pub const SPLICE_MIN: usize = 16 * 1024;

/// The longest header: a marker, 20 digits of an `i64` with its sign, the line end.
const HEADER_MAX: usize = 24;

/// The protocol version a client has chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// What every client starts with.
    #[default]
    Resp2,
    /// After `HELLO 3`.
    Resp3,
}

/// An aggregate whose length is not known yet. Ended in the reverse order of their beginnings.
#[derive(Debug)]
#[must_use = "an aggregate that is not ended has no header"]
pub struct Deferred(Gap);

/// Appends one client's replies to its output.
#[derive(Debug)]
pub struct Reply<'a> {
    out: &'a mut Output,
    protocol: Protocol,
}

impl<'a> Reply<'a> {
    /// Replies in `protocol`, appended to `out`.
    #[inline]
    pub fn new(out: &'a mut Output, protocol: Protocol) -> Self {
        Reply { out, protocol }
    }

    /// The protocol version in use.
    #[inline]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// HELLO, RESET: what is written from here on is of this version.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// Where the replies go.
    #[inline]
    pub fn output(&mut self) -> &mut Output {
        self.out
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.out.extend(b"+OK\r\n");
    }

    /// A status: `+text`.
    pub fn simple(&mut self, text: &str) {
        self.status(text.as_bytes());
    }

    /// A status of any bytes; line ends inside become spaces.
    pub fn status(&mut self, text: &[u8]) {
        self.line(b'+', text);
    }

    /// An error: `-text`, where `text` is `CODE message`. Line ends around it are dropped, those inside become
    /// spaces, as in Redis.
    pub fn error(&mut self, text: impl AsRef<[u8]>) {
        let mut text = text.as_ref();
        while let [b'\r' | b'\n', rest @ ..] | [rest @ .., b'\r' | b'\n'] = text {
            text = rest;
        }
        self.line(b'-', text);
    }

    /// An integer.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        header(self.out.bytes_mut(), b':', value);
    }

    /// A string.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        let buffer = self.out.bytes_mut();
        buffer.reserve(HEADER_MAX + bytes.len() + 2);
        header(buffer, b'$', bytes.len() as i64);
        buffer.extend_from_slice(bytes);
        buffer.extend_from_slice(b"\r\n");
    }

    /// An integer as a string.
    #[inline]
    pub fn bulk_integer(&mut self, value: i64) {
        self.bulk(itoa::Buffer::new().format(value).as_bytes());
    }

    /// A string that is part of a shared value; a big one is not copied. Panics if the range is not inside the value.
    pub fn bulk_shared(&mut self, value: &Arc<Vec<u8>>, range: Range<usize>) {
        if range.len() < SPLICE_MIN {
            return self.bulk(&value[range]);
        }
        header(self.out.bytes_mut(), b'$', range.len() as i64);
        self.out.splice(Arc::clone(value), range);
        self.out.extend(b"\r\n");
    }

    /// No such value.
    #[inline]
    pub fn null(&mut self) {
        self.out.extend(if self.is_resp3() { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// No such value, where otherwise an array would be.
    #[inline]
    pub fn null_array(&mut self) {
        self.out.extend(if self.is_resp3() { b"_\r\n" } else { b"*-1\r\n" });
    }

    /// Starts an array of `len` elements.
    #[inline]
    pub fn array(&mut self, len: usize) {
        header(self.out.bytes_mut(), b'*', len as i64);
    }

    /// Starts a map of `pairs` keys and values.
    #[inline]
    pub fn map(&mut self, pairs: usize) {
        let (marker, len) = self.map_header(pairs);
        header(self.out.bytes_mut(), marker, len);
    }

    /// Starts a set of `len` elements.
    #[inline]
    pub fn set(&mut self, len: usize) {
        let marker = self.resp3_marker(b'~');
        header(self.out.bytes_mut(), marker, len as i64);
    }

    /// Starts an out-of-band message of `len` elements.
    #[inline]
    pub fn push(&mut self, len: usize) {
        let marker = self.resp3_marker(b'>');
        header(self.out.bytes_mut(), marker, len as i64);
    }

    /// Starts attributes of the following reply, `pairs` keys and values, and says whether they are to be written:
    /// RESP2 has none.
    #[must_use = "a RESP2 client must not get the attributes' content"]
    pub fn attribute(&mut self, pairs: usize) -> bool {
        if self.is_resp3() {
            header(self.out.bytes_mut(), b'|', pairs as i64);
        }
        self.is_resp3()
    }

    /// A truth value.
    pub fn boolean(&mut self, value: bool) {
        self.out.extend(match (self.protocol, value) {
            (Protocol::Resp2, false) => b":0\r\n",
            (Protocol::Resp2, true) => b":1\r\n",
            (Protocol::Resp3, false) => b"#f\r\n",
            (Protocol::Resp3, true) => b"#t\r\n",
        });
    }

    /// A double, in the text of [`DoubleText`].
    pub fn double(&mut self, value: f64) {
        self.scalar(b',', DoubleText::new(value).as_bytes());
    }

    /// A double, in a text of the caller's.
    pub fn double_text(&mut self, text: &[u8]) {
        self.scalar(b',', text);
    }

    /// An integer of any size, given as its decimal text.
    pub fn big_number(&mut self, text: &[u8]) {
        self.scalar(b'(', text);
    }

    /// Text for people, in a `format` of three characters such as `txt` or `mkd`.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        debug_assert_eq!(format.len(), 3, "a verbatim format has three characters");
        if !self.is_resp3() {
            return self.bulk(text);
        }
        let buffer = self.out.bytes_mut();
        buffer.reserve(HEADER_MAX + text.len() + 6);
        header(buffer, b'=', text.len() as i64 + 4);
        buffer.extend_from_slice(format.as_bytes());
        buffer.push(b':');
        buffer.extend_from_slice(text);
        buffer.extend_from_slice(b"\r\n");
    }

    /// Starts an array, map, set or push whose length is told when it ends.
    pub fn begin(&mut self) -> Deferred {
        Deferred(self.out.gap())
    }

    /// Ends an array of `len` elements.
    pub fn end_array(&mut self, deferred: Deferred, len: usize) {
        self.end(deferred, b'*', len as i64);
    }

    /// Ends a map of `pairs` keys and values.
    pub fn end_map(&mut self, deferred: Deferred, pairs: usize) {
        let (marker, len) = self.map_header(pairs);
        self.end(deferred, marker, len);
    }

    /// Ends a set of `len` elements.
    pub fn end_set(&mut self, deferred: Deferred, len: usize) {
        let marker = self.resp3_marker(b'~');
        self.end(deferred, marker, len as i64);
    }

    /// Ends an out-of-band message of `len` elements.
    pub fn end_push(&mut self, deferred: Deferred, len: usize) {
        let marker = self.resp3_marker(b'>');
        self.end(deferred, marker, len as i64);
    }

    /// Ends the `len` elements of a scan's reply: before them go the array of two that it is, and the cursor.
    pub fn end_scan(&mut self, deferred: Deferred, cursor: u64, len: usize) {
        let end = self.out.gap();
        self.array(2);
        self.bulk(itoa::Buffer::new().format(cursor).as_bytes());
        self.array(len);
        self.out.move_to(deferred.0, end);
    }

    /// Bytes that are a reply already.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend(bytes);
    }

    /// As [`Reply::raw`], for bytes that others share; many are not copied.
    pub fn raw_shared(&mut self, bytes: &Arc<Vec<u8>>) {
        if bytes.len() < SPLICE_MIN {
            return self.raw(bytes);
        }
        self.out.splice(Arc::clone(bytes), 0..bytes.len());
    }

    #[inline]
    fn is_resp3(&self) -> bool {
        self.protocol == Protocol::Resp3
    }

    #[inline]
    fn resp3_marker(&self, marker: u8) -> u8 {
        if self.is_resp3() { marker } else { b'*' }
    }

    #[inline]
    fn map_header(&self, pairs: usize) -> (u8, i64) {
        if self.is_resp3() { (b'%', pairs as i64) } else { (b'*', pairs as i64 * 2) }
    }

    /// One line of RESP3 after its marker, a bulk in RESP2.
    fn scalar(&mut self, marker: u8, text: &[u8]) {
        if self.is_resp3() { self.line(marker, text) } else { self.bulk(text) }
    }

    /// One line, with spaces for the line ends inside `text`.
    fn line(&mut self, marker: u8, text: &[u8]) {
        let buffer = self.out.bytes_mut();
        buffer.reserve(text.len() + 3);
        buffer.push(marker);
        let mut rest = text;
        while let Some(at) = memchr2(b'\r', b'\n', rest) {
            buffer.extend_from_slice(&rest[..at]);
            buffer.push(b' ');
            rest = &rest[at + 1..];
        }
        buffer.extend_from_slice(rest);
        buffer.extend_from_slice(b"\r\n");
    }

    fn end(&mut self, deferred: Deferred, marker: u8, len: i64) {
        let end = self.out.gap();
        header(self.out.bytes_mut(), marker, len);
        self.out.move_to(deferred.0, end);
    }
}

/// `marker`, a number, the line end. Arrays of a fixed size are copied in one or two moves, so that the usual lengths
/// get by without a call to `memcpy`.
#[inline]
fn header(buffer: &mut Vec<u8>, marker: u8, number: i64) {
    match number {
        0..10 => buffer.extend_from_slice(&[marker, b'0' + number as u8, b'\r', b'\n']),
        10..100 => {
            let (tens, ones) = (b'0' + (number / 10) as u8, b'0' + (number % 10) as u8);
            buffer.extend_from_slice(&[marker, tens, ones, b'\r', b'\n']);
        }
        _ => long_header(buffer, marker, number),
    }
}

#[inline(never)]
fn long_header(buffer: &mut Vec<u8>, marker: u8, number: i64) {
    buffer.reserve(HEADER_MAX);
    buffer.push(marker);
    buffer.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    buffer.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use super::*;

    fn written(protocol: Protocol, write: impl FnOnce(&mut Reply)) -> String {
        let mut output = Output::new();
        write(&mut Reply::new(&mut output, protocol));
        let mut slices = [IoSlice::new(&[]); 16];
        let count = output.io_slices(usize::MAX, &mut slices);
        slices[..count].iter().map(|slice| String::from_utf8_lossy(slice)).collect()
    }

    /// Checks what one call writes for clients of either version.
    #[track_caller]
    fn check(write: impl Fn(&mut Reply), resp2: &str, resp3: &str) {
        assert_eq!(written(Protocol::Resp2, &write), resp2);
        assert_eq!(written(Protocol::Resp3, &write), resp3);
    }

    #[track_caller]
    fn check_same(write: impl Fn(&mut Reply), both: &str) {
        check(write, both, both);
    }

    #[test]
    fn scalars_are_the_same_in_both_versions() {
        check_same(|reply| reply.ok(), "+OK\r\n");
        check_same(|reply| reply.simple("PONG"), "+PONG\r\n");
        check_same(|reply| reply.bulk(b""), "$0\r\n\r\n");
        check_same(|reply| reply.bulk(b"0123456789"), "$10\r\n0123456789\r\n");
        check_same(|reply| reply.bulk_integer(-42), "$3\r\n-42\r\n");
        check_same(|reply| reply.array(0), "*0\r\n");
        check_same(|reply| reply.array(1_048_576), "*1048576\r\n");
        check_same(|reply| reply.raw(b":7\r\n"), ":7\r\n");
        for value in [0, 9, 10, -1, 99, 100, i64::MAX, i64::MIN] {
            check_same(|reply| reply.integer(value), &format!(":{value}\r\n"));
        }
    }

    #[test]
    fn resp3_has_its_own_types_and_resp2_makes_do() {
        check(|reply| reply.null(), "$-1\r\n", "_\r\n");
        check(|reply| reply.null_array(), "*-1\r\n", "_\r\n");
        check(|reply| reply.map(3), "*6\r\n", "%3\r\n");
        check(|reply| reply.set(3), "*3\r\n", "~3\r\n");
        check(|reply| reply.push(3), "*3\r\n", ">3\r\n");
        check(|reply| assert_eq!(reply.attribute(1), reply.is_resp3()), "", "|1\r\n");
        check(|reply| reply.boolean(true), ":1\r\n", "#t\r\n");
        check(|reply| reply.boolean(false), ":0\r\n", "#f\r\n");
        check(|reply| reply.double(0.5), "$3\r\n0.5\r\n", ",0.5\r\n");
        check(|reply| reply.double(f64::NEG_INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n");
        check(
            |reply| reply.big_number(b"123456789012345678901"),
            "$21\r\n123456789012345678901\r\n",
            "(123456789012345678901\r\n",
        );
        check(|reply| reply.verbatim("txt", b"hi"), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n");
    }

    #[test]
    fn a_line_stays_one_line_whatever_it_quotes() {
        check_same(|reply| reply.error("ERR a\r\nb\nc"), "-ERR a  b c\r\n");
        check_same(|reply| reply.error("\nERR end\r\n\n"), "-ERR end\r\n");
        check_same(|reply| reply.error(b"\r\n"), "-\r\n");
        check_same(|reply| reply.simple("a\nb"), "+a b\r\n");
    }

    #[test]
    fn a_big_shared_string_is_not_copied_and_a_small_one_is() {
        let value = Arc::new(vec![b'x'; SPLICE_MIN + 10]);
        let mut output = Output::new();
        Reply::new(&mut output, Protocol::Resp2).bulk_shared(&value, 5..SPLICE_MIN + 4);
        assert_eq!(Arc::strong_count(&value), 1);
        let small = output.len();
        Reply::new(&mut output, Protocol::Resp2).bulk_shared(&value, 5..SPLICE_MIN + 5);
        assert_eq!(Arc::strong_count(&value), 2);
        assert_eq!(output.len(), 2 * small + 1);
        let text = written(Protocol::Resp3, |reply| reply.bulk_shared(&value, 5..SPLICE_MIN + 5));
        assert_eq!(text, format!("$16384\r\n{}\r\n", "x".repeat(SPLICE_MIN)));
    }

    #[test]
    fn deferred_aggregates_get_their_length_at_the_end() {
        let value = Arc::new(vec![b'x'; SPLICE_MIN]);
        let write = |reply: &mut Reply| {
            let outer = reply.begin();
            reply.integer(1);
            let map = reply.begin();
            reply.bulk(b"k");
            reply.bulk_shared(&value, 0..SPLICE_MIN);
            reply.end_map(map, 1);
            let set = reply.begin();
            reply.end_set(set, 0);
            reply.end_array(outer, 12);
            let push = reply.begin();
            reply.end_push(push, 2);
        };
        let big = format!("$16384\r\n{}\r\n", "x".repeat(SPLICE_MIN));
        let resp2 = format!("*12\r\n:1\r\n*2\r\n$1\r\nk\r\n{big}*0\r\n*2\r\n");
        let resp3 = format!("*12\r\n:1\r\n%1\r\n$1\r\nk\r\n{big}~0\r\n>2\r\n");
        check(write, &resp2, &resp3);
    }
}
