//! CONFIG GET and CONFIG SET on one configuration.
//!
//! * A set of parameters changes together or not at all: [`Config::changed`] works on a copy.
//! * The words of every error are Redis's; the commands layer puts the code `ERR` before them.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use super::kind::Past;
use super::table::{self, Directive, Found};
use super::values::Config;
use crate::util::glob::{self, Case};

/// Who asks for a change, as far as permissions go.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asker {
    /// The client is connected from this machine.
    pub local: bool,
}

/// Why CONFIG SET changed nothing. Names are bytes, as clients send them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetError {
    /// No such parameter.
    Unknown {
        /// The name as it was given.
        name: Vec<u8>,
    },
    /// The parameter exists, and the value or the change was refused.
    Refused {
        /// The name as the table spells it, or as it was given when the value was not looked at.
        name: Vec<u8>,
        /// Why, in Redis's words.
        reason: String,
    },
}

impl SetError {
    /// A refusal, also for subscribers that could not apply a value.
    pub fn refused(name: impl Into<Vec<u8>>, reason: impl Into<String>) -> Self {
        Self::Refused { name: name.into(), reason: reason.into() }
    }

    /// The reply without its code. A name ends at its first NUL, as in C.
    pub fn text(&self) -> Vec<u8> {
        let (Self::Unknown { name } | Self::Refused { name, .. }) = self;
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        match self {
            Self::Unknown { .. } => {
                [b"Unknown option or number of arguments for CONFIG SET - '".as_slice(), name, b"'"].concat()
            }
            Self::Refused { reason, .. } => {
                let start = b"CONFIG SET failed (possibly related to argument '".as_slice();
                [start, name, b"') - ", reason.as_bytes()].concat()
            }
        }
    }
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text()))
    }
}

impl std::error::Error for SetError {}

impl Config {
    /// CONFIG GET: each parameter that matches a pattern, once, with its value. A pattern without wildcards
    /// is answered under the name as it was given, in any case and by any alias.
    pub fn get(&self, patterns: &[&[u8]]) -> Vec<(String, String)> {
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for &pattern in patterns {
            if !pattern.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[')) {
                let Ok(name) = std::str::from_utf8(pattern) else { continue };
                if let Some(value) = self.value(name)
                    && seen.insert(name.to_ascii_lowercase())
                {
                    found.push((name.to_owned(), value));
                }
                continue;
            }
            for (row, text) in table::all().iter().zip(&self.texts).filter(|(row, _)| row.is_parameter()) {
                for name in
                    row.names().filter(|name| glob::matches(pattern, name.as_bytes(), Case::Insensitive))
                {
                    if seen.insert(name.to_owned()) {
                        found.push((name.to_owned(), row.shown(name, text)));
                    }
                }
            }
        }
        found
    }

    /// The value of one parameter, as CONFIG GET shows it under that name.
    pub fn value(&self, name: &str) -> Option<String> {
        let Found { index, name } = table::find(name)?;
        let row = &table::all()[index];
        row.is_parameter().then(|| row.shown(name, &self.texts[index]))
    }

    /// CONFIG SET: a copy with all of these parameters changed. Names are looked up, and permissions checked,
    /// before any value is read, as Redis does.
    pub fn changed(&self, pairs: &[(&[u8], &[u8])], asker: Asker) -> Result<Self, SetError> {
        let mut targets: Vec<(Found, Cow<'_, str>)> = Vec::with_capacity(pairs.len());
        for (name, value) in pairs {
            let found = std::str::from_utf8(name).ok().and_then(table::find);
            let found = found.filter(|found| table::all()[found.index].is_parameter());
            let Some(found) = found else { return Err(SetError::Unknown { name: name.to_vec() }) };
            if let Some(reason) = self.refusal(&table::all()[found.index], asker) {
                return Err(SetError::refused(*name, reason));
            }
            if targets.iter().any(|(earlier, _)| earlier.name == found.name) {
                return Err(SetError::refused(*name, "duplicate parameter"));
            }
            targets.push((found, String::from_utf8_lossy(value)));
        }
        let mut copy = self.clone();
        for (found, value) in &targets {
            let words = split_value(&table::all()[found.index], value);
            // A value that is not text may be wrong for another reason, which Redis would give.
            let utf8 = if matches!(value, Cow::Borrowed(_)) { Ok(()) } else { Err(NOT_UTF8.to_owned()) };
            copy.assign(*found, &words, false)
                .and(utf8)
                .map_err(|reason| SetError::refused(found.name, reason))?;
        }
        copy.settle();
        Ok(copy)
    }

    fn refusal(&self, row: &Directive, asker: Asker) -> Option<&'static str> {
        if row.protected && !self.enable_protected_configs.allows(asker.local) {
            return Some("can't set protected config");
        }
        (!row.mutable).then_some("can't set immutable config")
    }

    /// Sets one parameter from its words. `loading` makes repeated lines of a list add up.
    pub(super) fn assign(&mut self, found: Found, words: &[&str], loading: bool) -> Result<(), String> {
        let Found { index, name } = found;
        let row = &table::all()[index];
        let past = Past { text: &self.texts[index], append: loading && self.given[index] };
        let text = row.canonical(name, words, past)?;
        if let Some(decode) = row.decode {
            decode(&mut self.values, &text);
        }
        self.texts[index] = text;
        self.given[index] = true;
        Ok(())
    }

    /// Brings parameters that follow from others into line: `appendonly no` without a sync mode means
    /// `never`.
    pub(super) fn settle(&mut self) {
        let found = table::find("wal_sync_mode").expect("the table has wal_sync_mode");
        if self.given[found.index] {
            return;
        }
        let implied = if self.appendonly { table::all()[found.index].default } else { "never" };
        self.assign(found, &[implied], false).expect("a default and an own word are valid");
        self.given[found.index] = false;
    }
}

/// The reason for a value that is not text. Redis takes any bytes; here values are also shown in logs and
/// files.
pub(super) const NOT_UTF8: &str = "argument must be valid UTF-8";

/// The words of a value given as one string: parameters of several words are split at single spaces.
pub(super) fn split_value<'a>(row: &Directive, value: &'a str) -> Vec<&'a str> {
    if row.several { value.split(' ').collect() } else { vec![value] }
}

#[cfg(test)]
mod tests;
