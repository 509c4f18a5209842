//! Long words of a command, copied before it locks a shard: the keyspace keeps such a copy as a value and the log as a part of its
//! record, and under the lock none is made.
//!
//! * A word is told by its place in memory. Its request stays there as long as the command runs, so nothing else is there.
//! * A command that finds a shard busy, or waits for the disk, comes again with the same words: its copies are kept, and used again
//!   if they still are copies of what comes.

use std::sync::Arc;

/// Words over so many bytes are long.
const SHORT_BYTES: usize = 64 << 10;

/// The copies of one command's long words.
#[derive(Default)]
pub struct LongWords(Vec<Copied>);

struct Copied {
    /// Where the word itself is: its address.
    place: usize,
    bytes: Arc<Vec<u8>>,
}

impl LongWords {
    /// May there be long words among so many bytes?
    #[inline]
    pub fn may_be_in(bytes: usize) -> bool {
        bytes > SHORT_BYTES
    }

    /// Copies of these words, as far as they are long. Takes those made before, where they fit.
    #[cold]
    pub fn of<'v>(words: impl Iterator<Item = &'v [u8]>, before: Self) -> Self {
        let mut before = before.0.into_iter().map(|copied| copied.bytes);
        let copies = words.filter(|word| word.len() > SHORT_BYTES).map(|word| {
            let kept = before.next().filter(|bytes| bytes.as_slice() == word);
            Copied { place: word.as_ptr().addr(), bytes: kept.unwrap_or_else(|| Arc::new(word.to_vec())) }
        });
        LongWords(copies.collect())
    }

    /// The copy of a word that is long.
    #[inline]
    pub fn copy_of(&self, word: &[u8]) -> Option<&Arc<Vec<u8>>> {
        if word.len() > SHORT_BYTES { self.find(word) } else { None }
    }

    #[cold]
    fn find(&self, word: &[u8]) -> Option<&Arc<Vec<u8>>> {
        let is_of =
            |copied: &&Copied| copied.place == word.as_ptr().addr() && copied.bytes.len() == word.len();
        self.0.iter().find(is_of).map(|copied| &copied.bytes)
    }
}

#[cfg(test)]
mod tests {
    use storage::fs::os::Os;
    use storage::{Engine, Options};

    use super::*;
    use crate::store::db::Workspace;
    use crate::store::entry::NewValue;
    use crate::store::evict::AccessClock;
    use crate::store::hash::{KeyHasher, SECRET_LEN};
    use crate::store::{Db, DbIndex, Expiry, Keyspace, ShardSet, UnixMs, effect};
    use crate::util::allocations::counted;
    use crate::util::file::tests::Scratch;

    #[test]
    fn a_word_is_told_by_its_place_and_copied_once() {
        let words = [vec![b'a'; SHORT_BYTES + 1], vec![b'b'; SHORT_BYTES], vec![b'c'; 3 * SHORT_BYTES]];
        let of = |before| LongWords::of(words.iter().map(Vec::as_slice), before);
        let long = of(LongWords::default());
        assert_eq!(long.0.len(), 2);
        let first = long.copy_of(&words[0]).unwrap().clone();
        assert_eq!(*first, words[0]);
        assert!(long.copy_of(&words[1]).is_none(), "it is short");
        assert!(long.copy_of(&words[2][..2 * SHORT_BYTES]).is_none(), "no word is this");
        assert!(long.copy_of(&words[0].clone()).is_none(), "the same bytes elsewhere are another word");
        let again = of(long);
        assert!(Arc::ptr_eq(&first, again.copy_of(&words[0]).unwrap()));
        let other = vec![b'x'; SHORT_BYTES + 1];
        let changed = LongWords::of([&other[..]].into_iter(), again);
        assert_eq!(**changed.copy_of(&other).unwrap(), other);
    }

    #[test]
    fn a_value_with_its_record_is_neither_copied_nor_moved_under_the_lock() {
        let scratch = Scratch::new();
        let recover = || Engine::recover(Arc::new(Os), &scratch.0, Options::default()).unwrap();
        let (garbage, _) = crossbeam_channel::unbounded();
        let keyspace = Keyspace::new(1, KeyHasher::new([3; SECRET_LEN]), Box::new(|_| {}), garbage);
        keyspace.attach_log(recover().start(Box::new(|_| {})).unwrap());
        let words = [b"SET".to_vec(), b"key".to_vec(), (0..8 << 20).map(|n| n as u8).collect()];
        let mut workspace = Workspace::default();
        workspace.long = LongWords::of(words.iter().map(Vec::as_slice), LongWords::default());
        let clock = AccessClock::lru(UnixMs(1));
        let locked = keyspace.locks().lock_set(ShardSet::ALL);
        let mut db = Db::new(&keyspace, locked, DbIndex(0), UnixMs(1), &clock, &mut workspace);
        let key = db.key(&words[1]);
        let ((), work) = counted(|| {
            db.set(&key, None, NewValue::Bytes(&words[2], false), Expiry::Clear);
            db.commit(words.iter().map(Vec::as_slice), DbIndex(0));
        });
        println!("{work:?}");
        assert!(work.bytes <= SHORT_BYTES, "{work:?}");
        drop(db);
        drop(workspace);
        keyspace.log().unwrap().close().unwrap();
        drop(keyspace);

        let mut records = 0;
        let replayed = recover().replay(|record| {
            let (mut at, mut spans) = (0, Vec::new());
            effect::take(record.payload, &mut at, &mut spans).unwrap();
            let found = spans.iter().map(|&(from, to)| &record.payload[from as usize..to as usize]);
            assert!(found.eq(words.iter()));
            records += 1;
            Ok::<(), storage::Error>(())
        });
        assert_eq!((replayed.unwrap().last.0, records), (1, 1));
    }
}
