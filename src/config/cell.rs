//! The configuration of the running server, shared by all its threads.
//!
//! * A snapshot is immutable. Publishing swaps the `Arc`, then moves the version; a reader that sees the
//!   version move takes the lock once and gets that snapshot or a later one.
//! * Two locks, both leaves: `change` makes changes one after another and is held while subscribers apply
//!   one; `current` guards the pointer alone, so that reading never waits for a change being applied.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::change::{Asker, SetError};
use super::values::Config;

/// The shared handle.
#[derive(Debug)]
pub struct ConfigCell {
    version: AtomicU64,
    current: Mutex<Arc<Config>>,
    change: Mutex<()>,
}

impl ConfigCell {
    /// Shares a loaded configuration.
    pub fn new(config: Config) -> Arc<Self> {
        Arc::new(Self {
            version: AtomicU64::new(0),
            current: Mutex::new(Arc::new(config)),
            change: Mutex::new(()),
        })
    }

    /// The snapshot of now. For the hot path use a [`ConfigReader`].
    pub fn snapshot(&self) -> Arc<Config> {
        Arc::clone(&locked(&self.current))
    }

    /// A reader for one thread.
    pub fn reader(self: &Arc<Self>) -> ConfigReader {
        let seen = self.version.load(Ordering::Acquire);
        ConfigReader { seen, config: self.snapshot(), cell: Arc::clone(self) }
    }

    /// CONFIG SET: changes all of these parameters or none. `apply` gets the old and the new configuration
    /// before anybody else sees the new one; what it refuses is not published, so it must undo what it did.
    pub fn set_many(
        &self,
        pairs: &[(&[u8], &[u8])],
        asker: Asker,
        apply: impl FnOnce(&Config, &Config) -> Result<(), SetError>,
    ) -> Result<(), SetError> {
        let _one_at_a_time = locked(&self.change);
        let old = self.snapshot();
        let new = old.changed(pairs, asker)?;
        apply(&old, &new)?;
        *locked(&self.current) = Arc::new(new);
        self.version.fetch_add(1, Ordering::Release);
        Ok(())
    }
}

/// Neither lock is held across code that can leave its value half made, so that poison says nothing.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One thread's view of the configuration; it dereferences to [`Config`].
#[derive(Debug)]
pub struct ConfigReader {
    cell: Arc<ConfigCell>,
    seen: u64,
    config: Arc<Config>,
}

impl ConfigReader {
    /// Takes up a newer snapshot, if there is one, and says whether there was: one atomic load when not. Call
    /// it once a loop turn.
    pub fn refresh(&mut self) -> bool {
        let version = self.cell.version.load(Ordering::Acquire);
        if version == self.seen {
            return false;
        }
        self.seen = version;
        self.config = self.cell.snapshot();
        true
    }

    /// The shared handle.
    pub fn cell(&self) -> &Arc<ConfigCell> {
        &self.cell
    }
}

impl Deref for ConfigReader {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(cell: &ConfigCell, name: &str, value: &str) {
        cell.set_many(&[(name.as_bytes(), value.as_bytes())], Asker::default(), |_, _| Ok(())).unwrap();
    }

    #[test]
    fn a_reader_sees_a_change_at_its_next_refresh() {
        let cell = ConfigCell::new(Config::default());
        let mut reader = cell.reader();
        assert!(!reader.refresh());
        set(&cell, "timeout", "7");
        assert_eq!(reader.timeout, 0);
        assert!(reader.refresh());
        assert_eq!(reader.timeout, 7);
        assert!(!reader.refresh());
    }

    #[test]
    fn what_a_subscriber_refuses_is_not_published() {
        let cell = ConfigCell::new(Config::default());
        let mut reader = cell.reader();
        let result =
            cell.set_many(&[(b"bind", b"1.2.3.4"), (b"timeout", b"3")], Asker::default(), |old, new| {
                assert_eq!((old.timeout, new.timeout), (0, 3));
                Err(SetError::refused("bind", "Failed to bind to specified addresses."))
            });
        let expected = "CONFIG SET failed (possibly related to argument 'bind') - \
                        Failed to bind to specified addresses.";
        assert_eq!(result.unwrap_err().to_string(), expected);
        assert!(!reader.refresh());
        assert_eq!(cell.snapshot().timeout, 0);
    }

    #[test]
    fn changes_of_many_threads_are_all_kept() {
        let cell = ConfigCell::new(Config::default());
        std::thread::scope(|scope| {
            for name in ["timeout", "tcp-keepalive", "maxclients", "hz"] {
                let cell = &cell;
                scope.spawn(move || (1..=50).for_each(|value| set(cell, name, &value.to_string())));
            }
        });
        let now = cell.snapshot();
        assert_eq!((now.timeout, now.tcp_keepalive, now.maxclients, now.hz), (50, 50, 50, 50));
    }
}
