//! The edit: one step from a version to the next, and its bytes in the manifest.
//!
//! ```text
//! edit    := field*            the fields of one tag lie together, tags ascending; an edit without fields is a seal
//! field   := tag, contents     every number below is a varint unless it says otherwise
//!
//! tag 1  remove a run          run id
//! tag 2  add a run             run id, level, size in bytes,
//!                              first namespace, first hash (8 bytes), last namespace − first, last hash (8 bytes),
//!                              first epoch, last epoch − first,
//!                              number of shares, then for each: namespace − the one before, records, tombstones
//! tag 3  cut                   epoch, LSN, log segment, durable LSN − LSN
//! tag 4  live counts           namespace, partition, keys, expires
//! tag 5  database              index, namespace + 1, or 0 if the database has none any more
//! tag 6  drop a namespace      namespace
//! tag 7  next namespace        namespace
//! tag 8  next run              run id
//! tag 9  attachment            length, bytes: what belongs to the dataset and is no key; only the caller knows what it means
//! ```
//!
//! All integers with 8 bytes are little-endian. A tag this server does not know is an error: a manifest is never read
//! in part. Decoding checks the shape alone; whether an edit fits a version is `Version::apply`'s business.

use std::sync::Arc;

use super::version::{Counts, Cut};
use crate::coding::{put_varint, take_u64, take_varint};
use crate::entry::{NamespaceId, Position};
use crate::record::{Epoch, Lsn};
use crate::run::{NamespaceShare, RunId};
use crate::version::RunMeta;

const REMOVE: u64 = 1;
const ADD: u64 = 2;
const CUT: u64 = 3;
const COUNTS: u64 = 4;
const DATABASE: u64 = 5;
const DROP: u64 = 6;
const NEXT_NAMESPACE: u64 = 7;
const NEXT_RUN: u64 = 8;
const ATTACHMENT: u64 = 9;

/// What changes from one version to the next. The order within an edit means nothing: removals come before additions,
/// and the result is judged as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edit {
    /// Runs that leave. A run that leaves and is added again by the same edit changes its level.
    pub remove: Vec<RunId>,
    /// Runs that come.
    pub add: Vec<RunMeta>,
    /// A round was committed: the new place where replay begins.
    pub cut: Option<Cut>,
    /// The live counts that changed, by namespace and partition.
    pub counts: Vec<((NamespaceId, u8), Counts)>,
    /// Databases that have another namespace now, or none.
    pub databases: Vec<(u32, Option<NamespaceId>)>,
    /// Namespaces that no database has any more.
    pub drop: Vec<NamespaceId>,
    /// The next namespace to be given out.
    pub next_namespace: Option<NamespaceId>,
    /// The next run's number; adding runs moves it along by itself.
    pub next_run: Option<RunId>,
    /// What belongs to the dataset and is no key, when it has changed.
    pub attachment: Option<Arc<[u8]>>,
}

impl Edit {
    /// Whether the edit changes nothing.
    pub fn is_seal(&self) -> bool {
        *self == Self::default()
    }

    /// The edit's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let out = &mut Vec::new();
        self.remove.iter().for_each(|id| put(out, &[REMOVE, id.0]));
        self.add.iter().for_each(|run| put_run(out, run));
        if let Some(Cut { epoch, lsn, segment, durable }) = self.cut {
            // Wrapping, for the same reason as in `put_run`.
            put(out, &[CUT, epoch.0, lsn.0, segment, durable.0.wrapping_sub(lsn.0)]);
        }
        for &((namespace, partition), counts) in &self.counts {
            put(out, &[COUNTS, namespace.0.into(), partition.into(), counts.keys, counts.expires]);
        }
        for &(index, namespace) in &self.databases {
            put(out, &[DATABASE, index.into(), namespace.map_or(0, |namespace| u64::from(namespace.0) + 1)]);
        }
        self.drop.iter().for_each(|namespace| put(out, &[DROP, namespace.0.into()]));
        self.next_namespace.iter().for_each(|namespace| put(out, &[NEXT_NAMESPACE, namespace.0.into()]));
        self.next_run.iter().for_each(|id| put(out, &[NEXT_RUN, id.0]));
        if let Some(attachment) = &self.attachment {
            put(out, &[ATTACHMENT, attachment.len() as u64]);
            out.extend_from_slice(attachment);
        }
        std::mem::take(out)
    }

    /// Reads an edit; an error says what is wrong.
    pub fn decode(mut bytes: &[u8]) -> Result<Self, &'static str> {
        const ENDS: &str = "an edit ends inside a field";
        let mut edit = Self::default();
        let mut last = 0;
        while !bytes.is_empty() {
            let tag = take_varint(&mut bytes).ok_or(ENDS)?;
            let single = matches!(tag, CUT | NEXT_NAMESPACE | NEXT_RUN | ATTACHMENT);
            if tag < last || (single && tag == last) {
                return Err("an edit's fields are out of order");
            }
            last = tag;
            if !(REMOVE..=ATTACHMENT).contains(&tag) {
                return Err("an edit has a field that this server does not know");
            }
            edit.decode_field(tag, &mut bytes).ok_or("a field of an edit is cut off or out of bounds")?;
        }
        Ok(edit)
    }

    fn decode_field(&mut self, tag: u64, bytes: &mut &[u8]) -> Option<()> {
        match tag {
            REMOVE => self.remove.push(RunId(take_varint(bytes)?)),
            ADD => self.add.push(take_run(bytes)?),
            CUT => {
                let (epoch, lsn) = (Epoch(take_varint(bytes)?), Lsn(take_varint(bytes)?));
                let segment = take_varint(bytes)?;
                let durable = Lsn(lsn.0.wrapping_add(take_varint(bytes)?));
                self.cut = Some(Cut { epoch, lsn, segment, durable });
            }
            COUNTS => {
                let part = (take_namespace(bytes)?, take_varint(bytes)?.try_into().ok()?);
                let counts = Counts { keys: take_varint(bytes)?, expires: take_varint(bytes)? };
                self.counts.push((part, counts));
            }
            DATABASE => {
                let index = take_varint(bytes)?.try_into().ok()?;
                let namespace = match take_varint(bytes)? {
                    0 => None,
                    more => Some(NamespaceId((more - 1).try_into().ok()?)),
                };
                self.databases.push((index, namespace));
            }
            DROP => self.drop.push(take_namespace(bytes)?),
            NEXT_NAMESPACE => self.next_namespace = Some(take_namespace(bytes)?),
            NEXT_RUN => self.next_run = Some(RunId(take_varint(bytes)?)),
            _ => {
                let length = usize::try_from(take_varint(bytes)?).ok()?;
                let (attachment, rest) = bytes.split_at_checked(length)?;
                self.attachment = Some(attachment.into());
                *bytes = rest;
            }
        }
        Some(())
    }
}

fn take_namespace(bytes: &mut &[u8]) -> Option<NamespaceId> {
    Some(NamespaceId(take_varint(bytes)?.try_into().ok()?))
}

fn put(out: &mut Vec<u8>, numbers: &[u64]) {
    numbers.iter().for_each(|&number| put_varint(out, number));
}

fn put_run(out: &mut Vec<u8>, run: &RunMeta) {
    put(out, &[ADD, run.id.0, run.level.into(), run.size_bytes, run.first.namespace.0.into()]);
    out.extend_from_slice(&run.first.hash.to_le_bytes());
    // Wrapping, because a run whose ends are the wrong way round must still come back as it is, to be refused.
    put(out, &[run.last.namespace.0.wrapping_sub(run.first.namespace.0).into()]);
    out.extend_from_slice(&run.last.hash.to_le_bytes());
    put(out, &[run.epochs.0.0, run.epochs.1.0.wrapping_sub(run.epochs.0.0), run.shares.len() as u64]);
    let mut before = 0;
    for share in &run.shares {
        put(out, &[share.namespace.0.wrapping_sub(before).into(), share.records, share.tombstones]);
        before = share.namespace.0;
    }
}

fn take_run(bytes: &mut &[u8]) -> Option<RunMeta> {
    let take_u32 = |bytes: &mut &[u8]| u32::try_from(take_varint(bytes)?).ok();
    let id = RunId(take_varint(bytes)?);
    let level = take_varint(bytes)?.try_into().ok()?;
    let size_bytes = take_varint(bytes)?;
    let first = Position { namespace: NamespaceId(take_u32(bytes)?), hash: take_u64(bytes)? };
    let last_namespace = first.namespace.0.wrapping_add(take_u32(bytes)?);
    let last = Position { namespace: NamespaceId(last_namespace), hash: take_u64(bytes)? };
    let oldest = take_varint(bytes)?;
    let epochs = (Epoch(oldest), Epoch(oldest.wrapping_add(take_varint(bytes)?)));
    let count = take_varint(bytes)?;
    // Nothing is allocated for a count that the bytes cannot hold: the vector grows as the shares are read.
    let mut shares = Vec::new();
    let mut before = 0_u32;
    for _ in 0..count {
        before = before.wrapping_add(take_u32(bytes)?);
        let (records, tombstones) = (take_varint(bytes)?, take_varint(bytes)?);
        shares.push(NamespaceShare { namespace: NamespaceId(before), records, tombstones });
    }
    Some(RunMeta { id, level, size_bytes, first, last, epochs, shares })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Edit {
        let share = |namespace, records, tombstones| NamespaceShare {
            namespace: NamespaceId(namespace),
            records,
            tombstones,
        };
        let run = RunMeta {
            id: RunId(9),
            level: 3,
            size_bytes: 70_000,
            first: Position { namespace: NamespaceId(1), hash: 2 },
            last: Position { namespace: NamespaceId(4), hash: u64::MAX },
            epochs: (Epoch(5), Epoch(8)),
            shares: vec![share(1, 300, 2), share(4, 1, 0)],
        };
        Edit {
            remove: vec![RunId(3), RunId(1)],
            add: vec![run.clone(), RunMeta { id: RunId(10), shares: Vec::new(), ..run }],
            cut: Some(Cut { epoch: Epoch(8), lsn: Lsn(1 << 40), segment: 17, durable: Lsn((1 << 40) + 3) }),
            counts: vec![((NamespaceId(1), 63), Counts { keys: 298, expires: 7 })],
            databases: vec![(0, Some(NamespaceId(1))), (15, None)],
            drop: vec![NamespaceId(4)],
            next_namespace: Some(NamespaceId(u32::MAX)),
            next_run: Some(RunId(11)),
            attachment: Some(b"bytes"[..].into()),
        }
    }

    #[test]
    fn an_edit_comes_back_as_it_was() {
        for edit in [full(), Edit::default(), Edit { drop: vec![NamespaceId(4)], ..Edit::default() }] {
            assert_eq!(Edit::decode(&edit.encode()), Ok(edit));
        }
        assert!(Edit::default().encode().is_empty());
    }

    #[test]
    fn a_cut_or_changed_edit_is_an_error_or_another_edit() {
        let bytes = full().encode();
        for at in 0..bytes.len() {
            // A cut between two fields is an edit; the checksum around it is what notices.
            if let Ok(edit) = Edit::decode(&bytes[..at]) {
                assert_eq!(edit.encode(), bytes[..at], "cut at {at}");
            }
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << bit;
                assert_ne!(Edit::decode(&bytes), Ok(full()), "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn unknown_repeated_and_disordered_fields_are_refused() {
        let cases: [(&[u8], &str); 5] = [
            (&[10, 1], "does not know"),
            (&[0], "does not know"),
            (&[8, 1, 7, 1], "out of order"),
            (&[8, 1, 8, 1], "out of order"),
            (&[2, 1, 1, 1], "cut off"),
        ];
        for (bytes, why) in cases {
            assert!(Edit::decode(bytes).unwrap_err().contains(why), "{bytes:?}");
        }
    }

    #[test]
    fn a_huge_count_allocates_nothing() {
        let mut bytes = Vec::new();
        put(&mut bytes, &[ADD, 1, 0, 10, 0]);
        bytes.extend_from_slice(&[0; 8]);
        put(&mut bytes, &[0]);
        bytes.extend_from_slice(&[0; 8]);
        put(&mut bytes, &[1, 0, u64::MAX]);
        assert!(Edit::decode(&bytes).is_err());
    }
}
