//! Glob patterns, as KEYS, SCAN, PSUBSCRIBE, CONFIG GET and ACL rules use them.
//!
//! * `*` is any bytes, `?` one byte, `[abc]`, `[a-z]` and `[^a]` one byte in or not in a class, `\` quotes the next
//!   byte, everything else is itself.
//! * The result is Redis's for every pattern, including the odd ones: see [`matches`]. One difference is deliberate:
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
            [] => break,
            [b'\\', quoted, ..] => {
                matched |= *quoted == byte;
                2
            }
            [b']', ..] => {
                at += 1;
                break;
            }
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
    (matched != negated, at)
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
