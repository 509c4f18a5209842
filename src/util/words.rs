//! Words on a line, with quotes: how configuration files, inline commands and `redis-cli` write arguments, and the
//! quoting that CONFIG REWRITE, MONITOR and SLOWLOG show them with.
//!
//! What [`quote`] writes, [`split`] reads back as the same bytes.

use super::number::is_c_space;

/// Splits a line into words, or returns `None` if a quote is not closed or is followed by anything but a space.
///
/// * Words are separated by spaces. The line ends at its end or at the first NUL byte.
/// * In double quotes `\n`, `\r`, `\t`, `\b`, `\a` and `\xhh` are single bytes, and `\` before any other byte is that
///   byte. In single quotes only `\'` is special. A quote may open inside a word; closing it ends the word.
/// * An empty line has no words, a pair of quotes is an empty word.
///
/// The words together are never longer than the line.
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let end = line.iter().position(|&byte| byte == 0).unwrap_or(line.len());
    let mut line = &line[..end];
    let mut words = Vec::new();
    loop {
        let start = line.iter().position(|&byte| !is_c_space(byte));
        let Some(start) = start else { return Some(words) };
        let mut word = Vec::new();
        line = take_word(&line[start..], &mut word)?;
        words.push(word);
    }
}

/// `bytes` in double quotes: printable ASCII as it is, other bytes escaped as [`split`] reads them.
pub fn quote(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 2);
    text.push('"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => text.extend(['\\', char::from(byte)]),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            b'\x07' => text.push_str("\\a"),
            b'\x08' => text.push_str("\\b"),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text.push('"');
    text
}

/// Takes one word off a line that begins with it, and returns what follows.
fn take_word<'a>(mut line: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match line {
            [] => return Some(line),
            // A vertical tab or a form feed separates words, but does not end one. Redis has it so.
            [b' ' | b'\n' | b'\r' | b'\t', ..] => return Some(line),
            [b'"', quoted @ ..] => return take_double_quoted(quoted, word),
            [b'\'', quoted @ ..] => return take_single_quoted(quoted, word),
            [byte, rest @ ..] => {
                word.push(*byte);
                line = rest;
            }
        }
    }
}

fn take_double_quoted<'a>(mut line: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, rest) = match line {
            [] => return None,
            [b'"', rest @ ..] => return after_quote(rest),
            [b'\\', b'x', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex_value(*high) << 4 | hex_value(*low), rest)
            }
            [b'\\', escaped, rest @ ..] => (unescape(*escaped), rest),
            [byte, rest @ ..] => (*byte, rest),
        };
        word.push(byte);
        line = rest;
    }
}

fn take_single_quoted<'a>(mut line: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, rest) = match line {
            [] => return None,
            [b'\'', rest @ ..] => return after_quote(rest),
            [b'\\', b'\'', rest @ ..] => (b'\'', rest),
            [byte, rest @ ..] => (*byte, rest),
        };
        word.push(byte);
        line = rest;
    }
}

/// What follows a closing quote, which must be a space or the end of the line.
fn after_quote(rest: &[u8]) -> Option<&[u8]> {
    rest.first().is_none_or(|&byte| is_c_space(byte)).then_some(rest)
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => b'\x08',
        b'a' => b'\x07',
        other => other,
    }
}

/// The value of a hexadecimal digit.
fn hex_value(digit: u8) -> u8 {
    char::from(digit).to_digit(16).map_or(0, |value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &[u8]) -> Option<Vec<String>> {
        let words = split(line)?;
        Some(words.into_iter().map(|word| word.escape_ascii().to_string()).collect())
    }

    #[test]
    fn words_are_separated_by_spaces_of_any_kind() {
        assert_eq!(words(b" set \t key\r\nvalue ").unwrap(), ["set", "key", "value"]);
        assert_eq!(words(b"\x0b\x0cping").unwrap(), ["ping"]);
        assert_eq!(words(b"a\x0bb").unwrap(), [r"a\x0bb"]);
        assert!(words(b"").unwrap().is_empty());
        assert!(words(b" \n").unwrap().is_empty());
        assert_eq!(words(b"a b\0 c").unwrap(), ["a", "b"]);
    }

    #[test]
    fn double_quotes_have_escapes() {
        assert_eq!(split(br#""a\n\r\t\b\a\\\"\q\x41\xfg""#).unwrap(), [b"a\n\r\t\x08\x07\\\"qAxfg"]);
        assert_eq!(split(br#""" x """#).unwrap(), [b"".as_slice(), b"x", b""]);
        assert_eq!(split(br#"save "a b""#).unwrap(), [b"save".as_slice(), b"a b"]);
    }

    #[test]
    fn single_quotes_escape_only_themselves() {
        assert_eq!(split(br"'it\'s \n \x41'").unwrap(), [br"it's \n \x41"]);
        assert_eq!(split(b"''").unwrap(), [b""]);
    }

    #[test]
    fn a_quote_may_open_inside_a_word() {
        assert_eq!(split(br#"foo"bar baz" q"#).unwrap(), [b"foobar baz".as_slice(), b"q"]);
    }

    #[test]
    fn unbalanced_quotes_are_refused() {
        let lines: [&[u8]; 8] =
            [b"\"", b"'", b"\"abc", b"'abc\\'", b"\"abc\\\"", b"\"a\"b", b"'a'b", b"x \"a\"'b'"];
        for line in lines {
            assert_eq!(split(line), None, "{}", line.escape_ascii());
        }
        // A quote at the end of what a NUL leaves of the line is not closed either.
        assert_eq!(split(b"\"a\0\""), None);
    }

    #[test]
    fn quoting_is_what_redis_shows() {
        let shown = quote(b"a \"b\" \\ \n\r\t\x07\x08\x00\x7f\xffz'~");
        assert_eq!(shown, r#""a \"b\" \\ \n\r\t\a\b\x00\x7f\xffz'~""#);
    }

    #[test]
    fn every_byte_survives_quoting_and_splitting() {
        let mut all: Vec<u8> = (0..=255).collect();
        all.extend(*b"\\x41\\\\x\"");
        let line = format!("{} {}", quote(&all), quote(b""));
        assert_eq!(split(line.as_bytes()).unwrap(), [all.as_slice(), b""]);
    }
}
