//! What a search of an area asks for, and what it finds.
//!
//! * Without an order members come as the area's cells do (see [`Area::ranges`]). COUNT takes the nearest ones, COUNT ANY the first
//!   ones that are found.
//! * All six commands read the same options; which of them a command has is its [`Form`].

use std::cmp::Ordering;

use super::super::call::{Call, Words, is};
use super::super::elements::bulk;
use super::super::error::CommandError;
use super::super::spec::CommandResult;
use super::{point, reply_distance, reply_point, unit};
use crate::resp::Reply;
use crate::store::Slot;
use crate::types::geo::{Area, Point, Shape, Unit};
use crate::types::listpack::Element;
use crate::types::zset::range::ScoreRange;
use crate::types::zset::{Limits, Zset};
use crate::util::double;
use crate::util::number::parse_i64;

/// Which command it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// GEOSEARCH and GEOSEARCHSTORE: centre and shape are options.
    Search { is_stored: bool },
    /// GEORADIUS and GEORADIUSBYMEMBER: centre and radius come first.
    Radius { by_member: bool, can_store: bool },
}

impl Form {
    /// The argument that is the index.
    pub(super) fn key(self) -> usize {
        if self == (Form::Search { is_stored: true }) { 2 } else { 1 }
    }
}

/// In which order members come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    AsFound,
    Nearest,
    Farthest,
}

/// What the centre of GEOSEARCH is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Member,
    Position,
}

/// What was asked for.
pub(super) struct Query<'a> {
    /// Unknown for a member of an index that does not exist.
    pub(super) centre: Option<Point>,
    pub(super) shape: Option<(Shape, Unit)>,
    order: Order,
    count: Option<usize>,
    any: bool,
    with_coordinates: bool,
    with_distance: bool,
    with_hash: bool,
    /// Where the result is stored.
    pub(super) destination: Option<&'a [u8]>,
    /// With the distances for scores.
    stores_distances: bool,
    /// Which option said where the centre is.
    from: Option<From>,
}

/// A member inside the area.
pub(super) struct Found<'a> {
    member: Element<'a>,
    score: f64,
    point: Point,
    distance_m: f64,
}

impl<'a> Query<'a> {
    pub(super) fn parse(call: &Call<'a>, form: Form, slot: Option<Slot>) -> Result<Self, CommandError> {
        let zset = slot.map(|slot| call.db.typed::<Zset>(slot)).transpose()?;
        let mut query = Query {
            centre: None,
            shape: None,
            order: Order::AsFound,
            count: None,
            any: false,
            with_coordinates: false,
            with_distance: false,
            with_hash: false,
            destination: None,
            stores_distances: false,
            from: None,
        };
        let first = query.read_fixed(call, form, zset)?;
        let mut words = call.words(first);
        while let Some(word) = words.next() {
            let is_known = query.read_result_option(word, &mut words, form)?
                || matches!(form, Form::Search { .. }) && query.read_area_option(word, &mut words, zset)?;
            if !is_known {
                return Err(CommandError::SYNTAX);
            }
        }
        query.check(call.arg(0), form)?;
        if query.count.is_some() && query.order == Order::AsFound && !query.any {
            query.order = Order::Nearest;
        }
        Ok(query)
    }

    /// Reads what comes before the options, and gives the position of these.
    fn read_fixed(
        &mut self,
        call: &Call<'a>,
        form: Form,
        zset: Option<&Zset>,
    ) -> Result<usize, CommandError> {
        match form {
            Form::Search { is_stored: false } => Ok(2),
            Form::Search { is_stored: true } => {
                self.destination = Some(call.arg(1));
                Ok(3)
            }
            Form::Radius { by_member: false, .. } => {
                self.centre = Some(point(call.arg(2), call.arg(3))?);
                self.shape = Some(circle(call.arg(4), call.arg(5))?);
                Ok(6)
            }
            Form::Radius { by_member: true, .. } => {
                // Without an index the radius is not looked at.
                if zset.is_some() {
                    self.centre = member_point(zset, call.arg(2))?;
                    self.shape = Some(circle(call.arg(3), call.arg(4))?);
                }
                Ok(5)
            }
        }
    }

    /// Reads an option about what is found. False: it is none.
    fn read_result_option(
        &mut self,
        word: &[u8],
        words: &mut Words<'a>,
        form: Form,
    ) -> Result<bool, CommandError> {
        let can_store = matches!(form, Form::Radius { can_store: true, .. });
        match () {
            () if is(word, "WITHDIST") => self.with_distance = true,
            () if is(word, "WITHHASH") => self.with_hash = true,
            () if is(word, "WITHCOORD") => self.with_coordinates = true,
            () if is(word, "ANY") => self.any = true,
            () if is(word, "ASC") => self.order = Order::Nearest,
            () if is(word, "DESC") => self.order = Order::Farthest,
            () if is(word, "COUNT") && words.left() > 0 => {
                let count = parse_i64(words.value()?).ok_or(CommandError::NOT_INTEGER)?;
                let count = usize::try_from(count).ok().filter(|&count| count > 0);
                self.count = Some(count.ok_or(CommandError::GEO_COUNT)?);
            }
            () if can_store && words.left() > 0 && (is(word, "STORE") || is(word, "STOREDIST")) => {
                self.destination = Some(words.value()?);
                self.stores_distances = is(word, "STOREDIST");
            }
            () if form == (Form::Search { is_stored: true }) && is(word, "STOREDIST") => {
                self.stores_distances = true;
            }
            () => return Ok(false),
        }
        Ok(true)
    }

    /// Reads an option about the area. False: it is none, or there is one already that it cannot stand beside.
    fn read_area_option(
        &mut self,
        word: &[u8],
        words: &mut Words<'a>,
        zset: Option<&Zset>,
    ) -> Result<bool, CommandError> {
        let (is_circle, is_rectangle) = match self.shape {
            None => (false, false),
            Some((Shape::Circle(_), _)) => (true, false),
            Some((Shape::Rectangle(..), _)) => (false, true),
        };
        match () {
            () if is(word, "FROMMEMBER") && words.left() >= 1 && self.from != Some(From::Position) => {
                self.centre = member_point(zset, words.value()?)?;
                self.from = Some(From::Member);
            }
            () if is(word, "FROMLONLAT") && words.left() >= 2 && self.from != Some(From::Member) => {
                self.centre = Some(point(words.value()?, words.value()?)?);
                self.from = Some(From::Position);
            }
            () if is(word, "BYRADIUS") && words.left() >= 2 && !is_rectangle => {
                self.shape = Some(circle(words.value()?, words.value()?)?);
            }
            () if is(word, "BYBOX") && words.left() >= 3 && !is_circle => {
                self.shape = Some(rectangle(words.value()?, words.value()?, words.value()?)?);
            }
            () => return Ok(false),
        }
        Ok(true)
    }

    /// What must be there, and what must not be there together. `name` is the command as the client wrote it.
    fn check(&self, name: &[u8], form: Form) -> CommandResult {
        let is_search = matches!(form, Form::Search { .. });
        if self.destination.is_some() && (self.with_distance || self.with_hash || self.with_coordinates) {
            return Err(if is_search { CommandError::GEOSEARCHSTORE_WITH } else { CommandError::GEO_STORE });
        }
        if is_search && self.from.is_none() {
            return Err(CommandError::geo_centre(name));
        }
        if is_search && self.shape.is_none() {
            return Err(CommandError::geo_shape(name));
        }
        if self.any && self.count.is_none() {
            return Err(CommandError::GEO_ANY);
        }
        Ok(())
    }

    /// The members inside the area, in the order asked for and no more than asked for.
    pub(super) fn find<'z>(&self, zset: &'z Zset, area: &Area) -> Vec<Found<'z>> {
        let enough = if self.any { self.count.unwrap_or(usize::MAX) } else { usize::MAX };
        let mut found = Vec::new();
        for range in area.ranges() {
            let ranks = zset.score_ranks(&ScoreRange::up_to(range.min, range.max));
            for (member, score) in zset.iter(ranks) {
                if found.len() >= enough {
                    break;
                }
                if let Some((point, distance_m)) = area.locate(score) {
                    found.push(Found { member, score, point, distance_m });
                }
            }
        }
        let count = self.count.unwrap_or(usize::MAX).min(found.len());
        let by_distance = |a: &Found<'_>, b: &Found<'_>| match self.order {
            Order::AsFound => Ordering::Equal,
            Order::Nearest => a.distance_m.total_cmp(&b.distance_m),
            Order::Farthest => b.distance_m.total_cmp(&a.distance_m),
        };
        found.sort_by(by_distance);
        found.truncate(count);
        found
    }

    pub(super) fn reply(&self, reply: &mut Reply<'_>, found: &[Found<'_>], unit: Unit) {
        let options =
            [self.with_distance, self.with_hash, self.with_coordinates].iter().filter(|with| **with).count();
        reply.array(found.len());
        for Found { member, score, point, distance_m } in found {
            if options > 0 {
                reply.array(1 + options);
            }
            bulk(reply, *member);
            if self.with_distance {
                reply_distance(reply, distance_m / unit.metres());
            }
            if self.with_hash {
                reply.integer(score_bits(*score));
            }
            if self.with_coordinates {
                reply_point(reply, *point);
            }
        }
    }

    pub(super) fn stored(&self, found: &[Found<'_>], unit: Unit, limits: &Limits) -> Zset {
        let mut zset = Zset::new();
        let mut buffer = itoa::Buffer::new();
        for Found { member, score, distance_m, .. } in found {
            let score = if self.stores_distances { distance_m / unit.metres() } else { *score };
            // Around half the earth a member can be found twice.
            zset.load(member.text(&mut buffer), score, limits);
        }
        zset
    }
}

/// The score as an integer, converted as C does on x86.
fn score_bits(score: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&score) { score as i64 } else { i64::MIN }
}

/// The position of a member, which must be there if the index is.
fn member_point(zset: Option<&Zset>, member: &[u8]) -> Result<Option<Point>, CommandError> {
    let Some(zset) = zset else { return Ok(None) };
    let score = zset.score(member).ok_or(CommandError::GEO_MEMBER)?;
    Ok(Some(Point::of_score(score)))
}

fn circle(radius: &[u8], unit_word: &[u8]) -> Result<(Shape, Unit), CommandError> {
    let radius = double::parse(radius).ok_or(CommandError::GEO_RADIUS_NOT_FLOAT)?;
    if radius < 0.0 {
        return Err(CommandError::GEO_RADIUS_NEGATIVE);
    }
    Ok((Shape::Circle(radius), unit(unit_word)?))
}

fn rectangle(width: &[u8], height: &[u8], unit_word: &[u8]) -> Result<(Shape, Unit), CommandError> {
    let width = double::parse(width).ok_or(CommandError::GEO_WIDTH_NOT_FLOAT)?;
    let height = double::parse(height).ok_or(CommandError::GEO_HEIGHT_NOT_FLOAT)?;
    if height < 0.0 || width < 0.0 {
        return Err(CommandError::GEO_BOX_NEGATIVE);
    }
    Ok((Shape::Rectangle(width, height), unit(unit_word)?))
}
