//! Function libraries, shared by all threads. What a thread has loaded of them is its interpreter's.
//!
//! * The libraries of a moment are one immutable [`Catalog`]; a change puts another in its place.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// A function of a library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name, unique among all libraries in whatever case.
    pub name: Vec<u8>,
    /// What it says of itself.
    pub description: Option<Vec<u8>>,
    /// [`flags`](super::flags)
    pub flags: u32,
}

/// A library.
#[derive(Debug)]
pub struct Library {
    /// Never used again for another.
    pub id: u64,
    /// Its name.
    pub name: Vec<u8>,
    /// Its text with the first line.
    pub code: Vec<u8>,
    /// Its functions, in the order of their names.
    pub functions: Vec<Function>,
    takes_all: Box<[AtomicBool]>,
}

impl Library {
    /// Has the function of this number been seen to use keys that it was not given?
    #[inline]
    pub fn takes_all(&self, function: usize) -> bool {
        self.takes_all.get(function).is_some_and(|takes| takes.load(Ordering::Relaxed))
    }

    /// The function uses keys that it is not given.
    pub fn set_takes_all(&self, function: usize) {
        self.takes_all.get(function).inspect(|takes| takes.store(true, Ordering::Relaxed));
    }
}

/// All libraries at one moment.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// By name.
    pub libraries: BTreeMap<Vec<u8>, Arc<Library>>,
    /// The library of each function, and which of its functions it is; by the name in lower case.
    functions: HashMap<Vec<u8>, (Arc<Library>, usize)>,
}

impl Catalog {
    /// The library of a function, whose name may be in any case, and which of its functions it is.
    pub fn function(&self, name: &[u8]) -> Option<&(Arc<Library>, usize)> {
        self.functions.get(name).or_else(|| self.functions.get(&name.to_ascii_lowercase()))
    }

    /// How many functions there are.
    pub fn functions(&self) -> usize {
        self.functions.len()
    }

    /// Adds a library. The error is what the client gets.
    pub fn add(&mut self, library: Arc<Library>, replaces: bool) -> Result<(), Vec<u8>> {
        if !replaces && self.libraries.contains_key(&library.name) {
            return Err([b"Library '", &library.name[..], b"' already exists"].concat());
        }
        for function in &library.functions {
            if self.function(&function.name).is_some_and(|(other, _)| other.name != library.name) {
                return Err([b"Function ", &function.name[..], b" already exists"].concat());
            }
        }
        self.remove(&library.name.clone());
        for (at, function) in library.functions.iter().enumerate() {
            self.functions.insert(function.name.to_ascii_lowercase(), (library.clone(), at));
        }
        self.libraries.insert(library.name.clone(), library);
        Ok(())
    }

    /// Takes a library out. False: there is none.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let Some(old) = self.libraries.remove(name) else { return false };
        for function in &old.functions {
            self.functions.remove(&function.name.to_ascii_lowercase());
        }
        true
    }
}

/// The libraries of the server.
#[derive(Default)]
pub struct Libraries {
    catalog: Mutex<Arc<Catalog>>,
    /// Counts catalogs, so that threads see whether theirs is the current one.
    generation: AtomicU64,
    next_id: AtomicU64,
}

impl Libraries {
    /// The libraries of this moment.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.lock().expect("no panic happens under this leaf lock").clone()
    }

    /// Which catalog is the current one.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Puts another catalog in the place of the current one.
    pub fn replace(&self, catalog: Catalog) {
        *self.catalog.lock().expect("no panic happens under this leaf lock") = Arc::new(catalog);
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// A library of functions that its code has registered.
    pub fn make(&self, name: Vec<u8>, code: Vec<u8>, mut functions: Vec<Function>) -> Arc<Library> {
        functions.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let takes_all = functions.iter().map(|_| AtomicBool::new(false)).collect();
        Arc::new(Library { id, name, code, functions, takes_all })
    }
}

/// May a library or function be called so?
pub fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(libraries: &Libraries, name: &str, functions: &[&str]) -> Arc<Library> {
        let function = |name: &&str| Function { name: name.as_bytes().to_vec(), description: None, flags: 0 };
        libraries.make(name.into(), b"code".to_vec(), functions.iter().map(function).collect())
    }

    #[test]
    fn a_function_has_one_library_and_goes_with_it() {
        let libraries = Libraries::default();
        let mut catalog = Catalog::default();
        catalog.add(library(&libraries, "a", &["f", "e"]), false).unwrap();
        assert_eq!(catalog.function(b"e").unwrap().0.name, b"a");
        assert_eq!(catalog.function(b"E").unwrap().1, 0, "functions are in the order of their names");
        let again = catalog.add(library(&libraries, "a", &["g"]), false);
        assert_eq!(again, Err(b"Library 'a' already exists".to_vec()));
        let other = catalog.add(library(&libraries, "b", &["f"]), false);
        assert_eq!(other, Err(b"Function f already exists".to_vec()));
        let other = catalog.add(library(&libraries, "b", &["F"]), false);
        assert_eq!(other, Err(b"Function F already exists".to_vec()));
        catalog.add(library(&libraries, "a", &["g"]), true).unwrap();
        assert!(catalog.function(b"f").is_none() && catalog.function(b"g").is_some());
        assert!(catalog.remove(b"a") && !catalog.remove(b"a"));
        assert_eq!(catalog.functions(), 0);
    }
}
