//! Splitting a line into words with shell-like quotes, and the reverse, as redis.conf and inline commands
//! have them.

/// Splits a line at white space. Double quotes take the escapes `\n \r \t \b \a \xHH` and `\` before any
/// other character; single quotes take `\'` only. `None` for an unbalanced quote, or one not followed by
/// white space.
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line.trim_ascii_start();
    while !rest.is_empty() {
        let (word, after) = next_word(rest)?;
        words.push(word);
        rest = after.trim_ascii_start();
    }
    Some(words)
}

/// Quotes a value so that [`split`] gives it back as one word.
pub fn quote(value: &[u8]) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for &byte in value {
        match byte {
            b'\\' | b'"' => text.extend(['\\', char::from(byte)]),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            0x07 => text.push_str("\\a"),
            0x08 => text.push_str("\\b"),
            0x20..=0x7e => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text.push('"');
    text
}

fn next_word(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' | b'\'' => {
                at = quoted(text, at + 1, byte, &mut word)?;
                let closed = text.get(at).is_none_or(u8::is_ascii_whitespace);
                return closed.then(|| (word, &text[at..]));
            }
            _ if byte.is_ascii_whitespace() => break,
            _ => word.push(byte),
        }
        at += 1;
    }
    Some((word, &text[at..]))
}

/// Reads up to the closing quote and returns the position after it.
fn quoted(text: &[u8], mut at: usize, mark: u8, word: &mut Vec<u8>) -> Option<usize> {
    loop {
        match *text.get(at..)? {
            [b'\\', b'x', high, low, ..] if mark == b'"' && hex(high).is_some() && hex(low).is_some() => {
                word.push(hex(high)? << 4 | hex(low)?);
                at += 4;
            }
            [b'\\', escaped, ..] if mark == b'"' => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => other,
                });
                at += 2;
            }
            [b'\\', b'\'', ..] if mark == b'\'' => {
                word.push(b'\'');
                at += 2;
            }
            [byte, ..] if byte == mark => return Some(at + 1),
            [byte, ..] => {
                word.push(byte);
                at += 1;
            }
            [] => return None,
        }
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_escapes_are_taken_off() {
        let words = split(b"  a \"b \\x41\\n\\\"\" 'it\\'s' \"\" ").unwrap();
        assert_eq!(words, [b"a".to_vec(), b"b A\n\"".to_vec(), b"it's".to_vec(), Vec::new()]);
        assert_eq!(split(b""), Some(Vec::new()));
    }

    #[test]
    fn unbalanced_quotes_are_refused() {
        for bad in ["\"a", "'a", "\"a\"b", "a\"b", "\"\\"] {
            assert_eq!(split(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn every_byte_survives_quoting() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(split(quote(&all).as_bytes()), Some(vec![all]));
    }
}
