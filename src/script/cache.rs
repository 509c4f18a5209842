//! The scripts that EVALSHA finds, shared by all threads. What a thread has compiled of them is its interpreter's.
//!
//! * A script is alive until SCRIPT FLUSH, or until so many others have been sent with EVAL that it is given up. Threads look whether it is
//!   before they run what they have compiled.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::sha::Sha;

/// Scripts sent with EVAL that are kept. Those of SCRIPT LOAD are kept in any case.
const EVALS_KEPT: usize = 500;

/// A script.
#[derive(Debug)]
pub struct Script {
    /// Its name.
    pub sha: Sha,
    /// Its text.
    pub text: Box<[u8]>,
    /// [`flags`](super::flags)
    pub flags: u32,
    takes_all: AtomicBool,
    is_alive: AtomicBool,
}

impl Script {
    /// A script that nobody knows yet.
    pub fn new(sha: Sha, text: &[u8], flags: u32) -> Self {
        Script {
            sha,
            text: text.into(),
            flags,
            takes_all: AtomicBool::new(false),
            is_alive: AtomicBool::new(true),
        }
    }

    /// Does EVALSHA find it?
    #[inline]
    pub fn is_alive(&self) -> bool {
        self.is_alive.load(Ordering::Relaxed)
    }

    /// Has it been seen to use keys that it did not declare?
    #[inline]
    pub fn takes_all(&self) -> bool {
        self.takes_all.load(Ordering::Relaxed)
    }

    /// It uses keys that it does not declare.
    pub fn set_takes_all(&self) {
        self.takes_all.store(true, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Known {
    scripts: HashMap<Sha, Arc<Script>>,
    /// Those sent with EVAL only, the oldest first.
    evals: VecDeque<Sha>,
    bytes: usize,
}

/// All scripts.
#[derive(Default)]
pub struct Scripts {
    known: Mutex<Known>,
}

impl Scripts {
    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().expect("no panic happens under this leaf lock")
    }

    /// The script of this name.
    pub fn get(&self, sha: &Sha) -> Option<Arc<Script>> {
        self.lock().scripts.get(sha).cloned()
    }

    /// Keeps a script; one that is known already stays. `is_eval`: others may push it out.
    pub fn add(&self, script: Script, is_eval: bool) -> Arc<Script> {
        let known = &mut *self.lock();
        let sha = script.sha;
        if let Some(old) = known.scripts.get(&sha) {
            if !is_eval {
                known.evals.retain(|eval| *eval != sha);
            }
            return old.clone();
        }
        let script = Arc::new(script);
        known.bytes += script.text.len();
        known.scripts.insert(sha, script.clone());
        if is_eval {
            known.evals.push_back(sha);
            if known.evals.len() > EVALS_KEPT
                && let Some(oldest) = known.evals.pop_front().and_then(|oldest| known.scripts.remove(&oldest))
            {
                known.bytes -= oldest.text.len();
                oldest.is_alive.store(false, Ordering::Relaxed);
            }
        }
        script
    }

    /// SCRIPT FLUSH
    pub fn flush(&self) {
        let known = std::mem::take(&mut *self.lock());
        known.scripts.values().for_each(|script| script.is_alive.store(false, Ordering::Relaxed));
    }

    /// How many there are, and the bytes of their texts.
    pub fn size(&self) -> (usize, usize) {
        let known = self.lock();
        (known.scripts.len(), known.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::sha::sha1_hex;

    fn add(scripts: &Scripts, number: u32, is_eval: bool) -> Arc<Script> {
        let text = format!("return {number}");
        scripts.add(Script::new(sha1_hex(text.as_bytes()), text.as_bytes(), 0), is_eval)
    }

    #[test]
    fn scripts_of_eval_are_bounded_and_loaded_ones_stay() {
        let scripts = Scripts::default();
        let loaded = add(&scripts, 0, false);
        let first = add(&scripts, 1, true);
        let second = add(&scripts, 2, true);
        add(&scripts, 2, false);
        for number in 3..3 + EVALS_KEPT as u32 {
            add(&scripts, number, true);
        }
        assert!(loaded.is_alive() && second.is_alive() && !first.is_alive());
        assert_eq!(scripts.size().0, EVALS_KEPT + 2);
        scripts.flush();
        assert!(!loaded.is_alive());
        assert_eq!(scripts.size(), (0, 0));
    }
}
