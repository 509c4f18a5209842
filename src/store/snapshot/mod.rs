//! Snapshots as RDB files: who asks for one, who makes it, and what became of it.
//!
//! * One thread does one job at a time: a save is a checkpoint round and then the version it has committed, written as a
//!   file ([`export`]); a rewrite, which Redis's BGREWRITEAOF asks for, is a round and nothing else: it shortens the log.
//! * A job that is asked for begins with a round that begins after the asking, so a file holds every write that was
//!   acknowledged before.
//! * Whoever asks is told when the job is over. Nobody is stopped for it, and nothing is held but disk space: the version's
//!   runs stay until the file is written.
//!
//! [`import`] is the other way: a file becomes the dataset.

pub mod export;
pub mod import;

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::bounded;
use storage::{Epoch, Version};

use super::checkpointer::Checkpointer;
use super::keyspace::Keyspace;
use crate::util::log;
use crate::util::time::{self, Monotonic};

/// What the thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// An RDB file.
    Save,
    /// A shorter log.
    Rewrite,
}

/// Told how a job ended: with its sentence when it failed.
pub type Then = Box<dyn FnOnce(&Keyspace, Result<(), String>) + Send>;

/// What became of asking for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It begins now.
    Started,
    /// It begins when the other job is over.
    Scheduled,
    /// It is under way already, so nothing was asked for.
    UnderWay,
}

/// How a save is made, and where the dataset stood when it began.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The file.
    pub path: PathBuf,
    /// How it is written.
    pub options: export::Options,
    /// The changes of the dataset so far.
    pub changes: u64,
}

/// What became of one kind of job.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Those that succeeded.
    pub done: u64,
    /// Those that have failed since the last one that succeeded.
    pub failed_in_a_row: u64,
    /// How long the last one took, in seconds.
    pub last_took_s: Option<u64>,
    /// For how long one has been under way, in seconds.
    pub running_s: Option<u64>,
    /// Is one waiting for the other job?
    pub is_scheduled: bool,
}

/// What INFO tells.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Of saves.
    pub saves: Record,
    /// Of rewrites.
    pub rewrites: Record,
    /// When the last save succeeded, in unix seconds; the start when there was none.
    pub last_save_s: u64,
    /// The changes of the dataset that were before the last save.
    pub changes_saved: u64,
}

#[derive(Default)]
struct Desk {
    /// Who waits for each job that is wanted.
    wanted: [Option<Vec<Then>>; 2],
    running: Option<(Job, Monotonic)>,
    records: [Record; 2],
    last_save_s: u64,
    changes_saved: u64,
    /// The cut of the version that was saved last.
    saved_cut: Option<Epoch>,
    is_stopping: bool,
}

impl Desk {
    /// The job that is done before the others that are wanted.
    fn next(&self) -> Option<Job> {
        [Job::Save, Job::Rewrite].into_iter().find(|&job| self.wanted[job as usize].is_some())
    }
}

/// The desk of the thread that makes RDB files: what is asked of it, and what it has done.
pub struct Snapshots {
    desk: Mutex<Desk>,
    called: Condvar,
    progress: export::Progress,
}

impl Default for Snapshots {
    fn default() -> Self {
        let desk = Desk { last_save_s: time::now().0 / 1000, ..Desk::default() };
        Snapshots { desk: Mutex::new(desk), called: Condvar::new(), progress: export::Progress::default() }
    }
}

impl Snapshots {
    /// Asks for a job.
    pub fn ask(&self, job: Job) -> Asked {
        let mut desk = self.lock();
        let asked = match desk.running {
            Some((running, _)) if running == job => Asked::UnderWay,
            Some(_) => Asked::Scheduled,
            None if desk.wanted[job as usize].is_some() => Asked::UnderWay,
            None if desk.wanted.iter().any(Option::is_some) => Asked::Scheduled,
            None => Asked::Started,
        };
        if asked != Asked::UnderWay {
            desk.wanted[job as usize].get_or_insert_default();
            self.called.notify_one();
        }
        asked
    }

    /// Asks for a job that begins after this, even if one is under way, and to be told when it is over.
    pub fn ask_then(&self, job: Job, then: Then) {
        self.lock().wanted[job as usize].get_or_insert_default().push(then);
        self.called.notify_one();
    }

    /// Is a job running, or about to?
    pub fn is_under_way(&self, job: Job) -> bool {
        let desk = self.lock();
        match desk.running {
            Some((running, _)) => running == job,
            None => desk.wanted[job as usize].is_some(),
        }
    }

    /// What was done so far.
    pub fn history(&self) -> History {
        let desk = self.lock();
        // The thread has not seen yet what it is asked for: that counts as running.
        let next = desk.next().filter(|_| desk.running.is_none());
        let record = |job: Job| {
            let running = desk.running.filter(|&(running, _)| running == job);
            Record {
                running_s: running
                    .map_or((next == Some(job)).then_some(0), |(_, began)| Some(began.elapsed().as_secs())),
                is_scheduled: desk.wanted[job as usize].is_some() && next != Some(job),
                ..desk.records[job as usize].clone()
            }
        };
        History {
            saves: record(Job::Save),
            rewrites: record(Job::Rewrite),
            last_save_s: desk.last_save_s,
            changes_saved: desk.changes_saved,
        }
    }

    /// How far the file in the making is.
    pub fn progress(&self) -> &export::Progress {
        &self.progress
    }

    /// Gives up the job under way and ends the thread.
    pub fn stop(&self) {
        self.lock().is_stopping = true;
        self.progress.cancel();
        self.called.notify_one();
    }

    /// The thread's life. `plan` says how to save.
    pub fn run(&self, keyspace: &Keyspace, rounds: &Checkpointer, plan: impl Fn() -> Plan) {
        while let Some((job, then)) = self.wait() {
            let plan = plan();
            let result = round(rounds).and_then(|()| match job {
                Job::Save => self.write(keyspace, &plan, &self.progress),
                Job::Rewrite => Ok(()),
            });
            self.note(job, &result, plan.changes);
            then.into_iter().for_each(|then| then(keyspace, result.clone()));
        }
    }

    /// Saves what the last round has committed, unless it was saved; for the server's stop, when the thread has ended.
    pub fn save_at_stop(&self, keyspace: &Keyspace, plan: &Plan) -> Result<(), String> {
        let cut = keyspace.version().map(|version| version.cut().epoch);
        if cut.is_some() && self.lock().saved_cut == cut && plan.path.exists() {
            return Ok(());
        }
        self.write(keyspace, plan, &export::Progress::default())
    }

    fn write(&self, keyspace: &Keyspace, plan: &Plan, progress: &export::Progress) -> Result<(), String> {
        let version: Arc<Version> = keyspace.version().ok_or("There is no image on disk.")?;
        export::write_file(&version, &plan.path, &plan.options, progress)
            .map_err(|failure| failure.to_string())?;
        self.lock().saved_cut = Some(version.cut().epoch);
        Ok(())
    }

    /// Waits until a job is wanted; `None`: the thread is to end.
    fn wait(&self) -> Option<(Job, Vec<Then>)> {
        let mut desk = self.lock();
        loop {
            if desk.is_stopping {
                return None;
            }
            if let Some(job) = desk.next() {
                let then = desk.wanted[job as usize].take().unwrap_or_default();
                desk.running = Some((job, Monotonic::now()));
                return Some((job, then));
            }
            desk = self.called.wait(desk).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn note(&self, job: Job, result: &Result<(), String>, changes: u64) {
        let mut desk = self.lock();
        let Some((_, began)) = desk.running.take() else { return };
        let record = &mut desk.records[job as usize];
        record.last_took_s = Some(began.elapsed().as_secs());
        match result {
            Ok(()) => {
                record.done += 1;
                record.failed_in_a_row = 0;
            }
            Err(_) => record.failed_in_a_row += 1,
        }
        match (job, result) {
            (Job::Save, Ok(())) => {
                desk.last_save_s = time::now().0 / 1000;
                desk.changes_saved = changes;
                let keys = self.progress.keys().0;
                log::notice(&format!(
                    "DB saved on disk: {keys} keys, {:.3} seconds",
                    began.elapsed().as_secs_f64()
                ));
            }
            (Job::Save, Err(sentence)) => log::warning(&format!("Saving the DB failed: {sentence}")),
            (Job::Rewrite, Ok(())) => log::notice("The log was cut at a new checkpoint"),
            (Job::Rewrite, Err(sentence)) => log::warning(&format!("The log could not be cut: {sentence}")),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has a round made, and waits for its end.
fn round(rounds: &Checkpointer) -> Result<(), String> {
    let (sender, ended) = bounded(1);
    rounds.ask_then(Box::new(move |_, result| drop(sender.send(result))));
    ended.recv().map_or_else(|_| Err("The server stops.".to_owned()), |result| result.map(|_captured| ()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_starts_waits_for_the_other_or_is_under_way() {
        let snapshots = Snapshots::default();
        assert_eq!(snapshots.ask(Job::Save), Asked::Started);
        assert_eq!(snapshots.ask(Job::Save), Asked::UnderWay);
        assert_eq!(snapshots.ask(Job::Rewrite), Asked::Scheduled);
        assert!(snapshots.is_under_way(Job::Save));
        assert_eq!(snapshots.wait().unwrap().0, Job::Save);
        assert_eq!(snapshots.ask(Job::Save), Asked::UnderWay);
        let history = snapshots.history();
        assert!(history.saves.running_s.is_some() && history.rewrites.is_scheduled);

        snapshots.note(Job::Save, &Err("No room.".into()), 7);
        assert_eq!((snapshots.history().saves.failed_in_a_row, snapshots.history().changes_saved), (1, 0));
        assert_eq!(snapshots.wait().unwrap().0, Job::Rewrite);
        assert_eq!(snapshots.ask(Job::Save), Asked::Scheduled);
        assert_eq!(snapshots.ask(Job::Save), Asked::Scheduled, "asking again changes nothing");
        assert!(!snapshots.is_under_way(Job::Save));

        snapshots.note(Job::Rewrite, &Ok(()), 8);
        assert_eq!(snapshots.wait().unwrap().0, Job::Save);
        snapshots.note(Job::Save, &Ok(()), 9);
        let history = snapshots.history();
        assert_eq!((history.saves.done, history.saves.failed_in_a_row, history.changes_saved), (1, 0, 9));
        assert_eq!((history.rewrites.done, history.rewrites.failed_in_a_row), (1, 0));
        snapshots.ask_then(Job::Save, Box::new(|_, _| {}));
        snapshots.stop();
        assert!(snapshots.wait().is_none());
    }

    #[test]
    fn whoever_asks_during_a_save_is_told_of_the_next_one() {
        let snapshots = Snapshots::default();
        assert_eq!(snapshots.ask(Job::Save), Asked::Started);
        assert_eq!(snapshots.wait().unwrap().1.len(), 0);
        snapshots.ask_then(Job::Save, Box::new(|_, _| {}));
        snapshots.note(Job::Save, &Ok(()), 1);
        assert_eq!(snapshots.wait().unwrap().1.len(), 1);
    }
}
