//! Lua 5.1's patterns, matched without recursion and in steps that can be counted.
//!
//! ```text
//! %a %d … . [set] [^set] x     one byte            ?  *  +  -      behind one of them: how often
//! ( … )  ()                    captures            %1 … %9         what a capture has
//! %bxy                         balanced            %f[set]         a border
//! ^ (the caller's)  $          the ends            a zero byte ends a pattern
//! ```
//!
//! * It finds what Lua's own matcher finds, by looking in the same order, and complains about a pattern when and as that does:
//!   only about what it comes to. The difference is where it notes how to go on when something does not match: in a list, whose
//!   length is bounded by the pattern's, and not on the thread's stack.
//! * Time may be exponential in the number of quantifiers. So every few steps it asks whether to go on.

/// Captures that a pattern may have.
pub const CAPTURES: usize = 32;

/// Steps between two questions whether to go on.
const STEPS: u32 = 50_000;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The pattern is wrong.
    Pattern(&'static str),
    /// It shall not go on.
    Stopped,
}

/// What a capture has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    /// Its end has not been met.
    Open(usize),
    /// It is a position.
    Position(usize),
    /// From here to there.
    Span(usize, usize),
}

/// How to go on when what was tried does not match.
#[derive(Clone, Copy, Debug)]
pub struct Resume(Way);

#[derive(Clone, Copy, Debug)]
enum Way {
    /// Without an optional byte.
    Without { at: usize, pattern: usize },
    /// With one byte less of at most `count`.
    Less { at: usize, count: usize, pattern: usize },
    /// With one byte more of those that the item from `item` to `end` matches.
    More { at: usize, item: usize, end: usize },
    /// The last capture was not begun.
    Begun,
    /// This capture was not ended.
    Ended(usize),
}

/// What comes of one item.
enum Step {
    Matched(usize),
    Mismatch,
    Next(usize, usize),
}

/// What matches one byte.
#[derive(Clone, Copy)]
enum One {
    Any,
    Byte(u8),
    /// The class of a letter.
    Class(u8),
    Set,
}

/// A pattern and a subject.
pub struct Matcher<'a> {
    subject: &'a [u8],
    pattern: &'a [u8],
    captures: [Capture; CAPTURES],
    level: usize,
    steps: u32,
}

impl<'a> Matcher<'a> {
    /// A matcher; what makes a pattern stand at the beginning has been taken off.
    pub fn new(subject: &'a [u8], pattern: &'a [u8]) -> Self {
        let pattern = &pattern[..memchr::memchr(0, pattern).unwrap_or(pattern.len())];
        Matcher { subject, pattern, captures: [Capture::Open(0); CAPTURES], level: 0, steps: 0 }
    }

    /// Captures of the last match.
    pub fn captures(&self) -> &[Capture] {
        &self.captures[..self.level]
    }

    /// Where a match that begins at `at` ends. `work` is memory to use; `goes_on` is asked from time to time.
    pub fn matches(
        &mut self,
        at: usize,
        work: &mut Vec<Resume>,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<usize>, Failure> {
        work.clear();
        self.level = 0;
        let (mut at, mut pattern) = (at, 0);
        loop {
            self.steps += 1;
            if self.steps >= STEPS {
                self.steps = 0;
                if !goes_on() {
                    return Err(Failure::Stopped);
                }
            }
            let next = match self.step(at, pattern, work)? {
                Step::Matched(end) => return Ok(Some(end)),
                Step::Next(at, pattern) => Some((at, pattern)),
                Step::Mismatch => self.resume(work),
            };
            match next {
                Some(next) => (at, pattern) = next,
                None => return Ok(None),
            }
        }
    }

    /// The pattern's byte; 0 behind its end.
    #[inline]
    fn byte(&self, at: usize) -> u8 {
        self.pattern.get(at).copied().unwrap_or(0)
    }

    fn step(&mut self, at: usize, pattern: usize, work: &mut Vec<Resume>) -> Result<Step, Failure> {
        match (self.byte(pattern), self.byte(pattern + 1)) {
            (b'(', b')') => self.begin(Capture::Position(at), work, (at, pattern + 2)),
            (b'(', _) => self.begin(Capture::Open(at), work, (at, pattern + 1)),
            (b')', _) => self.end(at, pattern + 1, work),
            (b'%', b'b') => {
                let end = self.balanced(at, pattern + 2)?;
                Ok(end.map_or(Step::Mismatch, |end| Step::Next(end, pattern + 4)))
            }
            (b'%', b'f') => self.border(at, pattern + 2),
            (b'%', digit @ b'0'..=b'9') => {
                let end = self.repeated(at, digit)?;
                Ok(end.map_or(Step::Mismatch, |end| Step::Next(end, pattern + 2)))
            }
            (0, _) => Ok(Step::Matched(at)),
            (b'$', 0) if at == self.subject.len() => Ok(Step::Matched(at)),
            (b'$', 0) => Ok(Step::Mismatch),
            _ => self.item(at, pattern, work),
        }
    }

    /// One byte, and how often.
    #[inline]
    fn item(&mut self, at: usize, pattern: usize, work: &mut Vec<Resume>) -> Result<Step, Failure> {
        let end = self.class_end(pattern)?;
        let next = end + 1;
        let is_match = self.matches_one(at, pattern, end);
        Ok(match self.byte(end) {
            b'?' if is_match => {
                work.push(Resume(Way::Without { at, pattern: next }));
                Step::Next(at + 1, next)
            }
            b'?' => Step::Next(at, next),
            b'*' => self.most(at, pattern, end, work),
            b'+' if is_match => self.most(at + 1, pattern, end, work),
            b'-' => {
                work.push(Resume(Way::More { at, item: pattern, end }));
                Step::Next(at, next)
            }
            b'+' => Step::Mismatch,
            _ if is_match => Step::Next(at + 1, end),
            _ => Step::Mismatch,
        })
    }

    fn most(&mut self, at: usize, pattern: usize, end: usize, work: &mut Vec<Resume>) -> Step {
        let one = self.one(pattern, end);
        let rest = self.subject.get(at..).unwrap_or_default();
        let count = match one {
            One::Any => rest.len(),
            One::Byte(wanted) => rest.iter().take_while(|&&byte| byte == wanted).count(),
            One::Class(class) => rest.iter().take_while(|&&byte| in_class(byte, class)).count(),
            One::Set => rest.iter().take_while(|&&byte| self.in_set(byte, pattern, end - 1)).count(),
        };
        // Bytes are gone over quickly: sixteen are a step.
        self.steps = self.steps.saturating_add((count / 16) as u32);
        work.push(Resume(Way::Less { at, count, pattern: end + 1 }));
        Step::Next(at + count, end + 1)
    }

    /// Goes back to the last choice that is left.
    fn resume(&mut self, work: &mut Vec<Resume>) -> Option<(usize, usize)> {
        loop {
            match &mut work.last_mut()?.0 {
                Way::Without { at, pattern } => {
                    let next = (*at, *pattern);
                    work.pop();
                    return Some(next);
                }
                Way::Less { at, count, pattern } if *count > 0 => {
                    *count -= 1;
                    return Some((*at + *count, *pattern));
                }
                Way::More { at, item, end } if self.matches_one(*at, *item, *end) => {
                    *at += 1;
                    return Some((*at, *end + 1));
                }
                Way::Less { .. } | Way::More { .. } => {}
                Way::Begun => self.level -= 1,
                Way::Ended(capture) => {
                    if let Capture::Span(start, _) = self.captures[*capture] {
                        self.captures[*capture] = Capture::Open(start);
                    }
                }
            }
            work.pop();
        }
    }

    fn begin(
        &mut self,
        capture: Capture,
        work: &mut Vec<Resume>,
        (at, pattern): (usize, usize),
    ) -> Result<Step, Failure> {
        let place = self.captures.get_mut(self.level).ok_or(Failure::Pattern("too many captures"))?;
        *place = capture;
        self.level += 1;
        work.push(Resume(Way::Begun));
        Ok(Step::Next(at, pattern))
    }

    fn end(&mut self, at: usize, pattern: usize, work: &mut Vec<Resume>) -> Result<Step, Failure> {
        let open = self.captures().iter().rposition(|capture| matches!(capture, Capture::Open(_)));
        let open = open.ok_or(Failure::Pattern("invalid pattern capture"))?;
        if let Capture::Open(start) = self.captures[open] {
            self.captures[open] = Capture::Span(start, at);
        }
        work.push(Resume(Way::Ended(open)));
        Ok(Step::Next(at, pattern))
    }

    /// What a capture has, once more.
    fn repeated(&self, at: usize, digit: u8) -> Result<Option<usize>, Failure> {
        let capture = usize::from(digit).checked_sub(usize::from(b'1'));
        match capture.and_then(|capture| self.captures().get(capture)) {
            None | Some(Capture::Open(_)) => Err(Failure::Pattern("invalid capture index")),
            Some(Capture::Position(_)) => Ok(None),
            Some(&Capture::Span(start, end)) => {
                let (had, rest) = (&self.subject[start..end], &self.subject[at..]);
                Ok(rest.starts_with(had).then_some(at + had.len()))
            }
        }
    }

    fn balanced(&mut self, at: usize, pattern: usize) -> Result<Option<usize>, Failure> {
        let (open, close) = (self.byte(pattern), self.byte(pattern + 1));
        if open == 0 || close == 0 {
            return Err(Failure::Pattern("unbalanced pattern"));
        }
        if self.subject.get(at) != Some(&open) {
            return Ok(None);
        }
        let mut depth = 1;
        for (place, &byte) in self.subject.iter().enumerate().skip(at + 1) {
            if byte == close {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(place + 1));
                }
            } else if byte == open {
                depth += 1;
            }
        }
        self.steps = self.steps.saturating_add(((self.subject.len() - at) / 16) as u32);
        Ok(None)
    }

    fn border(&self, at: usize, pattern: usize) -> Result<Step, Failure> {
        if self.byte(pattern) != b'[' {
            return Err(Failure::Pattern("missing '[' after '%f' in pattern"));
        }
        let end = self.class_end(pattern)?;
        let before = at.checked_sub(1).map_or(0, |before| self.subject[before]);
        let behind = self.subject.get(at).copied().unwrap_or(0);
        let is_border = !self.in_set(before, pattern, end - 1) && self.in_set(behind, pattern, end - 1);
        Ok(if is_border { Step::Next(at, end) } else { Step::Mismatch })
    }

    /// Where the item at `at`, which is one byte's, ends.
    #[inline]
    fn class_end(&self, at: usize) -> Result<usize, Failure> {
        match self.byte(at) {
            b'%' if self.byte(at + 1) == 0 => Err(Failure::Pattern("malformed pattern (ends with '%')")),
            b'%' => Ok(at + 2),
            b'[' => self.set_end(at + 1),
            _ => Ok(at + 1),
        }
    }

    fn set_end(&self, mut at: usize) -> Result<usize, Failure> {
        if self.byte(at) == b'^' {
            at += 1;
        }
        // The first byte belongs to the set, even if it is the bracket that would end it.
        loop {
            let byte = self.byte(at);
            if byte == 0 {
                return Err(Failure::Pattern("malformed pattern (missing ']')"));
            }
            at += 1;
            if byte == b'%' && self.byte(at) != 0 {
                at += 1;
            }
            if self.byte(at) == b']' {
                return Ok(at + 1);
            }
        }
    }

    /// What the item from `item` on matches.
    #[inline]
    fn one(&self, item: usize, end: usize) -> One {
        debug_assert!(item < end, "an item is not empty");
        match self.byte(item) {
            b'.' => One::Any,
            b'%' => One::Class(self.byte(item + 1)),
            b'[' => One::Set,
            literal => One::Byte(literal),
        }
    }

    /// Does the item from `item` to `end` match the subject's byte?
    #[inline]
    fn matches_one(&self, at: usize, item: usize, end: usize) -> bool {
        let Some(&byte) = self.subject.get(at) else { return false };
        match self.one(item, end) {
            One::Any => true,
            One::Byte(wanted) => byte == wanted,
            One::Class(class) => in_class(byte, class),
            One::Set => self.in_set(byte, item, end - 1),
        }
    }

    /// Is a byte in the set from `at` to the bracket at `end`?
    fn in_set(&self, byte: u8, at: usize, end: usize) -> bool {
        let is_negated = self.byte(at + 1) == b'^';
        let mut at = at + 1 + usize::from(is_negated);
        while at < end {
            let first = self.byte(at);
            let is_in = if first == b'%' {
                at += 1;
                in_class(byte, self.byte(at))
            } else if self.byte(at + 1) == b'-' && at + 2 < end {
                at += 2;
                (first..=self.byte(at)).contains(&byte)
            } else {
                first == byte
            };
            if is_in {
                return !is_negated;
            }
            at += 1;
        }
        is_negated
    }
}

/// The letters of classes, in the order of their bits in [`CLASSES`].
const LETTERS: &[u8; 10] = b"acdlpsuwxz";

/// The classes of each byte, a bit each.
static CLASSES: [u16; 256] = {
    let mut classes = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        let is_in = [
            byte.is_ascii_alphabetic(),
            byte.is_ascii_control(),
            byte.is_ascii_digit(),
            byte.is_ascii_lowercase(),
            byte.is_ascii_punctuation(),
            matches!(byte, b' ' | b'\t'..=b'\r'),
            byte.is_ascii_uppercase(),
            byte.is_ascii_alphanumeric(),
            byte.is_ascii_hexdigit(),
            byte == 0,
        ];
        let mut class = 0;
        while class < is_in.len() {
            classes[at] |= (is_in[class] as u16) << class;
            class += 1;
        }
        at += 1;
    }
    classes
};

/// The bit of each letter, in either case; 0: it names no class.
static BITS: [u16; 256] = {
    let mut bits = [0; 256];
    let mut class = 0;
    while class < LETTERS.len() {
        bits[LETTERS[class] as usize] = 1 << class;
        bits[LETTERS[class].to_ascii_uppercase() as usize] = 1 << class;
        class += 1;
    }
    bits
};

/// Is a byte in the class of a letter? What is no class is the byte itself.
#[inline]
fn in_class(byte: u8, class: u8) -> bool {
    let bit = BITS[usize::from(class)];
    if bit == 0 {
        return class == byte;
    }
    (CLASSES[usize::from(byte)] & bit != 0) == class.is_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_take_for_ever_is_asked_about_and_stops() {
        let subject = vec![b'a'; 1000];
        for pattern in [&b".-.-.-.-.-b"[..], b".*.*.*.*.*b", b"a?a?(.*)(.-)(.-)%1%2%3%1x"] {
            let (mut asked, mut work) = (0, Vec::new());
            let mut goes_on = || {
                asked += 1;
                asked < 10
            };
            let result = Matcher::new(&subject, pattern).matches(0, &mut work, &mut goes_on);
            assert_eq!(result, Err(Failure::Stopped));
            assert_eq!(asked, 10);
            assert!(work.len() <= pattern.len());
        }
    }

    #[test]
    fn a_long_pattern_needs_no_stack() {
        let (subject, pattern) = (vec![b'a'; 200_000], b"a?".repeat(200_000));
        let mut work = Vec::new();
        let result = Matcher::new(&subject, &pattern).matches(0, &mut work, &mut || true);
        assert_eq!(result, Ok(Some(200_000)));
    }
}
