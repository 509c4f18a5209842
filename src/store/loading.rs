//! Which keys of a shard are being read from disk, and who waits for them.
//!
//! * While a key is loading, every command that names it waits here, in order; nobody reads the same key twice at once.
//! * A command that waits for several keys has one [`Ticket`] and is woken once, by the last of them.
//! * [`Loading`] is guarded by the shard's lock.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use storage::NamespaceId;

use super::{Key, Waiter};

/// What a command waits for.
#[derive(Debug)]
pub struct Ticket {
    waiter: Waiter,
    /// Keys that are still missing, and one more while the command is asking for them.
    missing: AtomicUsize,
    failure: OnceLock<String>,
}

impl Ticket {
    /// A ticket of the command that `waiter` brings. It is not complete before [`Ticket::arrived`] was called once more than
    /// [`Ticket::expect_one`].
    pub fn new(waiter: Waiter) -> Arc<Self> {
        Arc::new(Ticket { waiter, missing: AtomicUsize::new(1), failure: OnceLock::new() })
    }

    /// Who waits.
    pub fn waiter(&self) -> Waiter {
        self.waiter
    }

    /// One more thing is waited for.
    pub fn expect_one(&self) {
        self.missing.fetch_add(1, Ordering::Relaxed);
    }

    /// One thing is there. True: it was the last one.
    pub fn arrived(&self) -> bool {
        // What was read is handed over by the shard's lock; a failure, by this.
        self.missing.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Is everything there?
    pub fn is_complete(&self) -> bool {
        self.missing.load(Ordering::Acquire) == 0
    }

    /// Notes why something can't be read; to be called before [`Ticket::arrived`].
    pub fn fail(&self, sentence: &str) {
        self.failure.get_or_init(|| sentence.to_owned());
    }

    /// Why the command can't be executed, if so.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }
}

/// See the module.
#[derive(Default)]
pub struct Loading {
    waiting: HashMap<(NamespaceId, u64), Vec<Wanted>>,
}

struct Wanted {
    key: Box<[u8]>,
    tickets: Vec<Arc<Ticket>>,
}

impl Loading {
    /// Puts a ticket in line for a key. True: nobody is reading it, so the caller has to have it read.
    pub fn wait(&mut self, namespace: NamespaceId, key: &Key<'_>, ticket: &Arc<Ticket>) -> bool {
        ticket.expect_one();
        let same_hash = self.waiting.entry((namespace, key.hash)).or_default();
        match same_hash.iter_mut().find(|wanted| *wanted.key == *key.bytes) {
            Some(wanted) => {
                wanted.tickets.push(ticket.clone());
                false
            }
            None => {
                same_hash.push(Wanted { key: Box::from(key.bytes), tickets: vec![ticket.clone()] });
                true
            }
        }
    }

    /// Is the key being read?
    pub fn has(&self, namespace: NamespaceId, key: &Key<'_>) -> bool {
        let same_hash = self.waiting.get(&(namespace, key.hash));
        same_hash.is_some_and(|all| all.iter().any(|wanted| *wanted.key == *key.bytes))
    }

    /// The key has been read: those who waited, in order.
    pub fn done(&mut self, namespace: NamespaceId, key: &Key<'_>) -> Vec<Arc<Ticket>> {
        let place = (namespace, key.hash);
        let Some(same_hash) = self.waiting.get_mut(&place) else { return Vec::new() };
        let Some(at) = same_hash.iter().position(|wanted| *wanted.key == *key.bytes) else {
            return Vec::new();
        };
        let tickets = same_hash.swap_remove(at).tickets;
        if same_hash.is_empty() {
            self.waiting.remove(&place);
        }
        tickets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(connection: u64) -> Arc<Ticket> {
        Ticket::new(Waiter { worker: 0, connection })
    }

    #[test]
    fn one_reads_and_all_are_told_in_order() {
        let mut loading = Loading::default();
        let (a, b) = (Key { bytes: b"a", hash: 7 }, Key { bytes: b"b", hash: 7 });
        assert!(loading.wait(NamespaceId(1), &a, &ticket(1)));
        assert!(!loading.wait(NamespaceId(1), &a, &ticket(2)));
        assert!(loading.wait(NamespaceId(1), &b, &ticket(3)), "another key with the same hash");
        assert!(loading.wait(NamespaceId(2), &a, &ticket(4)), "the same key in another database");
        let mut told = |namespace, key| -> Vec<u64> {
            loading
                .done(NamespaceId(namespace), key)
                .iter()
                .map(|ticket| ticket.waiter().connection)
                .collect()
        };
        assert_eq!(told(1, &a), [1, 2]);
        assert_eq!(told(1, &a), [0; 0]);
        assert_eq!((told(1, &b), told(2, &a)), (vec![3], vec![4]));
        assert!(loading.waiting.is_empty(), "nothing is left behind");
    }

    #[test]
    fn a_ticket_is_complete_when_the_last_key_is_there_and_not_before_it_was_asked_for() {
        let (mut loading, ticket) = (Loading::default(), ticket(1));
        let keys = [Key { bytes: b"a", hash: 7 }, Key { bytes: b"b", hash: 8 }];
        assert!(loading.wait(NamespaceId(0), &keys[0], &ticket));
        let early = loading.done(NamespaceId(0), &keys[0]);
        assert!(!early[0].arrived(), "the command is still asking");
        assert!(loading.wait(NamespaceId(0), &keys[1], &ticket));
        assert!(!ticket.arrived(), "it has asked for everything");
        let late = loading.done(NamespaceId(0), &keys[1]);
        late[0].fail("The disk is gone.");
        assert!(late[0].arrived() && ticket.is_complete());
        assert_eq!(ticket.failure(), Some("The disk is gone."));
    }
}
