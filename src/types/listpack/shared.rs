//! A listpack that rests: its bytes without room, shared by all copies.
//!
//! The counters of the copies are not in one piece with the bytes: those of a full block of a stream fill one of the allocator's classes
//! nearly to the last byte.

use std::sync::Arc;

use super::{Element, Listpack, Memory, Position, View};

/// See the module's doc. Elements can be replaced, but none is added.
#[derive(Clone, Debug)]
pub struct Shared {
    bytes: Arc<Box<[u8]>>,
    /// How many: known without looking there.
    len: u32,
}

impl Shared {
    /// Its elements.
    #[inline]
    pub fn view(&self) -> View<'_> {
        View { bytes: &self.bytes }
    }

    /// How many bytes it has, known without looking there.
    pub fn size_bytes(&self) -> usize {
        self.len as usize
    }

    /// Bytes of heap memory, known without looking there.
    pub fn memory_bytes(&self) -> usize {
        2 * size_of::<usize>() + size_of::<Box<[u8]>>() + self.size_bytes()
    }

    /// A copy that can grow.
    pub fn to_listpack(&self) -> Listpack {
        Listpack { memory: Memory::of(self.bytes.to_vec()) }
    }

    /// Replaces the element at `position`, which still holds. It is done in place if both have the same length and no copy shares
    /// the bytes.
    pub fn replace(&mut self, position: Position, element: Element<'_>) {
        if element.encoded_len() == position.end_in(&self.bytes) - position.at() {
            let bytes: &mut Box<[u8]> = Arc::make_mut(&mut self.bytes);
            element.encode(bytes, position.at());
        } else {
            let mut listpack = self.to_listpack();
            listpack.replace(position, element);
            *self = Self::from(&listpack);
        }
    }
}

impl From<&Listpack> for Shared {
    fn from(listpack: &Listpack) -> Self {
        let bytes = listpack.as_bytes();
        Self { bytes: Arc::new(bytes.into()), len: bytes.len() as u32 }
    }
}
