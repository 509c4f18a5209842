//! Which keys of a shard are being read from disk, and who waits for them.
//!
//! * While a key is loading, every command that names it waits here, in order; nobody reads the same key twice at once.
//! * A command that waits for several keys has one [`Ticket`] and is woken once, by the last of them.
//! * A command that waits for something else than keys has a ticket, too; whoever does the work has the [`Promise`] of it.
//! * [`Loading`] is guarded by the shard's lock.

use std::any::Any;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use crossbeam_channel::bounded;
use storage::NamespaceId;

use super::cache::Hold;
use super::keyspace::Keyspace;
use super::residence::Errand;
use super::{Key, Waiter};

/// What a command waits for.
pub struct Ticket {
    waiter: Waiter,
    /// Keys that are still missing, and one more while the command is asking for them.
    missing: AtomicUsize,
    failure: OnceLock<String>,
    /// What the command has asked for, when it is no key. A leaf lock.
    answer: Mutex<Option<Box<dyn Any + Send>>>,
    _hold: Option<Hold>,
}

impl Ticket {
    /// A ticket of the command that `waiter` brings. It is not complete before [`Ticket::arrived`] was called once more than
    /// [`Ticket::expect_one`].
    pub fn new(waiter: Waiter) -> Arc<Self> {
        Self::holding(waiter, None)
    }

    /// A ticket that holds in RAM what is loaded, until it is dropped.
    pub fn holding(waiter: Waiter, hold: Option<Hold>) -> Arc<Self> {
        Arc::new(Ticket {
            waiter,
            missing: AtomicUsize::new(1),
            failure: OnceLock::new(),
            answer: Mutex::new(None),
            _hold: hold,
        })
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

    /// A ticket of a command that has its answer already.
    pub fn answered<T: Send + 'static>(waiter: Waiter, answer: T) -> Arc<Self> {
        let ticket = Self::new(waiter);
        *ticket.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(answer));
        ticket.arrived();
        ticket
    }

    /// Takes over what the command has asked for from the ticket that it had before.
    pub fn inherit(&self, before: &Ticket) {
        let answer = before.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    /// What the command has asked for, once, if it is of this type.
    pub fn take_answer<T: 'static>(&self) -> Option<T> {
        let answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        answer.downcast().ok().map(|answer| *answer)
    }
}

/// What a command waits for, as the one sees it who is to find it.
pub struct Promise<T> {
    ticket: Arc<Ticket>,
    answer: PhantomData<fn(T)>,
}

impl<T: Send + 'static> Promise<T> {
    /// A promise to the command that has this ticket.
    pub fn of(ticket: Arc<Ticket>) -> Self {
        Promise { ticket, answer: PhantomData }
    }

    /// Is the command still waiting? Not when its client has gone.
    pub fn is_awaited(&self) -> bool {
        Arc::strong_count(&self.ticket) > 1
    }

    /// Gives the command its answer, or the sentence that says why there is none, and wakes it.
    pub fn keep(self, keyspace: &Keyspace, result: Result<T, String>) {
        match result {
            Ok(found) => {
                let mut answer = self.ticket.answer.lock().unwrap_or_else(PoisonError::into_inner);
                *answer = Some(Box::new(found));
            }
            Err(sentence) => self.ticket.fail(&sentence),
        }
        keyspace.punch(&self.ticket);
    }

    /// Has work done that takes long, but waits for nobody, while no shard is held. Others may be in line for it.
    pub fn work_apart(self, keyspace: &Keyspace, work: impl FnOnce() -> T + Send + 'static) {
        let Some(errands) = keyspace.readers.get().cloned() else {
            return self.keep(keyspace, Ok(work()));
        };
        let job = move || {
            if self.is_awaited() {
                let result = Ok(work());
                drop(errands.send(Errand::Run(Box::new(move |keyspace| self.keep(keyspace, result)))));
            }
        };
        // A server that can't start a thread does it here.
        if let Err(job) = keyspace.apart.run(Box::new(job)) {
            job();
        }
    }

    /// Has a thread of its own do the work, which may take long, for it waits for something else than the disk.
    pub fn work_alone<W>(self, keyspace: &Keyspace, name: &str, work: W)
    where
        W: FnOnce() -> T + Send + 'static,
    {
        let Some(errands) = keyspace.readers.get().cloned() else {
            return self.keep(keyspace, Ok(work()));
        };
        let (hand_over, handed_over) = bounded::<(Self, W)>(1);
        let started = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let Ok((promise, work)) = handed_over.recv() else { return };
            let result = Ok(work());
            drop(errands.send(Errand::Run(Box::new(move |keyspace| promise.keep(keyspace, result)))));
        });
        match started {
            Ok(_) => drop(hand_over.send((self, work))),
            Err(error) => self.keep(keyspace, Err(format!("Can't start thread {name}: {error}."))),
        }
    }

    /// Has the threads that read from disk do the work: they call it until it gives something. Others have their turn
    /// between two calls, so none should take longer than some milliseconds.
    pub fn work_off(
        self,
        keyspace: &Keyspace,
        mut work: impl FnMut(&Keyspace) -> Result<Option<T>, String> + Send + 'static,
    ) {
        keyspace.send(Errand::Run(Box::new(move |keyspace| {
            if !self.is_awaited() {
                return;
            }
            match work(keyspace).transpose() {
                Some(result) => self.keep(keyspace, result),
                None => self.work_off(keyspace, work),
            }
        })));
    }
}

/// A shard's keys that are being read from disk, and who waits for them.
#[derive(Default)]
pub struct Loading {
    /// By namespace and hash; keys of one hash stand together.
    waiting: HashMap<(NamespaceId, u64), Vec<Wanted>>,
}

struct Wanted {
    key: Box<[u8]>,
    tickets: Vec<Arc<Ticket>>,
    /// Somebody who holds the shard has read the key meanwhile, and may have changed it.
    is_overtaken: bool,
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
                let tickets = vec![ticket.clone()];
                same_hash.push(Wanted { key: Box::from(key.bytes), tickets, is_overtaken: false });
                true
            }
        }
    }

    /// Is no key being read?
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Is the key being read?
    pub fn has(&self, namespace: NamespaceId, key: &Key<'_>) -> bool {
        let same_hash = self.waiting.get(&(namespace, key.hash));
        same_hash.is_some_and(|all| all.iter().any(|wanted| *wanted.key == *key.bytes))
    }

    /// The key is read by somebody else, who holds the shard: what the reader finds may be old.
    pub fn overtake(&mut self, namespace: NamespaceId, key: &Key<'_>) {
        let same_hash = self.waiting.get_mut(&(namespace, key.hash));
        let wanted = same_hash.and_then(|all| all.iter_mut().find(|wanted| *wanted.key == *key.bytes));
        if let Some(wanted) = wanted {
            wanted.is_overtaken = true;
        }
    }

    /// May what the reader of the key finds be old?
    pub fn is_overtaken(&self, namespace: NamespaceId, key: &Key<'_>) -> bool {
        let same_hash = self.waiting.get(&(namespace, key.hash));
        same_hash.is_some_and(|all| all.iter().any(|wanted| wanted.is_overtaken && *wanted.key == *key.bytes))
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
