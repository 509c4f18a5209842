//! The index of a tree: which leaf a member is in.
//!
//! * An entry is one word: 32 bits of the member's hash above the 32 bits of the leaf's number. Neither the member nor its
//!   score is repeated. Words are kept in order, in chunks below a [`Spine`]: no growth rehashes anything.
//! * Members may share a word; each has its own copy of it.
//! * The order is that of the hash, so a position in it is a cursor that stays good whatever is added or removed.

use std::sync::Arc;

use twox_hash::XxHash3_64;

use crate::types::spine::{Place, Spine};
use crate::types::tight;

/// The most words of a chunk.
const CHUNK_MAX: usize = 256;

/// Bytes of a chunk besides its words: the vector and the reference counts.
const CHUNK_OVERHEAD: usize = size_of::<Vec<u64>>() + 2 * size_of::<usize>();

/// See the module's doc.
#[derive(Clone, Debug)]
pub(super) struct Index {
    seed: u64,
    spine: Spine<Arc<Chunk>, u64>,
    /// What the chunks take.
    bytes: usize,
}

/// Words in order.
#[derive(Debug)]
struct Chunk(Vec<u64>);

impl Clone for Chunk {
    fn clone(&self) -> Self {
        Chunk(tight::clone(&self.0))
    }
}

impl Index {
    /// Without entries. The seed must be secret, so that clients can't choose members that collide.
    pub(super) fn new(seed: u64) -> Self {
        Index { seed, spine: Spine::new(Arc::new(Chunk(Vec::new())), 0, 0), bytes: CHUNK_OVERHEAD }
    }

    /// The high 32 bits of a member's hash.
    pub(super) fn hash(&self, member: &[u8]) -> u32 {
        (XxHash3_64::oneshot_with_seed(self.seed, member) >> 32) as u32
    }

    /// The leaves that members of this hash are in.
    pub(super) fn leaves_of(&self, hash: u32) -> impl Iterator<Item = u32> {
        self.words_from(word(hash, 0)).take_while(move |word| hash_of(*word) == hash).map(leaf_of)
    }

    /// The entries from a hash on: (hash, leaf). Equal ones come once.
    pub(super) fn entries_from(&self, hash: u32) -> impl Iterator<Item = (u32, u32)> {
        let mut last = None;
        let words = self.words_from(word(hash, 0)).filter(move |word| last.replace(*word) != Some(*word));
        words.map(|word| (hash_of(word), leaf_of(word)))
    }

    pub(super) fn insert(&mut self, hash: u32, leaf: u32) {
        let word = word(hash, leaf);
        let place = self.place(word);
        let chunk = &self.spine.handle(&place).0;
        let at = position(chunk, word);
        if chunk.len() < CHUNK_MAX {
            return self.insert_at(&place, at, word);
        }
        let middle = CHUNK_MAX / 2;
        let chunk = &mut Arc::make_mut(self.spine.edit(&place, -(middle as isize))).0;
        self.bytes -= memory(chunk);
        let right = chunk.split_off(middle);
        tight::release(chunk);
        self.bytes += memory(chunk) + memory(&right);
        let (bound, count) = (right[0], right.len());
        self.spine.insert_after(&place, bound, Arc::new(Chunk(right)), count);
        let place = self.place(word);
        let at = position(&self.spine.handle(&place).0, word);
        self.insert_at(&place, at, word);
    }

    /// Removes an entry, which must be there.
    pub(super) fn remove(&mut self, hash: u32, leaf: u32) {
        let word = word(hash, leaf);
        let (place, at) = self.find(word);
        let chunk = &mut Arc::make_mut(self.spine.edit(&place, -1)).0;
        self.bytes -= memory(chunk);
        chunk.remove(at);
        tight::release(chunk);
        self.bytes += memory(chunk);
        if chunk.len() < CHUNK_MAX / 4 {
            self.join(&place);
        }
    }

    /// Changes the leaf of an entry, which must be there.
    pub(super) fn relocate(&mut self, hash: u32, from: u32, to: u32) {
        let (old, new) = (word(hash, from), word(hash, to));
        let (place, at) = self.find(old);
        let chunk = &self.spine.handle(&place).0;
        // Almost always no other entry has this hash, and the order stays as it is.
        let stays = at > 0 && chunk[at - 1] < new && chunk.get(at + 1).is_some_and(|&next| new < next);
        if stays {
            Arc::make_mut(self.spine.edit(&place, 0)).0[at] = new;
        } else {
            self.remove(hash, from);
            self.insert(hash, to);
        }
    }

    /// Bytes allocated.
    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes + self.spine.memory_bytes()
    }

    /// The chunk in which a word is, or belongs.
    fn place(&self, word: u64) -> Place {
        self.spine.find_by(|&bound| bound <= word)
    }

    /// Where the first copy of a word is, which must be there.
    fn find(&self, word: u64) -> (Place, usize) {
        let mut words = self.words_from(word);
        assert!(words.next() == Some(word), "every member has its entry");
        (words.place, words.at - 1)
    }

    fn insert_at(&mut self, place: &Place, at: usize, word: u64) {
        let chunk = &mut Arc::make_mut(self.spine.edit(place, 1)).0;
        self.bytes -= memory(chunk);
        tight::insert(chunk, at, word, CHUNK_MAX);
        self.bytes += memory(chunk);
    }

    /// Joins a chunk with a neighbour, if both fit well into one.
    fn join(&mut self, place: &Place) {
        let (left, right) = match (self.spine.previous(place), self.spine.next(place)) {
            (Some(left), _) => (left, *place),
            (None, Some(right)) => (*place, right),
            (None, None) => return,
        };
        let count = self.spine.handle(&right).0.len();
        if self.spine.handle(&left).0.len() + count > CHUNK_MAX * 3 / 4 {
            return;
        }
        let words = Arc::clone(self.spine.handle(&right));
        let chunk = &mut Arc::make_mut(self.spine.edit(&left, count as isize)).0;
        self.bytes -= memory(chunk) + memory(&words.0);
        tight::reserve(chunk, count);
        chunk.extend_from_slice(&words.0);
        self.bytes += memory(chunk);
        self.spine.remove(&right);
    }

    /// The words from the first that is not less than `word`.
    fn words_from(&self, word: u64) -> Words<'_> {
        // Copies of a word may end the chunk before the one that a copy begins.
        let place = self.spine.find_by(|&bound| bound < word);
        let chunk = &self.spine.handle(&place).0;
        Words { index: self, place, chunk, at: position(chunk, word) }
    }
}

/// Words in order, from somewhere on.
struct Words<'a> {
    index: &'a Index,
    place: Place,
    chunk: &'a [u64],
    at: usize,
}

impl Iterator for Words<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        while self.at == self.chunk.len() {
            self.place = self.index.spine.next(&self.place)?;
            self.chunk = &self.index.spine.handle(&self.place).0;
            self.at = 0;
        }
        self.at += 1;
        Some(self.chunk[self.at - 1])
    }
}

fn word(hash: u32, leaf: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(leaf)
}

fn hash_of(word: u64) -> u32 {
    (word >> 32) as u32
}

fn leaf_of(word: u64) -> u32 {
    word as u32
}

fn memory(chunk: &Vec<u64>) -> usize {
    CHUNK_OVERHEAD + chunk.capacity() * size_of::<u64>()
}

/// How many words of a chunk are less than `word`.
///
/// Hashes are spread evenly, so the place is guessed and then stepped to: that reads fewer cache lines than halving does.
fn position(chunk: &[u64], word: u64) -> usize {
    let (Some(&first), Some(&last)) = (chunk.first(), chunk.last()) else { return 0 };
    if word > last {
        return chunk.len();
    }
    let (low, high) = (u64::from(hash_of(first)), u64::from(hash_of(last)));
    let above = u64::from(hash_of(word)).saturating_sub(low);
    let mut at = (above * (chunk.len() as u64 - 1) / (high - low).max(1)) as usize;
    while at > 0 && chunk[at - 1] >= word {
        at -= 1;
    }
    while chunk[at] < word {
        at += 1;
    }
    at
}
