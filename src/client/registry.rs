//! All connected clients, and how to reach the worker that serves one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use super::{ClientId, ClientInfo, Letter};

/// What another thread tells a worker about its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A client was killed: close it.
    Killed(ClientId),
    /// Clients may go on: the pause ended or changed.
    PauseChanged,
    /// Bytes for a client.
    Letter(Letter),
}

/// Delivers a notice to a worker (`None`: to all).
type Post = Box<dyn Fn(Option<u32>, Notice) + Send + Sync>;

/// All connected clients. The map is locked when a client comes, goes or is listed, never per command.
#[derive(Default)]
pub struct Registry {
    clients: Mutex<BTreeMap<ClientId, Arc<ClientInfo>>>,
    last_id: AtomicU64,
    post: OnceLock<Post>,
}

impl Registry {
    /// Connects the workers, once.
    pub fn connect(&self, post: Post) {
        assert!(self.post.set(post).is_ok(), "the workers are connected once");
    }

    /// The next client's number.
    pub fn next_id(&self) -> ClientId {
        ClientId(self.last_id.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// A client came.
    pub fn add(&self, info: Arc<ClientInfo>) {
        self.map().insert(info.id, info);
    }

    /// A client went.
    pub fn remove(&self, id: ClientId) {
        self.map().remove(&id);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.map().len()
    }

    /// Is nobody connected?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them, by ascending number.
    pub fn all(&self) -> Vec<Arc<ClientInfo>> {
        self.map().values().cloned().collect()
    }

    /// Bytes that their buffers take in all.
    pub fn memory(&self) -> u64 {
        self.map().values().map(|info| info.memory.load(Ordering::Relaxed)).sum()
    }

    /// One of them.
    pub fn get(&self, id: ClientId) -> Option<Arc<ClientInfo>> {
        self.map().get(&id).cloned()
    }

    /// Closes a client, whichever worker serves it. The caller's own is better closed with `close_after_reply`.
    pub fn kill(&self, info: &ClientInfo) {
        info.kill();
        self.post(Some(info.worker), Notice::Killed(info.id));
    }

    /// Sends a client bytes, whichever worker serves it.
    pub fn deliver(&self, letter: Letter) {
        self.post(Some(letter.at.worker), Notice::Letter(letter));
    }

    /// Tells all workers that the pause changed.
    pub fn pause_changed(&self) {
        self.post(None, Notice::PauseChanged);
    }

    fn post(&self, worker: Option<u32>, notice: Notice) {
        if let Some(post) = self.post.get() {
            post(worker, notice);
        }
    }

    fn map(&self) -> std::sync::MutexGuard<'_, BTreeMap<ClientId, Arc<ClientInfo>>> {
        self.clients.lock().expect("no panic happens under this leaf lock")
    }
}
