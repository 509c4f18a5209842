//! Glob patterns as Redis matches them: `*`, `?`, `[a-z]`, `[^…]` and `\` before a literal character.

/// Says whether the whole text matches the pattern, in time proportional to the product of their lengths at
/// worst.
pub fn matches(pattern: &[u8], text: &[u8], ignore_case: bool) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p + 1, t));
            p += 1;
        } else if let Some(next) = one(pattern, p, text[t], ignore_case) {
            p = next;
            t += 1;
        } else if let Some((after, from)) = star {
            // Only the last star needs another try: an earlier one that took more could not help.
            star = Some((after, from + 1));
            (p, t) = (after, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

/// Matches one byte against the pattern element at `p` and returns where the next element starts.
fn one(pattern: &[u8], p: usize, byte: u8, ignore_case: bool) -> Option<usize> {
    let fold = |b: u8| if ignore_case { b.to_ascii_lowercase() } else { b };
    match *pattern.get(p..)? {
        [b'?', ..] => Some(p + 1),
        [b'[', ..] => class(pattern, p + 1, fold(byte), fold),
        [b'\\', literal, ..] => (fold(literal) == fold(byte)).then_some(p + 2),
        [literal, ..] => (fold(literal) == fold(byte)).then_some(p + 1),
        [] => None,
    }
}

fn class(pattern: &[u8], mut p: usize, byte: u8, fold: impl Fn(u8) -> u8) -> Option<usize> {
    let negated = pattern.get(p) == Some(&b'^');
    p += usize::from(negated);
    let mut found = false;
    loop {
        match *pattern.get(p..).unwrap_or_default() {
            [] => break,
            [b']', ..] => {
                p += 1;
                break;
            }
            [b'\\', literal, ..] => {
                found |= fold(literal) == byte;
                p += 2;
            }
            [from, b'-', to, ..] => {
                let (from, to) = (fold(from.min(to)), fold(from.max(to)));
                found |= (from..=to).contains(&byte);
                p += 3;
            }
            [literal, ..] => {
                found |= fold(literal) == byte;
                p += 1;
            }
        }
    }
    (found != negated).then_some(p)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_redis_does() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("h?llo", "hello", true),
            ("h[a-f]llo", "hello", true),
            ("h[^e]llo", "hello", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b", "aXc", false),
            ("\\*", "*", true),
            ("[", "a", false),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes(), false), expected, "{pattern} {text}");
        }
        assert!(matches(b"HZ*", b"hz", true));
        assert!(!matches(b"HZ", b"hz", false));
    }
}
