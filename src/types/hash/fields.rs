//! The fields of a hash, whatever its encoding.

use super::small;
use crate::types::listpack::Element;
use crate::types::table::{self, Field, Fields};

/// A field of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its name.
    pub field: Element<'a>,
    /// Its value.
    pub value: Element<'a>,
    /// When it expires, in unix milliseconds.
    pub expire: Option<u64>,
}

impl<'a> Entry<'a> {
    pub(super) fn of(field: &'a [u8], Field { value, expire }: Field<'a>) -> Self {
        Self { field: Element::Bytes(field), value: Element::Bytes(value), expire }
    }

    /// Whether it has not expired.
    pub fn is_live(&self, now: u64) -> bool {
        self.expire.is_none_or(|expire| expire >= now)
    }
}

/// All fields of a hash.
pub struct Iter<'a> {
    source: Source<'a>,
}

enum Source<'a> {
    Small(small::Iter<'a>),
    Table(table::Iter<'a, Fields>),
}

impl<'a> Iter<'a> {
    pub(super) fn small(entries: small::Iter<'a>) -> Self {
        Self { source: Source::Small(entries) }
    }

    pub(super) fn table(entries: table::Iter<'a, Fields>) -> Self {
        Self { source: Source::Table(entries) }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        match &mut self.source {
            Source::Small(entries) => entries.next(),
            Source::Table(entries) => entries.next().map(|(field, value)| Entry::of(field, value)),
        }
    }
}
