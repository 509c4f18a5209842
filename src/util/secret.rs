//! Comparing secrets.

use std::hint::black_box;

/// Is `given` the secret? How long it takes depends on the length of `given` alone, so that it tells nothing about how
/// much of a guess is right.
pub fn matches(given: &[u8], secret: &[u8]) -> bool {
    let mut difference = u8::from(given.len() != secret.len());
    for (index, byte) in given.iter().enumerate() {
        let expected = secret.get(index % secret.len().max(1)).copied().unwrap_or_default();
        // Hidden from the optimiser, which could otherwise leave the loop at the first difference.
        difference = black_box(difference | byte ^ expected);
    }
    difference == 0
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn only_the_secret_itself_matches() {
        assert!(matches(b"foobar", b"foobar"));
        for wrong in [&b"foobaR"[..], b"Foobar", b"fooba", b"foobarf", b"foobarfoobar", b""] {
            assert!(!matches(wrong, b"foobar"), "{}", wrong.escape_ascii());
        }
        assert!(matches(b"", b""));
        assert!(!matches(b"\0", b""));
    }
}
