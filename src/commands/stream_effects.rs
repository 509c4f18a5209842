//! What the log has of the work of consumer groups: commands of Redis's own that give every pending entry its consumer, time and
//! number of deliveries, and every consumer its times.
//!
//! ```text
//! XCLAIM key group consumer 0 id … TIME ms RETRYCOUNT n FORCE JUSTID LASTID id    they are pending so, the consumer was active then
//! XCLAIM key group consumer 0 id … TIME ms RETRYCOUNT n FORCE JUSTID              they are pending so; it read them once more
//! XCLAIM key group consumer 0 0-0 TIME ms JUSTID [LASTID id]                      it was seen then (and active)
//! XGROUP SETID key group id ENTRIESREAD n                                         the group has read so far
//! XACK key group id …                                                             they are no longer pending
//! ```
//!
//! * No entry has the id 0-0: such a claim creates its consumer or only dates it.
//! * `TIME` is when a replayed claim happened: the consumer was seen then, and active then if there is a `LASTID`. A server that knows
//!   nothing of this convention takes its own clock for the times of consumers, as a replica of Redis does, and has all else right.
//! * That a consumer looked and got nothing is not logged, like other accesses.

use crate::store::{Db, UnixMs};
use crate::types::stream::{Group, IdText, StreamId};

/// An entry that became pending, or pending again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    /// Which.
    pub id: StreamId,
    /// How often it has been delivered now.
    pub deliveries: u64,
}

/// Whose work it is.
#[derive(Clone, Copy)]
pub(super) struct Worker<'w> {
    /// The stream's key.
    pub key: &'w [u8],
    /// The group's name.
    pub group: &'w [u8],
    /// The consumer's name.
    pub consumer: &'w [u8],
}

/// The words of a claim before its ids.
const HEAD: usize = 5;

impl Worker<'_> {
    /// Logs that the entries are pending for the consumer since `at`. `last_id` is the group's last id, unless it read them again.
    pub fn log_taken(&self, db: &mut Db<'_>, taken: &[Taken], at: UnixMs, last_id: Option<StreamId>) {
        for alike in taken.chunk_by(|one, next| one.deliveries == next.deliveries) {
            let texts: Vec<IdText> = alike.iter().map(|entry| entry.id.text()).collect();
            let deliveries = itoa::Buffer::new().format(alike[0].deliveries).to_owned();
            self.log_claim(db, &texts, at, Some(deliveries.as_bytes()), last_id);
        }
    }

    /// Logs that the consumer exists and was seen at this time, and, given the group's last id, that it was active then.
    pub fn log_visit(&self, db: &mut Db<'_>, at: UnixMs, last_id: Option<StreamId>) {
        self.log_claim(db, &[StreamId::MIN.text()], at, None, last_id);
    }

    fn log_claim(
        &self,
        db: &mut Db<'_>,
        ids: &[IdText],
        at: UnixMs,
        deliveries: Option<&[u8]>,
        last_id: Option<StreamId>,
    ) {
        let (mut digits, last_text) = (itoa::Buffer::new(), last_id.map(StreamId::text));
        let mut words: Vec<&[u8]> = Vec::with_capacity(HEAD + ids.len() + 8);
        words.extend([&b"XCLAIM"[..], self.key, self.group, self.consumer, b"0"]);
        words.extend(ids.iter().map(IdText::as_bytes));
        words.extend([&b"TIME"[..], digits.format(at.0).as_bytes()]);
        if let Some(deliveries) = deliveries {
            words.extend([&b"RETRYCOUNT"[..], deliveries, b"FORCE"]);
        }
        words.push(b"JUSTID");
        if let Some(last) = &last_text {
            words.extend([&b"LASTID"[..], last.as_bytes()]);
        }
        db.log_as(&words);
    }

    /// Logs how far the group has read.
    pub fn log_position(&self, db: &mut Db<'_>, group: Position) {
        let read = group.entries_read.map_or_else(|| "-1".to_owned(), |read| (read as i64).to_string());
        let id = group.last_id.text();
        let words =
            [&b"XGROUP"[..], b"SETID", self.key, self.group, id.as_bytes(), b"ENTRIESREAD", read.as_bytes()];
        db.log_as(&words);
    }

    /// Logs that these are no longer pending.
    pub fn log_gone(&self, db: &mut Db<'_>, gone: &[StreamId]) {
        if gone.is_empty() {
            return;
        }
        let texts: Vec<IdText> = gone.iter().map(|id| id.text()).collect();
        let mut words = vec![&b"XACK"[..], self.key, self.group];
        words.extend(texts.iter().map(IdText::as_bytes));
        db.log_as(&words);
    }
}

/// How far a group has read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    /// The last id that it read.
    pub last_id: StreamId,
    /// How many entries had been added until then, if it is known.
    pub entries_read: Option<u64>,
}

impl Position {
    pub(super) fn of(group: &Group) -> Self {
        Position { last_id: group.last_id, entries_read: group.entries_read }
    }
}
