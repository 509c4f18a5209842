//! Cells: the earth halved in both directions, up to 26 times.

use super::{LATITUDE_MAX, LONGITUDE_MAX, Point};

/// How often the earth is halved for a score.
pub(super) const STEPS_MAX: u32 = 26;

/// A cell by its column and row, counted from the south-west corner. At the eastern and northern edges they are one too high,
/// and then they have a bit more than steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    longitude: u32,
    latitude: u32,
    steps: u32,
}

impl Cell {
    /// The cell of a point after so many steps, where latitudes reach ±`latitude_max`.
    pub(super) fn of(point: Point, steps: u32, latitude_max: f64) -> Self {
        let part = |degrees: f64, max: f64| ((degrees + max) / (max + max) * scale(steps)) as u32;
        Self {
            longitude: part(point.longitude, LONGITUDE_MAX),
            latitude: part(point.latitude, latitude_max),
            steps,
        }
    }

    /// The cell of a score's bits.
    pub(super) fn of_bits(bits: u64) -> Self {
        Self { longitude: every_other_bit(bits >> 1), latitude: every_other_bit(bits), steps: STEPS_MAX }
    }

    /// Both numbers, interleaved.
    pub(super) fn bits(self) -> u64 {
        spread(self.latitude) | spread(self.longitude) << 1
    }

    /// The least score of the cell, and the least above it.
    pub(super) fn scores(self) -> (f64, f64) {
        let shift = 2 * (STEPS_MAX - self.steps);
        ((self.bits() << shift) as f64, ((self.bits() + 1) << shift) as f64)
    }

    /// The cell so many columns to the east and so many rows to the north, around the earth.
    pub(super) fn neighbour(self, east: i32, north: i32) -> Self {
        let moved = |number: u32, by: i32| match by {
            0 => number,
            _ => number.wrapping_add_signed(by) & ((1 << self.steps) - 1),
        };
        Self { longitude: moved(self.longitude, east), latitude: moved(self.latitude, north), ..self }
    }

    /// Its south-west and its north-east corner.
    pub(super) fn corners(self) -> (Point, Point) {
        let degrees = |number: u32, max: f64| -max + f64::from(number) / scale(self.steps) * (max + max);
        let corner = |add: u32| Point {
            longitude: degrees(self.longitude.wrapping_add(add), LONGITUDE_MAX),
            latitude: degrees(self.latitude.wrapping_add(add), LATITUDE_MAX),
        };
        (corner(0), corner(1))
    }
}

fn scale(steps: u32) -> f64 {
    f64::from(1u32 << steps)
}

/// Puts a zero above each bit.
fn spread(number: u32) -> u64 {
    let mut bits = u64::from(number);
    for (shift, mask) in [
        (16, 0x0000_FFFF_0000_FFFF),
        (8, 0x00FF_00FF_00FF_00FF),
        (4, 0x0F0F_0F0F_0F0F_0F0F),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ] {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// The bits 0, 2, 4 …, together.
fn every_other_bit(bits: u64) -> u32 {
    let mut bits = bits & 0x5555_5555_5555_5555;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0F0F_0F0F_0F0F_0F0F),
        (4, 0x00FF_00FF_00FF_00FF),
        (8, 0x0000_FFFF_0000_FFFF),
        (16, 0x0000_0000_FFFF_FFFF),
    ] {
        bits = (bits | bits >> shift) & mask;
    }
    bits as u32
}
