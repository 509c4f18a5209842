//! Positions on the earth as scores of a sorted set.
//!
//! * A score is an integer of 52 bits: 26 of the latitude and 26 of the longitude, interleaved, the longitude's bit above the
//!   latitude's. So the members of a cell, which has a prefix of these bits in common, are a range of scores.
//! * Coordinates are limited to those of the Mercator projection: ±180° and ±85.05112878°. Only the texts of GEOHASH use the
//!   standard's ±90°, for which a position is encoded again.
//! * Distances are great circles on a sphere (haversine), with Redis's radius and its order of floating-point operations.
//! * A sorted set is any client's: a score may be anything but NaN, and decodes as in Redis.
//! * The sorted set itself, COUNT and sorting belong to the caller: an [`Area`] gives ranges of scores to read, in the order in which
//!   unsorted replies have them, and says of every member whether it is inside.

mod area;
mod cell;

use std::io::Write;

use cell::{Cell, STEPS_MAX};

pub use area::{Area, ScoreRange, Shape};

/// The greatest longitude, in degrees; its negative is the least.
pub const LONGITUDE_MAX: f64 = 180.0;
/// The greatest latitude, in degrees; its negative is the least.
pub const LATITUDE_MAX: f64 = 85.051_128_78;
/// The greatest latitude of the standard's geohashes.
const GEOHASH_LATITUDE_MAX: f64 = 90.0;
const EARTH_RADIUS_M: f64 = 6_372_797.560_856;
const RADIANS_PER_DEGREE: f64 = std::f64::consts::PI / 180.0;
const GEOHASH_DIGITS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
/// The characters of a text of GEOHASH.
pub const GEOHASH_LEN: usize = 11;

/// A position, in degrees within the limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    longitude: f64,
    latitude: f64,
}

impl Point {
    /// A position that a client gave. `None` is out of the limits: `ERR invalid longitude,latitude pair %f,%f`.
    pub fn new(longitude: f64, latitude: f64) -> Option<Self> {
        let valid = longitude.abs() <= LONGITUDE_MAX && latitude.abs() <= LATITUDE_MAX;
        valid.then_some(Self { longitude, latitude })
    }

    /// The position that a score stands for: the middle of its cell.
    pub fn of_score(score: f64) -> Self {
        let (south_west, north_east) = Cell::of_bits(bits_of(score)).corners();
        let middle = |low: f64, high: f64, max: f64| f64::midpoint(low, high).clamp(-max, max);
        Self {
            longitude: middle(south_west.longitude, north_east.longitude, LONGITUDE_MAX),
            latitude: middle(south_west.latitude, north_east.latitude, LATITUDE_MAX),
        }
    }

    /// The longitude in degrees.
    pub fn longitude(self) -> f64 {
        self.longitude
    }

    /// The latitude in degrees.
    pub fn latitude(self) -> f64 {
        self.latitude
    }

    /// The score that GEOADD gives a member. (At the greatest longitude or latitude it has more than 52 bits, in Redis too.)
    pub fn score(self) -> f64 {
        Cell::of(self, STEPS_MAX, LATITUDE_MAX).bits() as f64
    }

    /// The text that GEOHASH replies with. Its 52 bits are ten digits and a bit; the last digit is always 0.
    pub fn geohash(self) -> [u8; GEOHASH_LEN] {
        let bits = Cell::of(self, STEPS_MAX, GEOHASH_LATITUDE_MAX).bits();
        let mut text = [GEOHASH_DIGITS[0]; GEOHASH_LEN];
        for (index, digit) in text[..GEOHASH_LEN - 1].iter_mut().enumerate() {
            *digit = GEOHASH_DIGITS[(bits >> (47 - 5 * index) & 0x1F) as usize];
        }
        text
    }

    /// The distance in metres.
    pub fn distance_m(self, other: Self) -> f64 {
        let radians = |degrees: f64| degrees * RADIANS_PER_DEGREE;
        let v = ((radians(other.longitude) - radians(self.longitude)) / 2.0).sin();
        if v == 0.0 {
            return self.latitude_distance_m(other);
        }
        let (from, to) = (radians(self.latitude), radians(other.latitude));
        let u = ((to - from) / 2.0).sin();
        let a = u * u + from.cos() * to.cos() * v * v;
        2.0 * EARTH_RADIUS_M * a.sqrt().asin()
    }

    /// The distance in metres between the parallels of both.
    fn latitude_distance_m(self, other: Self) -> f64 {
        EARTH_RADIUS_M * (other.latitude * RADIANS_PER_DEGREE - self.latitude * RADIANS_PER_DEGREE).abs()
    }
}

/// A unit of length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Metres.
    M,
    /// Kilometres.
    Km,
    /// Feet.
    Ft,
    /// Miles.
    Mi,
}

impl Unit {
    /// Reads a unit, in any case. `None`: `ERR unsupported unit provided. please use M, KM, FT, MI`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let units: [(&[u8], Self); 4] =
            [(b"m", Self::M), (b"km", Self::Km), (b"ft", Self::Ft), (b"mi", Self::Mi)];
        units.into_iter().find(|(name, _)| text.eq_ignore_ascii_case(name)).map(|(_, unit)| unit)
    }

    /// Its length in metres.
    pub fn metres(self) -> f64 {
        match self {
            Self::M => 1.0,
            Self::Km => 1000.0,
            Self::Ft => 0.3048,
            Self::Mi => 1609.34,
        }
    }
}

/// Appends a distance, already divided by its unit, as replies have it: with four decimals, half to even.
pub fn push_distance(out: &mut Vec<u8>, distance: f64) {
    let scaled = (distance * 10_000.0).round_ties_even() as u64;
    write!(out, "{}.{:04}", scaled / 10_000, scaled % 10_000).expect("writing to memory does not fail");
}

/// Appends a longitude or latitude as replies have it: with seventeen decimals, without zeros at the end.
pub fn push_coordinate(out: &mut Vec<u8>, degrees: f64) {
    let text = format!("{degrees:.17}");
    out.extend_from_slice(text.trim_end_matches('0').trim_end_matches('.').as_bytes());
}

/// The bits of a score, converted as C converts a `double` to an unsigned integer on x86.
fn bits_of(score: f64) -> u64 {
    match score {
        ..0.0 => score as i64 as u64,
        ..18_446_744_073_709_551_616.0 => score as u64,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
