//! Merging sorted sources into one: of several entries of a key the newest source's counts.
//!
//! Invariants: what a merge yields ascends strictly; an entry that was dropped still hides the older ones of its key.
//!
//! The merge looks at every source for each entry: it is for the few dozen runs that a bounded version has, and for
//! those comparing one number each is quicker than keeping a heap. It never decides that a key has expired, and never
//! looks at a value: a source may have it somewhere else than in memory, see [`Merge::current`].

use crate::entry::{Entry, Head, NamespaceId, Position};
use crate::error::Error;

/// Entries in order, one at a time. After an error a source is of no further use.
pub trait Source {
    /// What is known of the entry it stands at, `None` at the end.
    fn head(&self) -> Option<Head<'_>>;
    /// Goes to the next entry.
    fn advance(&mut self) -> Result<(), Error>;
    /// Goes on to the first entry at or behind `to`; never back.
    fn seek(&mut self, to: Position) -> Result<(), Error>;
}

/// A source that has the values in memory.
pub trait Entries: Source {
    /// The entry it stands at, `None` at the end.
    fn entry(&self) -> Option<Entry<'_>>;
}

/// What a merge leaves out.
pub struct Retention<L> {
    /// Whether tombstones are kept. They may go only where nothing older is left for them to hide: at the last level.
    pub tombstones: bool,
    /// Whether a namespace is in use.
    pub is_live: L,
}

/// Everything is kept.
pub const KEEP_ALL: Retention<fn(NamespaceId) -> bool> = Retention { tombstones: true, is_live: |_| true };

/// Several sources as one.
pub struct Merge<S, L> {
    /// The newest first.
    sources: Vec<S>,
    retention: Retention<L>,
    /// Where each source stands; `None` at its end.
    heads: Vec<Option<Position>>,
    /// The source with the current entry, `None` at the end.
    current: Option<usize>,
}

impl<S: Source, L: Fn(NamespaceId) -> bool> Merge<S, L> {
    /// Merges `sources`, the newest first, from where they stand.
    pub fn new(sources: Vec<S>, retention: Retention<L>) -> Result<Self, Error> {
        let heads = sources.iter().map(position).collect();
        let mut merge = Self { sources, retention, heads, current: None };
        merge.settle()?;
        Ok(merge)
    }

    /// The source that has the entry the merge stands at, and stands there itself; `None` at the end. It is to stay there.
    pub fn current(&mut self) -> Option<&mut S> {
        self.current.map(|current| &mut self.sources[current])
    }

    /// Where the entry is that the merge stands at; `None` at the end.
    pub fn position(&self) -> Option<Position> {
        self.current.and_then(|current| self.heads[current])
    }

    /// Goes on to the next entry that is retained, from where the sources stand.
    fn settle(&mut self) -> Result<(), Error> {
        loop {
            self.current = None;
            let Some(least) = self.least() else { return Ok(()) };
            let head = self.sources[least].head().expect("a source that is not at its end has a head");
            let Position { namespace, .. } = head.position;
            if !(self.retention.is_live)(namespace) {
                self.skip_namespace(head.position)?;
            } else if head.content.is_tombstone() && !self.retention.tombstones {
                self.pass(least)?;
            } else {
                self.current = Some(least);
                return Ok(());
            }
        }
    }

    /// The source with the least entry; the newest of those that have it.
    fn least(&self) -> Option<usize> {
        let mut least: Option<(usize, Position)> = None;
        for (i, head) in self.heads.iter().enumerate() {
            let Some(head) = *head else { continue };
            let less = least.is_none_or(|(best, position)| {
                head < position || (head == position && self.key(i) < self.key(best))
            });
            if less {
                least = Some((i, head));
            }
        }
        least.map(|(i, _)| i)
    }

    /// Moves all sources beyond the entry of `least`, which is the least.
    fn pass(&mut self, least: usize) -> Result<(), Error> {
        // The others first: their entries are compared with this one.
        for i in (0..self.sources.len()).rev().filter(|&i| i != least) {
            if self.heads[i] == self.heads[least] && self.key(i) == self.key(least) {
                self.move_source(i, S::advance)?;
            }
        }
        self.move_source(least, S::advance)
    }

    fn skip_namespace(&mut self, position: Position) -> Result<(), Error> {
        for i in 0..self.sources.len() {
            match position.next_namespace() {
                Some(next) => self.move_source(i, |source| source.seek(next))?,
                None => self.heads[i] = None,
            }
        }
        Ok(())
    }

    fn move_source(&mut self, i: usize, how: impl FnOnce(&mut S) -> Result<(), Error>) -> Result<(), Error> {
        if self.heads[i].is_some() {
            how(&mut self.sources[i])?;
            self.heads[i] = position(&self.sources[i]);
        }
        Ok(())
    }

    fn key(&self, i: usize) -> Option<&[u8]> {
        self.sources[i].head().map(|head| head.key)
    }
}

impl<S: Entries, L: Fn(NamespaceId) -> bool> Entries for Merge<S, L> {
    fn entry(&self) -> Option<Entry<'_>> {
        self.current.and_then(|current| self.sources[current].entry())
    }
}

impl<S: Source, L: Fn(NamespaceId) -> bool> Source for Merge<S, L> {
    fn head(&self) -> Option<Head<'_>> {
        self.current.and_then(|current| self.sources[current].head())
    }

    fn advance(&mut self) -> Result<(), Error> {
        let Some(current) = self.current.take() else { return Ok(()) };
        self.pass(current)?;
        self.settle()
    }

    fn seek(&mut self, to: Position) -> Result<(), Error> {
        if self.current.take().is_none() {
            return Ok(());
        }
        for i in 0..self.sources.len() {
            self.move_source(i, |source| source.seek(to))?;
        }
        self.settle()
    }
}

fn position<S: Source>(source: &S) -> Option<Position> {
    source.head().map(|head| head.position)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Content;

    /// A key, and its value or a tombstone.
    type Row = (u32, u64, &'static str, Option<&'static str>);

    struct Rows {
        rows: Vec<Row>,
        at: usize,
        /// Fails when it moves on from this row.
        fails_at: Option<usize>,
    }

    impl Entries for Rows {
        fn entry(&self) -> Option<Entry<'_>> {
            let &(namespace, hash, key, value) = self.rows.get(self.at)?;
            let content = match value {
                Some(value) => Content::Value { bytes: value.as_bytes(), expiry_ms: None, due_ms: None },
                None => Content::Tombstone,
            };
            Some(Entry {
                position: Position { namespace: NamespaceId(namespace), hash },
                key: key.as_bytes(),
                content,
            })
        }
    }

    impl Source for Rows {
        fn head(&self) -> Option<Head<'_>> {
            self.entry().map(|entry| entry.head())
        }

        fn advance(&mut self) -> Result<(), Error> {
            if self.fails_at == Some(self.at) {
                return Err(Error::Closed);
            }
            self.at += 1;
            Ok(())
        }

        fn seek(&mut self, to: Position) -> Result<(), Error> {
            while self.entry().is_some_and(|entry| entry.position < to) {
                self.at += 1;
            }
            Ok(())
        }
    }

    fn rows(rows: &[Row]) -> Rows {
        Rows { rows: rows.to_vec(), at: 0, fails_at: None }
    }

    fn drain(mut source: impl Entries) -> Result<Vec<String>, Error> {
        let mut found = Vec::new();
        while let Some(entry) = source.entry() {
            let value = match entry.content {
                Content::Value { bytes, .. } => String::from_utf8_lossy(bytes).into_owned(),
                Content::Tombstone => "-".into(),
            };
            found.push(format!("{}{}={value}", entry.position.namespace, String::from_utf8_lossy(entry.key)));
            source.advance()?;
        }
        Ok(found)
    }

    /// The newest first. Keys b and c share a position.
    fn sources() -> Vec<Rows> {
        vec![
            rows(&[(1, 5, "b", None), (2, 1, "a", Some("new"))]),
            rows(&[(1, 5, "c", Some("c1")), (1, 9, "d", None), (u32::MAX, 1, "z", Some("z1"))]),
            rows(&[]),
            rows(&[
                (1, 5, "b", Some("b0")),
                (1, 5, "c", Some("c0")),
                (1, 9, "d", Some("d0")),
                (2, 1, "a", None),
            ]),
        ]
    }

    #[test]
    fn the_newest_source_decides() {
        let merged = drain(Merge::new(sources(), KEEP_ALL).unwrap()).unwrap();
        assert_eq!(merged, ["1b=-", "1c=c1", "1d=-", "2a=new", "4294967295z=z1"]);
    }

    #[test]
    fn a_dropped_tombstone_still_hides_what_is_older() {
        let retention = Retention { tombstones: false, is_live: |_| true };
        let merged = drain(Merge::new(sources(), retention).unwrap()).unwrap();
        assert_eq!(merged, ["1c=c1", "2a=new", "4294967295z=z1"]);
    }

    #[test]
    fn dead_namespaces_are_left_out() {
        for (dead, expected) in [
            (1, vec!["2a=new", "4294967295z=z1"]),
            (2, vec!["1b=-", "1c=c1", "1d=-", "4294967295z=z1"]),
            (u32::MAX, vec!["1b=-", "1c=c1", "1d=-", "2a=new"]),
        ] {
            let retention =
                Retention { tombstones: true, is_live: |namespace| namespace != NamespaceId(dead) };
            assert_eq!(drain(Merge::new(sources(), retention).unwrap()).unwrap(), expected);
        }
    }

    #[test]
    fn a_merge_can_be_merged_and_sought_in() {
        let mut older = sources();
        let newer = older.drain(..2).collect::<Vec<_>>();
        let merges = vec![Merge::new(newer, KEEP_ALL).unwrap(), Merge::new(older, KEEP_ALL).unwrap()];
        let mut merge = Merge::new(merges, KEEP_ALL).unwrap();
        merge.seek(Position { namespace: NamespaceId(1), hash: 6 }).unwrap();
        merge.seek(Position::MIN).unwrap();
        assert_eq!(drain(merge).unwrap(), ["1d=-", "2a=new", "4294967295z=z1"]);
    }

    #[test]
    fn nothing_older_shows_through_after_an_error() {
        let mut sources = sources();
        sources[0].fails_at = Some(0);
        let mut merge = Merge::new(sources, KEEP_ALL).unwrap();
        assert!(merge.advance().is_err());
        assert_eq!(merge.entry(), None);
        merge.advance().unwrap();
        assert_eq!(merge.entry(), None);
    }
}
