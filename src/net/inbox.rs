//! Received bytes that are half a command: a buffer that grows once for a big argument and is filled in place.
//!
//! The bytes behind `filled` are initialised but meaningless, so that reading into them needs no clearing each time.

/// The largest room that is made at once for an argument that has only been announced: a client may announce more than it
/// will ever send.
const ANNOUNCED_MAX: usize = 1024 * 1024;
/// The least room worth a system call.
const ROOM_MIN: usize = 16 * 1024;
/// An empty buffer larger than this is given back.
const KEEP: usize = 16 * 1024;

/// The buffer.
#[derive(Default)]
pub struct Inbox {
    buffer: Vec<u8>,
    filled: usize,
}

impl Inbox {
    /// The received bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.filled
    }

    /// Is there nothing?
    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Appends bytes.
    pub fn extend(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.buffer.truncate(self.filled);
        self.buffer.extend_from_slice(bytes);
        self.filled = self.buffer.len();
    }

    /// Room to read into behind the received bytes, when `missing` more are expected. What has already arrived of a big
    /// argument earns as much room again.
    pub fn room(&mut self, missing: usize) -> &mut [u8] {
        let wanted = missing.min(self.filled.max(ANNOUNCED_MAX)).max(ROOM_MIN);
        if self.buffer.len() < self.filled + wanted {
            self.buffer.resize(self.filled + wanted, 0);
        }
        &mut self.buffer[self.filled..]
    }

    /// Says that `count` bytes of the room were filled.
    pub fn filled(&mut self, count: usize) {
        self.filled += count;
    }

    /// Drops bytes from the front.
    pub fn consume(&mut self, count: usize) {
        self.buffer.copy_within(count..self.filled, 0);
        self.filled -= count;
        if self.filled == 0 && self.buffer.capacity() > KEEP {
            self.buffer = Vec::new();
        }
    }

    /// Bytes that it could take without growing.
    pub fn free(&self) -> usize {
        self.buffer.capacity() - self.filled
    }

    /// Heap bytes.
    pub fn memory(&self) -> usize {
        self.buffer.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_in_pieces_comes_out_whole() {
        let mut inbox = Inbox::default();
        inbox.extend(b"hel");
        inbox.room(4)[..4].copy_from_slice(b"lo w");
        inbox.filled(4);
        inbox.extend(b"orld");
        assert_eq!(inbox.bytes(), b"hello world");
        inbox.consume(6);
        assert_eq!(inbox.bytes(), b"world");
    }

    #[test]
    fn an_announcement_alone_buys_little_room() {
        let mut inbox = Inbox::default();
        inbox.extend(b"$500000000\r\n");
        assert!(inbox.room(500_000_000).len() <= ANNOUNCED_MAX);
    }

    #[test]
    fn a_big_buffer_is_given_back_when_it_is_empty() {
        let mut inbox = Inbox::default();
        inbox.extend(&vec![0; 100_000]);
        inbox.consume(100_000);
        assert_eq!(inbox.memory(), 0);
    }
}
