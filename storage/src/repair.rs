//! Making a damaged dataset one that a server starts on, at the price of what cannot be read.
//!
//! * A damaged or missing run leaves the image; its file, if there is one, stays under another name. Older states of its
//!   keys may show, and keys that it had deleted. The live counts are counted anew.
//! * The log is cut off before its first frame that cannot be read, also below what was durable.
//! * Damage to IDENTITY or the manifest is beyond repair here: what is lost with them is what everything else means.
//!
//! Invariants: an undamaged dataset is left as it is. Everything that goes is told. A repair that fails or is interrupted
//! can be done again.
//!
//! It deliberately rescues no single blocks or records: what remains would be a state that never was, without saying where.
//! Whoever wants to try keeps a copy of the directory.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::check::bad_runs;
use crate::entry::{NamespaceId, Position};
use crate::error::Error;
use crate::fs::Fs;
use crate::identity::Identity;
use crate::log::{reader, segment, tail};
use crate::merge::{Entries, Source};
use crate::recovery::{self, start_of};
use crate::run::{RunDir, RunId};
use crate::version::{self, Counts, Cut, Edit, Version};

/// Repairs the dataset in `dir`. What was lost, a sentence each; nothing if there was nothing to repair.
pub fn repair(fs: Arc<dyn Fs>, dir: &Path) -> Result<Vec<String>, Error> {
    let identity = Identity::load(&*fs, dir)?;
    let _lock = recovery::lock(&*fs, dir)?;
    let dataset_id = identity.dataset_id;
    let found = version::look(fs.clone(), dir, dataset_id)?;
    let runs = RunDir::new(fs.clone(), dir, dataset_id);
    let version = found.version.clone();
    let mut lost = Vec::new();

    let mut bad = BTreeSet::new();
    for (id, error) in bad_runs(&version, &runs) {
        bad.insert(id);
        lost.push(set_aside(&version, &runs, id, error)?);
    }
    // Before the manifest does without them: a start removes the runs that it does not name.
    runs.sync()?;
    let cut = repair_log(&*fs, dir, &identity, version.cut(), &mut lost)?;
    if !lost.is_empty() {
        let mut whole = Edit { cut: Some(cut), ..version.to_edit() };
        whole.add.retain(|run| !bad.contains(&run.id));
        whole.counts.clear();
        count(&mut whole, &runs)?;
        found.replace(&applied(&whole))?;
    }
    Ok(lost)
}

/// Gives a damaged run's file another name, under which no start removes it.
fn set_aside(version: &Version, runs: &RunDir, id: RunId, error: Error) -> Result<String, Error> {
    match &error {
        Error::Corrupt { .. } => {}
        Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {}
        // The disk fails, which may pass; the run itself may be well.
        _ => return Err(error),
    }
    let kept = runs.set_aside(id)?;
    let meta = version.run(id).expect("a bad run is one of the version's").meta();
    let (first, last) = meta.epochs;
    let whereabouts = match kept {
        Some(path) => format!("its file is now {}", path.display()),
        None => "it has no file".into(),
    };
    Ok(format!(
        "Run {id}, with the changes of epochs {} to {}: {} keys and {} deletions from {} to {}; {whereabouts}. {error}",
        first.0,
        last.0,
        meta.records() - meta.tombstones(),
        meta.tombstones(),
        meta.first,
        meta.last,
    ))
}

/// Cuts off what cannot be read of the log; the cut that the manifest must have with what is left.
fn repair_log(
    fs: &dyn Fs,
    dir: &Path,
    identity: &Identity,
    cut: Cut,
    lost: &mut Vec<String>,
) -> Result<Cut, Error> {
    let read =
        |cut| recovery::read_log(fs, dir, identity.dataset_id, start_of(cut), cut, |_| Ok::<(), Error>(()));
    let damage = match read(cut) {
        Ok(_) => return Ok(cut),
        Err(error @ Error::Corrupt { .. }) => error,
        Err(error) => return Err(error),
    };
    if let Some(found) = reader::salvage(fs, dir, identity.dataset_id, start_of(cut))? {
        let last = found.report.last;
        tail::settle(fs, dir, &found)?;
        let durable = cut.durable.min(last);
        let shorter = Cut { lsn: cut.lsn.min(durable), durable, ..cut };
        // What is left may be no more than a segment's header.
        if read(shorter).is_ok() {
            lost.push(format!("The log behind record {last}. {damage}"));
            return Ok(shorter);
        }
    }
    lost.push(format!(
        "The whole log, with every change behind the image of epoch {}. {damage}",
        cut.epoch.0
    ));
    segment::remove_all(fs, dir)?;
    segment::create_first(fs, dir, identity.dataset_id)?;
    Ok(Cut { epoch: cut.epoch, ..Cut::START })
}

/// Counts what is live in the version that `whole` makes, which has no counts yet.
fn count(whole: &mut Edit, runs: &RunDir) -> Result<(), Error> {
    let version = Arc::new(applied(whole));
    version.open_runs(runs)?;
    let mut counts: BTreeMap<(NamespaceId, u8), Counts> = BTreeMap::new();
    let mut scan = version.scan(Position::MIN)?;
    while let Some(entry) = scan.entry() {
        let namespace = entry.position.namespace;
        if !entry.content.is_tombstone() && !version.dropped().contains(&namespace) {
            let counts = counts.entry((namespace, entry.position.partition())).or_default();
            counts.keys += 1;
            counts.expires += u64::from(entry.content.expiry_ms().is_some());
        }
        scan.advance()?;
    }
    whole.counts.extend(counts);
    Ok(())
}

fn applied(whole: &Edit) -> Version {
    Version::default().apply(whole).expect("a version without some of its runs is a version")
}
