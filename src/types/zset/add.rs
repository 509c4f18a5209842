//! ZADD and ZINCRBY: one element and the conditions it is added on.

use super::{Limits, Repr, Zset};

/// The options of ZADD. Which go together is for the command to check.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flags {
    /// Members that are there are left alone.
    pub nx: bool,
    /// Members that are not there are not added.
    pub xx: bool,
    /// Scores only become greater.
    pub gt: bool,
    /// Scores only become less.
    pub lt: bool,
    /// The score is added to the one there is.
    pub incr: bool,
}

/// What [`Zset::add`] did. The score is the one that the member has now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Added {
    /// The member is new.
    New(f64),
    /// The member has another score.
    Changed(f64),
    /// The member had that score.
    Same(f64),
    /// A condition did not hold. ZADD with INCR replies null.
    Refused,
}

impl Added {
    /// The score for the reply of ZADD with INCR.
    pub fn score(self) -> Option<f64> {
        match self {
            Added::New(score) | Added::Changed(score) | Added::Same(score) => Some(score),
            Added::Refused => None,
        }
    }
}

/// `ERR resulting score is not a number (NaN)`: infinities of both signs were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotANumber;

impl Zset {
    /// Adds a member, or changes its score, on the conditions of `flags`. `score` is not NaN.
    pub fn add(
        &mut self,
        member: &[u8],
        score: f64,
        flags: Flags,
        limits: &Limits,
    ) -> Result<Added, NotANumber> {
        debug_assert!(!score.is_nan(), "callers refuse NaN");
        let found = match &self.0 {
            Repr::Small(small) => small.find(member).map(|found| (found.score, Some(found))),
            Repr::Tree(tree) => tree.score(member).map(|score| (score, None)),
        };
        let Some((old, found)) = found else {
            if flags.xx {
                return Ok(Added::Refused);
            }
            self.insert(member, score, limits);
            return Ok(Added::New(score));
        };
        if flags.nx {
            return Ok(Added::Refused);
        }
        let score = if flags.incr { old + score } else { score };
        if score.is_nan() {
            return Err(NotANumber);
        }
        if flags.lt && score >= old || flags.gt && score <= old {
            return Ok(Added::Refused);
        }
        if score == old {
            return Ok(Added::Same(score));
        }
        match (&mut self.0, found) {
            (Repr::Small(small), Some(found)) => small.rescore(&found, member, score),
            _ => self.rescore(member, score),
        }
        Ok(Added::Changed(score))
    }

    /// Before a ZADD of `count` elements to a set that exists: with so many Redis changes the encoding at once.
    pub fn prepare(&mut self, count: usize, limits: &Limits) {
        if count > limits.listpack_entries {
            self.convert(limits);
        }
    }

    /// Adds an element of a file. False: the member is there already, so the file is wrong.
    pub fn load(&mut self, member: &[u8], score: f64, limits: &Limits) -> bool {
        let is_new = self.score(member).is_none();
        if is_new {
            self.insert(member, score, limits);
        }
        is_new
    }
}
