//! Glob patterns, as KEYS, SCAN, PSUBSCRIBE, CONFIG GET and ACL rules use them.
//!
//! * `*` is any bytes, `?` one byte, `[abc]`, `[a-z]` and `[^a]` one byte in or not in a class, `\` quotes the next
//!   byte, everything else is itself.
//! * The result is Redis's for every pattern, including the odd ones: see [`matches()`]. One difference is deliberate:
//!   Redis gives up on a pattern with more than a thousand `*`, to protect its stack, and says "no match".
//! * The time is at most the product of both lengths, for any pattern: a match resumes only from the last `*`,
//!   because if the rest of a pattern matches nowhere after that one, moving an earlier `*` can't help.
//! * It allocates nothing and does not recurse.

/// Whether bytes that differ only in ASCII case are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// They differ.
    Sensitive,
    /// They are the same, except a byte quoted by `\` in a class, which stands only for itself.
    Insensitive,
}

/// Whether `pattern` matches all of `string`.
///
/// * The empty string is matched by the empty pattern only, not by `*`. (KEYS, SCAN and ACL rules look for a pattern
///   that is just `*` themselves.)
/// * A class that is not closed ends at the end of the pattern.
/// * `]` closes a class even as its first byte: `[]` matches nothing and `[^]` any byte.
/// * The bounds of a range may be in either order, and bytes from 128 on come before the others, because C's `char`
///   is signed on x86-64.
/// * A range that reaches the end of the pattern takes the `]` as its bound: `[a-]` is the range from `]` to `a`.
/// * A `\` at the end of the pattern is itself.
pub fn matches(pattern: &[u8], string: &[u8], case: Case) -> bool {
    if string.is_empty() {
        return pattern.is_empty();
    }
    let (mut at, mut position) = (0, 0);
    // Where to resume: after the last `*`, with one more byte given to it.
    let mut resume: Option<(usize, usize)> = None;
    while position < string.len() {
        if pattern.get(at) == Some(&b'*') {
            at += 1;
            if at == pattern.len() {
                return true;
            }
            resume = Some((at, position));
            continue;
        }
        if let Some(length) = match_one(&pattern[at..], string[position], case) {
            at += length;
            position += 1;
            continue;
        }
        let Some((after_star, given)) = resume else { return false };
        (at, position) = (after_star, given + 1);
        resume = Some((at, position));
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

/// Matches one byte against the first element of `pattern`, which is not a `*`, and returns the element's length.
fn match_one(pattern: &[u8], byte: u8, case: Case) -> Option<usize> {
    let (literal, length) = match pattern {
        [] => return None,
        [b'?', ..] => return Some(1),
        [b'[', class @ ..] => {
            let (matched, length) = match_class(class, byte, case);
            return matched.then_some(1 + length);
        }
        [b'\\', quoted, ..] => (*quoted, 2),
        [literal, ..] => (*literal, 1),
    };
    same(literal, byte, case).then_some(length)
}

/// Whether `byte` is in the class that begins after `[`, and the class's length with its `]`.
fn match_class(class: &[u8], byte: u8, case: Case) -> (bool, usize) {
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut matched = false;
    loop {
        at += match &class[at..] {
            [] => return (matched != negated, at),
            [b'\\', quoted, ..] => {
                matched |= *quoted == byte;
                2
            }
            [b']', ..] => return (matched != negated, at + 1),
            [low, b'-', high, ..] => {
                matched |= in_range(*low, *high, byte, case);
                3
            }
            [literal, ..] => {
                matched |= same(*literal, byte, case);
                1
            }
        };
    }
}

/// Whether `byte` lies between two bounds, as signed numbers. The bounds are put in order before case is removed.
fn in_range(first: u8, second: u8, byte: u8, case: Case) -> bool {
    let fold = |byte: i8| {
        if case == Case::Insensitive { byte.cast_unsigned().to_ascii_lowercase().cast_signed() } else { byte }
    };
    let (first, second) = (first.cast_signed(), second.cast_signed());
    let (low, high) = (fold(first.min(second)), fold(first.max(second)));
    (low..=high).contains(&fold(byte.cast_signed()))
}

fn same(left: u8, right: u8, case: Case) -> bool {
    left == right || (case == Case::Insensitive && left.eq_ignore_ascii_case(&right))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(pattern: &[u8], string: &[u8]) -> bool {
        matches(pattern, string, Case::Sensitive)
    }

    #[test]
    fn stars_question_marks_and_literals_match() {
        let cases: &[(&[u8], &[u8], bool)] = &[
            (b"h?llo", b"hello", true),
            (b"h?llo", b"hllo", false),
            (b"h*llo", b"heeeello", true),
            (b"h*llo", b"hllo", true),
            (b"*", b"anything", true),
            (b"a*b*c", b"a-b-b-c", true),
            (b"a*b*c", b"a-c-b", false),
            (b"*foo*foo", b"foofoo", true),
            (b"*foo*foo", b"foo", false),
            (b"user:*", b"user:", true),
            (b"a***", b"a", true),
            (b"abc", b"abcd", false),
            (b"abcd", b"abc", false),
            (b"", b"a", false),
            (b"", b"", true),
        ];
        for &(pattern, string, expected) in cases {
            assert_eq!(
                glob(pattern, string),
                expected,
                "{} {}",
                pattern.escape_ascii(),
                string.escape_ascii()
            );
        }
    }

    #[test]
    fn classes_have_ranges_negation_and_escapes() {
        let cases: &[(&[u8], &[u8], bool)] = &[
            (b"h[ae]llo", b"hallo", true),
            (b"h[ae]llo", b"hillo", false),
            (b"h[^e]llo", b"hallo", true),
            (b"h[^e]llo", b"hello", false),
            (b"h[a-c]llo", b"hbllo", true),
            (b"h[c-a]llo", b"hbllo", true),
            (b"[a\\]]", b"]", true),
            (b"[\\-a]", b"-", true),
            (b"[a-]", b"a", true),
            (b"[a-]", b"_", true),
            (b"[a-]", b"-", false),
            (b"[-a]", b"-", true),
            (b"[^]", b"a", true),
            (b"[]", b"]", false),
        ];
        for &(pattern, string, expected) in cases {
            assert_eq!(
                glob(pattern, string),
                expected,
                "{} {}",
                pattern.escape_ascii(),
                string.escape_ascii()
            );
        }
    }

    #[test]
    fn redis_oddities_are_kept() {
        assert!(!glob(b"*", b""));
        assert!(!glob(b"**", b""));
        assert!(glob(b"[ab", b"b"));
        assert!(!glob(b"x[", b"x") && glob(b"x[^", b"xy"));
        assert!(glob(b"a\\", b"a\\"));
        assert!(glob(b"\\*", b"*") && !glob(b"\\*", b"a"));
        // From −128 to 97: the whole of both halves below `a`.
        assert!(glob(b"[a-\x80]", b"\xff") && glob(b"[a-\x80]", b"A") && !glob(b"[a-\x80]", b"b"));
    }

    #[test]
    fn case_is_ignored_on_request_except_for_quoted_class_members() {
        let glob = |pattern: &[u8], string: &[u8]| matches(pattern, string, Case::Insensitive);
        assert!(glob(b"MAX*mory", b"maxMemORY"));
        assert!(glob(b"[A-C]x", b"bX") && glob(b"[xyz]", b"Y"));
        assert!(glob(b"\\A", b"a"));
        assert!(!glob(b"[\\A]", b"a"));
        assert!(!glob(b"\xc4", b"\xe4"));
    }

    #[test]
    fn hostile_patterns_take_the_product_of_the_lengths_at_most() {
        let string = [b'a'; 5_000];
        let mut pattern = b"*a".repeat(2_000);
        assert!(glob(&pattern, &string));
        pattern.push(b'b');
        assert!(!glob(&pattern, &string));
        assert!(!glob(&b"*a*a?*[^b]".repeat(500), &string[..1_000]));
        assert!(glob(&[b'*'; 100_000], &string));
    }

    #[test]
    fn resuming_from_the_last_star_finds_what_trying_everything_finds() {
        fn try_everything(pattern: &[u8], string: &[u8]) -> bool {
            match (pattern, string) {
                ([], _) => string.is_empty(),
                ([b'*', rest @ ..], _) => {
                    (0..=string.len()).any(|given| try_everything(rest, &string[given..]))
                }
                (_, []) => false,
                (_, [first, rest @ ..]) => match_one(pattern, *first, Case::Sensitive)
                    .is_some_and(|length| try_everything(&pattern[length..], rest)),
            }
        }
        let seed = 0x9e37_79b9_7f4a_7c15_u64;
        println!("seed {seed:#x}");
        let mut state = seed;
        let mut pick = |from: &[u8], longest: usize| -> Vec<u8> {
            let mut next = |bound: usize| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 33) as usize % bound
            };
            let length = next(longest) + 1;
            (0..length).map(|_| from[next(from.len())]).collect()
        };
        let mut matched = 0;
        for _ in 0..20_000 {
            let (pattern, string) = (pick(b"aab**?[]^-\\", 10), pick(b"aab]-", 8));
            let expected = try_everything(&pattern, &string);
            assert_eq!(
                glob(&pattern, &string),
                expected,
                "{} {}",
                pattern.escape_ascii(),
                string.escape_ascii()
            );
            matched += u32::from(expected);
        }
        assert!(matched > 500, "only {matched} patterns matched");
    }
}
