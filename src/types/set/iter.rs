//! The members of a set, whatever its encoding.

use std::ops::Range;

use crate::types::intset::Intset;
use crate::types::listpack::{self, Element, Listpack};
use crate::types::table::{self, Table};

/// All members of a set.
pub struct Iter<'a> {
    source: Source<'a>,
}

enum Source<'a> {
    Intset(&'a Intset, Range<usize>),
    Listpack(listpack::Iter<'a>),
    Table(table::Iter<'a, table::Members>),
}

impl<'a> Iter<'a> {
    pub(super) fn intset(intset: &'a Intset) -> Self {
        Self { source: Source::Intset(intset, 0..intset.len()) }
    }

    pub(super) fn listpack(listpack: &'a Listpack) -> Self {
        Self { source: Source::Listpack(listpack.iter()) }
    }

    pub(super) fn table(table: &'a Table<table::Members>) -> Self {
        Self { source: Source::Table(table.iter()) }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        match &mut self.source {
            Source::Intset(intset, indexes) => intset.get(indexes.next()?).map(Element::Int),
            Source::Listpack(members) => members.next(),
            Source::Table(members) => members.next().map(|(member, ())| Element::Bytes(member)),
        }
    }
}
