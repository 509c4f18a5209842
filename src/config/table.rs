//! The parameter table: one row for each directive, and nothing else in the server lists their names.
//!
//! * A row says what the value may be, its default, whether it may change while the server runs, and whether
//!   it does anything here. CONFIG GET, SET and REWRITE, the loader and `forgekv.conf` all follow it.
//! * Every parameter of Redis 7.4 has a row, so that its configuration files load and its tools find what
//!   they ask for. A row that changes nothing says why; the loader passes that on to the log, once.
//!
//! The rows are split by noun into the files below, each in the order of a redis.conf.

mod clients;
mod cluster;
mod encoding;
mod memory;
mod network;
mod persistence;
mod replication;
mod security;
mod server;

use std::collections::HashMap;
use std::sync::LazyLock;

use super::kind::{self, Kind, Past};
use super::values::Values;

/// One directive.
#[derive(Clone, Copy, Debug)]
pub struct Directive {
    /// The name, in lower case.
    pub name: &'static str,
    /// Other names for the same value.
    pub aliases: &'static [&'static str],
    /// What the value may be.
    pub kind: Kind,
    /// The default, as CONFIG GET shows it.
    pub default: &'static str,
    /// What it does, as a sentence; for a row without effect, why there is none.
    pub doc: &'static str,
    /// Whether it does anything here.
    pub applies: bool,
    /// Whether CONFIG SET may change it.
    pub mutable: bool,
    /// Whether CONFIG SET asks for `enable-protected-configs` first.
    pub protected: bool,
    /// Whether the value must not be shown in logs.
    pub secret: bool,
    /// Whether the value is several words.
    pub several: bool,
    /// For each canonical word, the word the aliases have for it.
    pub alias_words: &'static [(&'static str, &'static str)],
    /// Copies the canonical text into its typed field.
    pub(super) decode: Option<fn(&mut Values, &str)>,
}

/// One name under which a row can be found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// The row's place in [`all`].
    pub index: usize,
    /// The name as the row spells it.
    pub name: &'static str,
}

static ALL: LazyLock<Vec<Directive>> = LazyLock::new(|| {
    [
        network::ROWS,
        clients::ROWS,
        security::ROWS,
        server::ROWS,
        persistence::ROWS,
        memory::ROWS,
        encoding::ROWS,
        replication::ROWS,
        cluster::ROWS,
    ]
    .concat()
});

static NAMES: LazyLock<HashMap<String, Found>> = LazyLock::new(|| {
    let mut names = HashMap::new();
    for (index, row) in ALL.iter().enumerate() {
        for name in row.names() {
            names.insert(name.to_owned(), Found { index, name });
        }
    }
    // Underscore and dash are the same in the names that have an underscore.
    for (index, row) in ALL.iter().enumerate() {
        for name in row.names().filter(|name| name.contains('_')) {
            names.entry(name.replace('_', "-")).or_insert(Found { index, name });
        }
    }
    names
});

/// Every row, in the order CONFIG GET lists them.
pub fn all() -> &'static [Directive] {
    &ALL
}

/// Finds a row by any of its names, in any case.
pub(super) fn find(name: &str) -> Option<Found> {
    NAMES.get(&name.to_ascii_lowercase()).copied()
}

impl Directive {
    /// The name, then the aliases.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// Says whether it is a parameter, that CONFIG GET shows, rather than a line of the file.
    pub fn is_parameter(&self) -> bool {
        !matches!(self.kind, Kind::Line(..))
    }

    /// The canonical text for a value given under `name`.
    pub(super) fn canonical(&self, name: &str, words: &[&str], past: Past<'_>) -> Result<String, String> {
        let result = self.kind.canonical(words, past);
        if result.is_ok() || self.alias_words.is_empty() {
            return result;
        }
        let [word] = words else { return result };
        let known: Vec<&str> = self.alias_words.iter().map(|(_, alias)| *alias).collect();
        match self.alias_words.iter().find(|(_, alias)| alias.eq_ignore_ascii_case(word)) {
            Some((canonical, _)) => Ok((*canonical).to_owned()),
            None if name == self.name => result,
            None => Err(kind::one_of(&known)),
        }
    }

    /// A canonical text as CONFIG GET shows it under `name`.
    pub(super) fn shown(&self, name: &str, text: &str) -> String {
        let alias = self.alias_words.iter().find(|(word, _)| name != self.name && *word == text);
        alias.map_or(text, |(_, word)| *word).to_owned()
    }

    const fn alias(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    const fn immutable(self) -> Self {
        Self { mutable: false, ..self }
    }

    const fn protected(self) -> Self {
        Self { protected: true, ..self }
    }

    const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    const fn several(self) -> Self {
        Self { several: true, ..self }
    }
}

/// A row that does something here.
const fn here(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    decode: fn(&mut Values, &str),
    doc: &'static str,
) -> Directive {
    Directive { decode: Some(decode), applies: true, ..accepted(name, kind, default, doc) }
}

/// A row that Redis has and that does nothing here; `why` completes "… has no effect here: ".
const fn accepted(name: &'static str, kind: Kind, default: &'static str, why: &'static str) -> Directive {
    Directive {
        name,
        aliases: &[],
        kind,
        default,
        doc: why,
        applies: false,
        mutable: true,
        protected: false,
        secret: false,
        several: matches!(kind, Kind::Words(_) | Kind::Line(..)),
        alias_words: &[],
        decode: None,
    }
}

const fn int(max: i64) -> Kind {
    Kind::Int(0, max)
}

const fn positive(max: i64) -> Kind {
    Kind::Int(1, max)
}

const PORT: Kind = int(65535);
const INT_MAX: i64 = i32::MAX as i64;
const MEMORY: Kind = Kind::Memory(0, i64::MAX as u64);
const PROTECTED_ACTION: Kind = Kind::Choice(&["no", "yes", "local"]);

/// Decodes `yes` or `no`.
fn yes(text: &str) -> bool {
    text == "yes"
}

/// Decodes a number. Bounds were checked by the row's kind, so that the fallback is never taken; the table's
/// tests set every row to its bounds.
fn number<T: std::str::FromStr + Default>(text: &str) -> T {
    text.parse().unwrap_or_default()
}

/// Decodes a word by its place among the words of its kind.
fn word<T: Copy + Default>(text: &str, known: &[(&str, T)]) -> T {
    known.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).unwrap_or_default()
}

#[cfg(test)]
mod tests;
