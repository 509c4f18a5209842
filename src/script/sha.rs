//! Names of scripts.

use sha1::{Digest, Sha1};

/// Bytes of a script's name.
pub const LENGTH: usize = 40;

/// A script's name: 40 hexadecimal digits.
pub type Sha = [u8; LENGTH];

/// The SHA-1 of `bytes` as 40 lower-case hexadecimal digits.
pub fn sha1_hex(bytes: &[u8]) -> Sha {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha1::digest(bytes);
    std::array::from_fn(|at| {
        let byte = digest[at / 2];
        DIGITS[usize::from(if at % 2 == 0 { byte >> 4 } else { byte & 15 })]
    })
}

/// A name that a client sent, in lower case; `None`: it is none.
pub fn parse(name: &[u8]) -> Option<Sha> {
    let sha: Sha = name.try_into().ok()?;
    Some(sha.map(|byte| byte.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_sha_1() {
        assert_eq!(&sha1_hex(b"return 1"), b"e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
        assert_eq!(parse(b"E0E1F9FABFC9D4800C877A703B823AC0578FF8DB"), Some(sha1_hex(b"return 1")));
        assert_eq!(parse(b"e0"), None);
    }
}
