//! What all threads share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::error::CommandError;
use crate::client::{Pause, Registry};
use crate::config::ConfigCell;
use crate::script;
use crate::stats::Stats;
use crate::stats::rates::Rates;
use crate::store::checkpointer::Checkpointer;
use crate::store::cold::expire::ColdExpiry;
use crate::store::keyspace::LogHealth;
use crate::store::lock::Locked;
use crate::store::snapshot::{Snapshots, import};
use crate::store::{Keyspace, UnixMs};
use crate::util::time;

/// How SHUTDOWN was called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownOptions {
    /// Do not write a snapshot.
    pub nosave: bool,
    /// Write one.
    pub save: bool,
    /// Do not wait for replicas.
    pub now: bool,
    /// Stop even when something fails.
    pub force: bool,
}

/// The server as handlers see it. Built once by `server`, then only its parts change.
pub struct ServerState {
    /// The data.
    pub keyspace: Keyspace,
    /// Who makes checkpoints.
    pub checkpointer: Checkpointer,
    /// Who makes snapshots.
    pub snapshots: Snapshots,
    /// How far loading is, or was when it ended.
    pub load: import::Progress,
    /// The configuration.
    pub config: Arc<ConfigCell>,
    /// Scripts and function libraries.
    pub scripting: Arc<script::Shared>,
    /// The clients.
    pub clients: Registry,
    /// CLIENT PAUSE.
    pub pause: Pause,
    /// The counters.
    pub stats: Stats,
    /// Operations and bytes per second, peaks.
    pub rates: Rates,
    /// Threads that serve clients.
    pub workers: usize,
    /// When the server started.
    pub started: UnixMs,
    /// Forty hexadecimal digits, new at every start.
    pub run_id: String,
    /// The binary that runs, as far as it is known.
    pub executable: String,
    /// The TCP port in use; 0 when there is none.
    pub tcp_port: u16,
    /// Is the dataset still being loaded? Commands without the LOADING flag are refused.
    pub loading: AtomicBool,
    /// DEBUG SET-ACTIVE-EXPIRE.
    pub active_expire: AtomicBool,
    /// Deletes expired keys that are on disk only.
    pub cold_expiry: ColdExpiry,
    /// How SHUTDOWN was called, if it was.
    pub shutdown_options: OnceLock<ShutdownOptions>,
    /// Stops the server; the process ends soon after the call.
    pub shutdown: Box<dyn Fn() + Send + Sync>,
}

/// Where the memory goes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// Keys and values.
    pub entries: u64,
    /// The pages that hold them, partly empty ones in full.
    pub entry_pages: u64,
    /// What finds them: hash tables and expiry index.
    pub index: u64,
    /// Clients' buffers.
    pub clients: u64,
    /// Log records not yet written.
    pub log_buffers: u64,
}

impl MemoryUse {
    /// What INFO calls used memory.
    pub fn used(&self) -> u64 {
        self.entries + self.overhead()
    }

    /// All but the dataset.
    pub fn overhead(&self) -> u64 {
        self.index + self.clients + self.log_buffers
    }
}

impl ServerState {
    /// Adds up where the memory goes; locks one shard after the other, unless the caller holds them all.
    pub fn memory(&self, held: Option<&Locked<'_>>) -> MemoryUse {
        let memory = self.keyspace.memory(held);
        MemoryUse {
            entries: memory.allocated as u64,
            entry_pages: (memory.resident as u64).max(memory.allocated as u64),
            index: memory.index as u64,
            clients: self.clients.memory(),
            log_buffers: self.keyspace.log().map_or(0, |log| log.pending_bytes()),
        }
    }

    /// Is the dataset still being loaded?
    #[inline]
    pub fn is_loading(&self) -> bool {
        self.loading.load(Ordering::Relaxed)
    }

    /// Can the log take what a write changes? If not, this is what the write is refused with.
    pub fn admit_logging(&self) -> Result<(), CommandError> {
        match self.keyspace.log_health() {
            LogHealth::Good => Ok(()),
            LogHealth::Full => Err(CommandError::LOG_FULL),
            LogHealth::Failed => Err(CommandError::LOG_FAILED),
        }
    }

    /// Does CLIENT PAUSE hold expiry back too? Expiring a key is a change of the dataset.
    pub fn is_paused_for_expiry(&self) -> bool {
        self.pause.at(time::now()).is_some()
    }
}
