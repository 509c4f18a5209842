//! A hash in a listpack: pairs, or triples once fields may expire. The order of triples is in the parent's documentation.

use std::collections::HashSet;

use super::fields::Entry;
use super::{EXPIRE_MAX, Expiry};
use crate::types::Malformed;
use crate::types::listpack::{self, Element, Listpack, Position};

/// The expiry that stands for none.
const NONE: i64 = 0;
/// More than heads, backlens and the expiry of a triple take.
const OVERHEAD_MAX: usize = 64;

#[derive(Clone)]
pub(super) struct Small {
    listpack: Listpack,
    expiries: bool,
}

impl Small {
    pub(super) fn new() -> Self {
        Self { listpack: Listpack::new(), expiries: false }
    }

    /// A listpack of pairs from outside.
    pub(super) fn pairs(listpack: Listpack) -> Result<Self, Malformed> {
        Self { listpack, expiries: false }.checked()
    }

    /// A listpack of triples from outside.
    pub(super) fn triples(listpack: Listpack) -> Result<Self, Malformed> {
        let small = Self { listpack, expiries: true }.checked()?;
        let mut elements = small.listpack.iter();
        let mut last = 0;
        while let Some(expire) = elements.nth(2) {
            let expire = match expire {
                Element::Int(NONE) => u64::MAX,
                Element::Int(expire) => u64::try_from(expire).map_err(|_| Malformed)?,
                Element::Bytes(_) => return Err(Malformed),
            };
            if expire < last || (expire > EXPIRE_MAX && expire != u64::MAX) {
                return Err(Malformed);
            }
            last = expire;
        }
        Ok(small)
    }

    /// The number of elements must fit, and no field be there twice.
    fn checked(self) -> Result<Self, Malformed> {
        let mut seen = HashSet::new();
        let whole = self.listpack.len().is_multiple_of(self.width());
        let mut fields = self.listpack.iter().step_by(self.width());
        if whole && fields.all(|field| seen.insert(field.to_vec())) { Ok(self) } else { Err(Malformed) }
    }

    pub(super) fn listpack(&self) -> &Listpack {
        &self.listpack
    }

    pub(super) fn has_expiries(&self) -> bool {
        self.expiries
    }

    pub(super) fn len(&self) -> usize {
        let elements = self.listpack.len();
        // By constants, which takes no division.
        if self.expiries { elements / 3 } else { elements / 2 }
    }

    pub(super) fn iter(&self) -> Iter<'_> {
        Iter { elements: self.listpack.iter(), expiries: self.expiries }
    }

    pub(super) fn nth(&self, index: usize) -> Option<Entry<'_>> {
        let position = self.listpack.seek((index * self.width()) as i64)?;
        self.entry_at(position)
    }

    pub(super) fn get(&self, field: &[u8]) -> Option<Entry<'_>> {
        self.entry_at(self.find(field)?)
    }

    pub(super) fn can_set(&self, field: &[u8], value: &[u8]) -> bool {
        self.listpack.can_add(field.len() + value.len() + OVERHEAD_MAX)
    }

    /// Sets a field. `true`: it is new.
    pub(super) fn set(&mut self, field: &[u8], value: &[u8], expiry: Expiry) -> bool {
        let value = Element::new(value);
        let old = self.find(field);
        let old_expire = old.and_then(|position| self.entry_at(position)?.expire);
        let expire = match expiry {
            Expiry::Clear => None,
            Expiry::Keep => old_expire,
            Expiry::At(expire) => Some(expire),
        };
        if expire.is_some() && !self.expiries {
            // Positions change.
            self.add_expiries();
            return self.set(field, value.text(&mut itoa::Buffer::new()), expiry);
        }
        match old {
            Some(position) if expire == old_expire => {
                if let Some(value_position) = self.listpack.next(position) {
                    self.listpack.replace(value_position, value);
                }
            }
            Some(position) => {
                self.listpack.remove_many(position, self.width());
                self.insert(Element::new(field), value, expire);
            }
            None => self.insert(Element::new(field), value, expire),
        }
        old.is_none()
    }

    /// Removes a field. `false`: it is not there.
    pub(super) fn remove(&mut self, field: &[u8]) -> bool {
        let found = self.find(field);
        if let Some(position) = found {
            self.listpack.remove_many(position, self.width());
        }
        found.is_some()
    }

    /// Makes triples of pairs.
    pub(super) fn add_expiries(&mut self) {
        if self.expiries {
            return;
        }
        let triples = self.iter().flat_map(|entry| [entry.field, entry.value, Element::Int(NONE)]);
        self.listpack = Listpack::of(triples);
        self.expiries = true;
    }

    /// Gives a field of triples another expiry, and the place that goes with it.
    pub(super) fn set_expire(&mut self, field: &[u8], expire: Option<u64>) {
        let Some(position) = self.find(field) else { return };
        let Some(value) = self.entry_at(position).map(|entry| entry.value.to_vec()) else { return };
        self.listpack.remove_many(position, self.width());
        self.insert(Element::new(field), Element::new(&value), expire);
    }

    /// When the first field expires.
    pub(super) fn next_expire(&self) -> Option<u64> {
        if self.expiries { self.iter().next()?.expire } else { None }
    }

    /// Puts a new field where its expiry belongs: before later ones and equal ones.
    fn insert(&mut self, field: Element<'_>, value: Element<'_>, expire: Option<u64>) {
        if !self.expiries {
            return self.listpack.splice(None, 0, &[field, value]);
        }
        let mut position = None;
        if let Some(expire) = expire {
            let mut entries = self.iter();
            position = entries.position();
            while entries.next().is_some_and(|entry| entry.expire.is_some_and(|other| other < expire)) {
                position = entries.position();
            }
        }
        let expire = expire.map_or(NONE, u64::cast_signed);
        self.listpack.splice(position, 0, &[field, value, Element::Int(expire)]);
    }

    /// Elements for each field.
    fn width(&self) -> usize {
        if self.expiries { 3 } else { 2 }
    }

    fn find(&self, field: &[u8]) -> Option<Position> {
        self.listpack.find(self.listpack.first()?, field, self.width() - 1)
    }

    fn entry_at(&self, position: Position) -> Option<Entry<'_>> {
        Iter { elements: self.listpack.iter_from(position), expiries: self.expiries }.next()
    }
}

/// The fields of a small hash.
#[derive(Clone)]
pub(super) struct Iter<'a> {
    elements: listpack::Iter<'a>,
    expiries: bool,
}

impl Iter<'_> {
    /// Where the next field is in the listpack.
    fn position(&self) -> Option<Position> {
        self.elements.position()
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let (field, value) = (self.elements.next()?, self.elements.next()?);
        let expire = if self.expiries { self.elements.next()?.integer() } else { None };
        let expire = expire.filter(|&expire| expire != NONE).map(i64::cast_unsigned);
        Some(Entry { field, value, expire })
    }
}
