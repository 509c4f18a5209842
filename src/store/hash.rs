//! The hash of a key: XXH3, 64 bits, under a secret of the dataset.
//!
//! Everything is ordered by this hash: shards, buckets, runs on disk and SCAN's cursor, so it must never change
//! within a dataset; the secret is kept in its manifest.
//!
//! * The whole 192-byte secret is mixed into keys of every length, with seed 0. The variant with a seed *and* a
//!   secret uses the published default secret for keys up to 240 bytes, so a client would only face 64 unknown bits
//!   there; the secret alone costs the same time.
//! * Nothing here draws random bytes: the caller brings the secret.

use twox_hash::XxHash3_64;

/// Bytes of the secret.
pub const SECRET_LEN: usize = 192;

/// Hashes keys under one dataset's secret.
#[derive(Clone)]
pub struct KeyHasher {
    secret: [u8; SECRET_LEN],
    /// Bits of the hash that tests leave, to make keys collide.
    #[cfg(test)]
    mask: u64,
}

impl KeyHasher {
    /// A hasher for the dataset that owns `secret`. The bytes must be random and secret: they keep clients from
    /// choosing keys that collide.
    pub const fn new(secret: [u8; SECRET_LEN]) -> Self {
        Self {
            secret,
            #[cfg(test)]
            mask: u64::MAX,
        }
    }

    /// A hasher whose hashes have no bits but those of `mask`.
    #[cfg(test)]
    pub(super) fn masked(mask: u64) -> Self {
        Self { secret: [9; SECRET_LEN], mask }
    }

    /// The seed for the hashes of members and fields inside values.
    pub fn member_seed(&self) -> u64 {
        self.hash_of(b"members of values")
    }

    /// The hash of `key`.
    #[inline]
    pub fn hash_of(&self, key: &[u8]) -> u64 {
        let hash = XxHash3_64::oneshot_with_secret(&self.secret, key);
        let hash = hash.expect("a secret of 192 bytes is long enough for XXH3");
        #[cfg(test)]
        let hash = hash & self.mask;
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_decides_the_hash_at_every_length() {
        let (a, b) = (KeyHasher::new([1; SECRET_LEN]), KeyHasher::new(std::array::from_fn(|i| i as u8)));
        let key = [b'k'; 300];
        for len in [0, 1, 3, 4, 8, 9, 16, 17, 128, 129, 240, 241, 300] {
            assert_eq!(a.hash_of(&key[..len]), a.hash_of(&key[..len]));
            assert_ne!(a.hash_of(&key[..len]), b.hash_of(&key[..len]), "length {len}");
        }
    }
}
