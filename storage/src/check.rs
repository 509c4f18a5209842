//! Looking a dataset over: what is there, and everything that is damaged.
//!
//! Every byte that a checksum covers is read: the manifest, each run whole, each frame of the log that a start would read.
//! Nothing is changed, except that the lock file is made where there is none. A dataset that a server has open is refused.
//!
//! It deliberately understands no values and no commands: that is for whoever decodes them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Error;
use crate::fs::Fs;
use crate::identity::Identity;
use crate::recovery::{self, Report, start_of};
use crate::run::{RunDir, RunId};
use crate::version::{self, Torn, Version};

/// What is in a directory.
#[derive(Debug)]
pub struct Checked {
    /// The dataset.
    pub dataset_id: u64,
    /// The image; `None` if the manifest cannot be read.
    pub version: Option<Arc<Version>>,
    /// What a replay would find; `None` if the log cannot be read as it should be, or the manifest cannot.
    pub log: Option<Report>,
    /// What a crash left unfinished in the manifest.
    pub torn_edit: Option<Torn>,
    /// Files that nothing names; the next start removes them.
    pub stale: Vec<PathBuf>,
    /// All that is damaged, a sentence each. With none of it, a server starts and can read everything.
    pub damage: Vec<Error>,
}

/// Looks the dataset in `dir` over. Damage is told in what is returned; an error says that it could not be looked for.
pub fn check(fs: Arc<dyn Fs>, dir: &Path) -> Result<Checked, Error> {
    let dataset_id = Identity::load(&*fs, dir)?.dataset_id;
    let _lock = recovery::lock(&*fs, dir)?;
    let (version, torn_edit, stale) = (None, None, Vec::new());
    let mut checked = Checked { dataset_id, version, log: None, torn_edit, stale, damage: Vec::new() };
    let found = match version::look(fs.clone(), dir, dataset_id) {
        Ok(found) => found,
        Err(error) => {
            checked.damage.push(error);
            return Ok(checked);
        }
    };
    checked.torn_edit = found.torn.clone();
    checked.stale = found.stale.clone();
    let runs = RunDir::new(fs.clone(), dir, dataset_id);
    checked.damage.extend(bad_runs(&found.version, &runs).into_iter().map(|(_, error)| error));
    let cut = found.version.cut();
    match recovery::read_log(&*fs, dir, dataset_id, start_of(cut), cut, |_| Ok::<(), Error>(())) {
        Ok(log) => checked.log = Some(log.report),
        Err(error) => checked.damage.push(error),
    }
    checked.version = Some(found.version);
    Ok(checked)
}

/// Opens and reads all runs of a version: those that are not as they should be, and why.
pub(crate) fn bad_runs(version: &Version, runs: &RunDir) -> Vec<(RunId, Error)> {
    let ids = version.runs().map(|run| run.meta().id);
    ids.filter_map(|id| Some((id, version.open_run(id, runs).and_then(|run| run.verify()).err()?))).collect()
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "dataset {:016x}", self.dataset_id)?;
        if let Some(version) = &self.version {
            let (cut, runs) = (version.cut(), version.runs().count());
            let bytes: u64 = version.runs().map(|run| run.meta().size_bytes).sum();
            let keys = version.live_keys();
            writeln!(f, "image of epoch {}: {keys} keys in {runs} runs of {bytes} bytes", cut.epoch.0)?;
        }
        if let Some(log) = &self.log {
            let Report { records, bytes, last, durable, .. } = log;
            writeln!(f, "log: {bytes} bytes with {records} records that are not in the image")?;
            writeln!(f, "log: the last record is {last}, and those up to {durable} are known to be durable")?;
            if let Some(cut) = &log.cut {
                let path = cut.path.display();
                writeln!(
                    f,
                    "log: torn at {path}, byte {}: {}; the next start cuts it off",
                    cut.offset, cut.reason
                )?;
            }
        }
        if let Some(torn) = &self.torn_edit {
            let path = torn.path.display();
            writeln!(
                f,
                "manifest: torn at {path}, byte {}: {}; the next start cuts it off",
                torn.offset, torn.reason
            )?;
        }
        self.stale
            .iter()
            .try_for_each(|path| writeln!(f, "unused: {}; the next start removes it", path.display()))?;
        self.damage.iter().try_for_each(|error| writeln!(f, "DAMAGE: {error}"))?;
        match self.damage.len() {
            0 => write!(f, "no damage"),
            count => write!(f, "{count} damaged parts"),
        }
    }
}
