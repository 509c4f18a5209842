//! Inline commands: one line of words, as a person types them into a socket.
//!
//! The quoting rules are those of Redis's `sdssplitargs`:
//! * words are separated by blanks: space, tab, CR, LF, and before a word (where they end none) also VT and FF;
//! * `"…"` knows `\n \r \t \b \a`, `\xHH`, and `\` before any other byte, which is that byte;
//! * `'…'` knows only `\'`;
//! * a quote may open inside a word, but behind the closing one there must be white space or the end.
//!
//! Unlike multibulk arguments these need bytes of their own, because unescaped text differs from what was received.

use super::{ProtocolError, Span};

/// Splits `line` into words. Their unescaped bytes are appended to `text` (never more than the line has, and
/// `u32::MAX` in all), their places in `text` to `spans`.
pub fn split_arguments(line: &[u8], text: &mut Vec<u8>, spans: &mut Vec<Span>) -> Result<(), ProtocolError> {
    let mut rest = skip_white_space(line);
    while !rest.is_empty() {
        let start = text.len();
        rest = skip_white_space(word(rest, text)?);
        spans.push(Span::new(start, text.len()));
    }
    Ok(())
}

/// Reads one word and returns what is behind it.
fn word<'a>(mut rest: &'a [u8], text: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        match rest {
            [] | [b' ' | b'\t' | b'\r' | b'\n', ..] => return Ok(rest),
            [b'"', quoted @ ..] => return closed(double_quoted(quoted, text)?),
            [b'\'', quoted @ ..] => return closed(single_quoted(quoted, text)?),
            [byte, tail @ ..] => {
                text.push(*byte);
                rest = tail;
            }
        }
    }
}

/// Reads up to the closing `"` and returns what is behind it.
fn double_quoted<'a>(mut rest: &'a [u8], text: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        let (byte, tail) = match rest {
            [] => return Err(ProtocolError::UnbalancedQuotes),
            [b'"', tail @ ..] => return Ok(tail),
            [b'\\', b'x', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex_value(*high) << 4 | hex_value(*low), tail)
            }
            [b'\\', escaped, tail @ ..] => (unescape(*escaped), tail),
            [byte, tail @ ..] => (*byte, tail),
        };
        text.push(byte);
        rest = tail;
    }
}

/// Reads up to the closing `'` and returns what is behind it.
fn single_quoted<'a>(mut rest: &'a [u8], text: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        let (byte, tail) = match rest {
            [] => return Err(ProtocolError::UnbalancedQuotes),
            [b'\'', tail @ ..] => return Ok(tail),
            [b'\\', b'\'', tail @ ..] => (b'\'', tail),
            [byte, tail @ ..] => (*byte, tail),
        };
        text.push(byte);
        rest = tail;
    }
}

/// Checks what is behind a closing quote.
fn closed(rest: &[u8]) -> Result<&[u8], ProtocolError> {
    match rest.first() {
        Some(&byte) if !is_white_space(byte) => Err(ProtocolError::UnbalancedQuotes),
        _ => Ok(rest),
    }
}

fn unescape(escaped: u8) -> u8 {
    match escaped {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// C's `isspace` in the "C" locale.
fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn skip_white_space(line: &[u8]) -> &[u8] {
    let blanks = line.iter().take_while(|&&byte| is_white_space(byte)).count();
    &line[blanks..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &[u8]) -> Result<Vec<Vec<u8>>, ProtocolError> {
        let (mut text, mut spans) = (Vec::new(), Vec::new());
        split_arguments(line, &mut text, &mut spans)?;
        assert!(text.len() <= line.len());
        Ok(spans.iter().map(|span| text[span.start as usize..span.end as usize].to_vec()).collect())
    }

    #[test]
    fn words_are_split_and_unescaped_as_redis_does() {
        let cases: &[(&[u8], &[&[u8]])] = &[
            (b"", &[]),
            (b" \t\x0b\x0c ", &[]),
            (b"set key value", &[b"set", b"key", b"value"]),
            (b"  a\t b  ", &[b"a", b"b"]),
            (b"a\x0bb \x0bc", &[b"a\x0bb", b"c"]),
            (b"\"\" ''", &[b"", b""]),
            (br#""a b" 'c d'"#, &[b"a b", b"c d"]),
            (br#"ab"c d""#, &[b"abc d"]),
            (br#"a'b'"#, &[b"ab"]),
            (br#""\n\r\t\b\a\q\"\\""#, &[b"\n\r\t\x08\x07q\"\\"]),
            (br#""\x00\xfF\x4a""#, &[b"\x00\xffJ"]),
            (br#""\xg1\x1""#, &[b"xg1x1"]),
            (br"'\n\'\x41'", &[br"\n'\x41"]),
            (br"a\nb", &[br"a\nb"]),
            (b"\xff\xfe", &[b"\xff\xfe"]),
        ];
        for (line, words) in cases {
            assert_eq!(split(line).unwrap(), *words, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn open_quotes_and_text_behind_a_closing_quote_are_errors() {
        for line in [
            r#"""#, "'", r#""a"#, "'a", r#""a"b"#, "'a'b", r#"a"b"c"#, r#""a\"#, r#""a\""#, r"'a\'", r#"""""#,
        ] {
            assert_eq!(split(line.as_bytes()), Err(ProtocolError::UnbalancedQuotes), "{line}");
        }
    }
}
