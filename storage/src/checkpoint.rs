//! One checkpoint round: sorted entries in, a committed version out.
//!
//! ```text
//! begin_round         remember the last LSN             before the caller flips its epoch
//! push, push, …       one run of level 0                what is dirty in the old epoch, as it was at the cut
//! commit              run durable under its name → log durable through the last old-epoch record, in every mode
//!                     → edit durable in the manifest → version published → old log segments released
//! ```
//!
//! Invariants:
//! * **C1** Manifest + runs of round r + log records of epochs after r, in LSN order, are the exact dataset. The caller's
//!   part: entries and [`Facts`] are the state at the cut, for all that changed since the last round that committed.
//! * The log is durable through the last old-epoch record before the edit is written: otherwise a crash could leave an
//!   image that holds the effect of a record that is lost, and not that of one before it (D1). The cut remembers it, so
//!   that a log that ends earlier is known to be damaged.
//! * **C2** A round that fails or is dropped changes nothing and leaves no file. `Io` may pass: a later round tries
//!   again. `Poisoned` is final, and the engine's status says so.
//! * One round at a time.
//!
//! It deliberately knows no keys, shards or encodings, and does not decide when a round is due.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;

use crate::engine::Engine;
use crate::entry::{Entry, NamespaceId};
use crate::error::Error;
use crate::log::Status;
use crate::record::{Epoch, Lsn};
use crate::run::{self, BuildOptions, Builder, Built, RunId, Span, ValueWriter};
use crate::version::{Counts, Cut, Edit, RunMeta, Version};

/// How long a commit waits for the log before it looks whether the disk is full.
const WAIT: Duration = Duration::from_millis(100);

/// The dataset's facts at a round's cut: all of them, changed or not.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The epoch that the round closes. Above that of the last committed round.
    pub epoch: Epoch,
    /// At or behind every record of that epoch or an earlier one.
    pub last_lsn: Lsn,
    /// The namespace of each database that has one.
    pub databases: Vec<(u32, NamespaceId)>,
    /// The live counts that are not zero, by namespace and [partition](crate::Position::partition).
    pub counts: Vec<((NamespaceId, u8), Counts)>,
    /// The first namespace that was not given out yet.
    pub next_namespace: NamespaceId,
    /// What belongs to the dataset and is no key.
    pub attachment: Arc<[u8]>,
}

/// A round in progress. Dropping it gives it up.
pub struct Round<'a> {
    engine: &'a Engine,
    id: RunId,
    builder: Option<Builder>,
    /// Every record up to here is of the epoch that the round closes, or of an earlier one.
    cut: Lsn,
    /// The log's length at the cut, as [`Engine::log_bytes_since_cut`] counts it.
    log_bytes: u64,
}

impl Engine {
    /// Begins a round that will hold at most about `entries_max` entries. To be called **before** the caller's epoch moves
    /// on: every record that has an LSN by now must be of the epoch that the round closes, or of an earlier one.
    ///
    /// # Panics
    /// If a round is in progress.
    pub fn begin_round(&self, entries_max: u64) -> Result<Round<'_>, Error> {
        let images = self.images();
        assert!(!images.round.swap(true, SeqCst), "two rounds at once");
        let id = images.versions.begin_run();
        let mut round = Round { engine: self, id, builder: None, cut: Lsn(0), log_bytes: 0 };
        self.shared().check()?;
        let options = BuildOptions { entries_max, compression: self.shared().options.compression };
        round.builder = Some(images.runs.build(id, options)?);
        round.cut = self.last_lsn();
        round.log_bytes = self.log_bytes();
        Ok(round)
    }
}

impl Round<'_> {
    /// Adds the state of a key at the cut; entries come in order, each key once. After an error the round can only be
    /// dropped.
    ///
    /// # Panics
    /// If the entry is not behind the one before it.
    pub fn push(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        self.builder().push(entry)
    }

    /// As [`Round::push`], of a value that goes on behind the bytes that the entry has with what `rest` puts. Gives the
    /// value's length.
    pub fn push_long(
        &mut self,
        entry: &Entry<'_>,
        rest: impl FnOnce(&mut ValueWriter<'_>) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        self.builder().push_long(entry, rest)
    }

    fn builder(&mut self) -> &mut Builder {
        self.builder.as_mut().expect("a round has its builder until it is committed")
    }

    /// Makes the image durable and current. A round without entries still moves the cut.
    ///
    /// Fails with `Io` if the disk is full or the run cannot be written; nothing has changed then. `Poisoned` is final.
    ///
    /// # Panics
    /// If the epoch is not above that of the last committed round, or `last_lsn` was not given out yet or lies before the
    /// round's beginning.
    pub fn commit(mut self, facts: Facts) -> Result<Arc<Version>, Error> {
        let engine = self.engine;
        let images = engine.images();
        let before = images.versions.current();
        assert!(facts.epoch > before.cut().epoch, "an epoch was closed twice");
        assert!((self.cut..=engine.last_lsn()).contains(&facts.last_lsn), "facts of another moment");
        let builder = self.builder.take().expect("a round is committed once");
        // A round that failed has left its keys to this one.
        let first_epoch = Epoch(before.cut().epoch.0 + 1);
        let span = Span { first_epoch, last_epoch: facts.epoch, max_lsn: facts.last_lsn };
        let built = builder.finish(span)?;
        let committed = self.wait_for_log(facts.last_lsn).and_then(|()| {
            let segment = engine.segment_of(self.cut);
            let cut = Cut { epoch: facts.epoch, lsn: self.cut, segment, durable: facts.last_lsn };
            let runs: Vec<Arc<run::Run>> = built.iter().map(|built| built.run.clone()).collect();
            images.versions.commit(&edit(&before, &facts, cut, built.as_ref()), &runs)
        });
        match &committed {
            Ok(version) => {
                let _removed_at_the_next_start = engine.release_before(version.cut().segment);
                images.log_bytes_at_cut.store(self.log_bytes, Relaxed);
                images.rounds.fetch_add(1, Relaxed);
                images.compactor.poke();
            }
            // Whether the edit is durable is for the next start to see, and if it is, the run must be there.
            Err(Error::Poisoned { cause }) => engine.shared().fail(cause.clone()),
            Err(_) => {
                if built.is_some() {
                    let _removed_at_the_next_start = images.runs.remove(self.id);
                }
            }
        }
        committed
    }

    /// Waits until the log is durable through `lsn`. Not as long as the disk is full: the round's own file may be what
    /// takes the room.
    fn wait_for_log(&self, lsn: Lsn) -> Result<(), Error> {
        while !self.engine.wait_durable(lsn, Duration::ZERO)? {
            if self.engine.status() == Status::Full {
                return Err(Error::io("write", Path::new("the log"), io::ErrorKind::StorageFull.into()));
            }
            self.engine.wait_durable(lsn, WAIT)?;
        }
        Ok(())
    }
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        // First the unfinished file, then the next round.
        self.builder = None;
        self.engine.images().round.store(false, SeqCst);
    }
}

/// The step from `before` to a version with these facts.
fn edit(before: &Version, facts: &Facts, cut: Cut, built: Option<&Built>) -> Edit {
    let databases: BTreeMap<u32, NamespaceId> = facts.databases.iter().copied().collect();
    let counts: BTreeMap<(NamespaceId, u8), Counts> = facts.counts.iter().copied().collect();
    let has_database = |namespace: &NamespaceId| databases.values().any(|live| live == namespace);
    let drop: Vec<NamespaceId> =
        before.databases().values().copied().filter(|namespace| !has_database(namespace)).collect();
    let gone_databases = before.databases().keys().filter(|&index| !databases.contains_key(index));
    // The counts of dropped namespaces go by themselves.
    let emptied =
        before.all_counts().keys().filter(|part| !counts.contains_key(part) && has_database(&part.0));
    Edit {
        add: built.map(|built| RunMeta::new(built, 0)).into_iter().collect(),
        cut: Some(cut),
        counts: counts
            .iter()
            .filter(|(part, counts)| before.counts(part.0, part.1) != **counts)
            .map(|(&part, &counts)| (part, counts))
            .chain(emptied.map(|&part| (part, Counts::default())))
            .collect(),
        databases: databases
            .iter()
            .filter(|(index, namespace)| before.databases().get(index) != Some(namespace))
            .map(|(&index, &namespace)| (index, Some(namespace)))
            .chain(gone_databases.map(|&index| (index, None)))
            .collect(),
        drop,
        next_namespace: Some(facts.next_namespace).filter(|&next| next != before.next_namespace()),
        attachment: Some(facts.attachment.clone()).filter(|attachment| attachment != before.attachment()),
        ..Edit::default()
    }
}
