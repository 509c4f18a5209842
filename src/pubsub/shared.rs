//! A value that is looked at often and changed seldom.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A value behind a leaf lock. Whoever looks at it clones an `Arc`, and a change copies it if somebody still looks; how much is in
/// it is known without the lock.
#[derive(Default)]
pub struct Shared<T> {
    value: Mutex<Arc<T>>,
    len: AtomicUsize,
}

impl<T: Clone> Shared<T> {
    /// Changes it. `change` says how much is in it then.
    pub fn change(&self, change: impl FnOnce(&mut T) -> usize) {
        let mut value = self.value.lock().expect("no panic happens under this leaf lock");
        self.len.store(change(Arc::make_mut(&mut value)), Ordering::Release);
    }

    /// The value as it is now.
    pub fn get(&self) -> Arc<T> {
        self.value.lock().expect("no panic happens under this leaf lock").clone()
    }

    /// How much is in it.
    #[inline]
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// Is nothing in it?
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
