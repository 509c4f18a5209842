//! Searching an area: which cells cover it, and which members are inside.
//!
//! The area is covered by the cell of its centre and that cell's eight neighbours, with cells just large enough. Which cells, and
//! in which order, is Redis's to the letter: unsorted replies have the members in this order, and `COUNT … ANY` depends on it.

use super::cell::{Cell, STEPS_MAX};
use super::{EARTH_RADIUS_M, LATITUDE_MAX, Point, RADIANS_PER_DEGREE, Unit};

/// Half the earth's circumference on the Mercator projection.
const MERCATOR_MAX_M: f64 = 20_037_726.37;
/// The centre and its neighbours, east and north, in the order of the search.
const COVER: [(i32, i32); 9] = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];

/// What an area looks like, in its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// All within this radius.
    Circle(f64),
    /// A width along the parallels and a height along the meridian.
    Rectangle(f64, f64),
}

/// An area to search. Lengths are not negative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// Its centre.
    pub centre: Point,
    /// Its shape.
    pub shape: Shape,
    /// What the shape is measured in.
    pub unit: Unit,
}

/// Scores from `min` up to but not including `max`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    /// The least score.
    pub min: f64,
    /// The score above the greatest.
    pub max: f64,
}

impl Area {
    /// The ranges of scores that have all members of the area, among others, in the order of the search. Around half the earth
    /// some can come twice, and their members then are found twice, in Redis too.
    pub fn ranges(&self) -> Vec<ScoreRange> {
        let (south_west, north_east) = self.bounding_box();
        let mut steps = self.steps();
        let mut centre = Cell::of(self.centre, steps, LATITUDE_MAX);
        let is_covered = centre.neighbour(0, 1).corners().1.latitude >= north_east.latitude
            && centre.neighbour(0, -1).corners().0.latitude <= south_west.latitude
            && centre.neighbour(1, 0).corners().1.longitude >= north_east.longitude
            && centre.neighbour(-1, 0).corners().0.longitude <= south_west.longitude;
        if steps > 1 && !is_covered {
            steps -= 1;
            centre = Cell::of(self.centre, steps, LATITUDE_MAX);
        }
        let (low, high) = centre.corners();
        let is_useful = |&(east, north): &(i32, i32)| {
            steps < 2
                || !(north < 0 && low.latitude < south_west.latitude
                    || north > 0 && high.latitude > north_east.latitude
                    || east < 0 && low.longitude < south_west.longitude
                    || east > 0 && high.longitude > north_east.longitude)
        };
        let mut ranges = Vec::with_capacity(COVER.len());
        let mut last = None;
        for offset in COVER.iter().filter(|offset| is_useful(offset)) {
            let cell = centre.neighbour(offset.0, offset.1);
            // Redis compares with the cell before, but not with the centre.
            if last == Some(cell) {
                continue;
            }
            last = (*offset != (0, 0)).then_some(cell);
            let (min, max) = cell.scores();
            ranges.push(ScoreRange { min, max });
        }
        ranges
    }

    /// The position of a member with this score and its distance from the centre in metres, if it is inside.
    pub fn locate(&self, score: f64) -> Option<(Point, f64)> {
        let point = Point::of_score(score);
        if let Shape::Rectangle(width, height) = self.shape {
            let metres = self.unit.metres();
            if point.latitude_distance_m(self.centre) > height * metres / 2.0 {
                return None;
            }
            let on_parallel = Point { longitude: self.centre.longitude, latitude: point.latitude };
            if point.distance_m(on_parallel) > width * metres / 2.0 {
                return None;
            }
        }
        let distance = self.centre.distance_m(point);
        let is_outside =
            matches!(self.shape, Shape::Circle(radius) if distance > radius * self.unit.metres());
        (!is_outside).then_some((point, distance))
    }

    /// The corners of a box around the area. Its sides follow the parallel nearer to the pole, as that is where degrees are shortest.
    fn bounding_box(&self) -> (Point, Point) {
        let (half_width, half_height) = match self.shape {
            Shape::Circle(radius) => (radius, radius),
            Shape::Rectangle(width, height) => (width / 2.0, height / 2.0),
        };
        let Point { longitude, latitude } = self.centre;
        let metres = self.unit.metres();
        let north = metres * half_height / EARTH_RADIUS_M / RADIANS_PER_DEGREE;
        let outer = if latitude < 0.0 { latitude - north } else { latitude + north };
        let east =
            metres * half_width / EARTH_RADIUS_M / (outer * RADIANS_PER_DEGREE).cos() / RADIANS_PER_DEGREE;
        let corner = |longitude, latitude| Point { longitude, latitude };
        (corner(longitude - east, latitude - north), corner(longitude + east, latitude + north))
    }

    /// How often to halve the earth so that nine cells cover the area, in most cases.
    fn steps(&self) -> u32 {
        let radius = match self.shape {
            Shape::Circle(radius) => radius,
            Shape::Rectangle(width, height) => {
                ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt()
            }
        };
        let mut reach = radius * self.unit.metres();
        if reach == 0.0 {
            return STEPS_MAX;
        }
        let mut steps = -1;
        while reach < MERCATOR_MAX_M {
            reach *= 2.0;
            steps += 1;
        }
        // Towards the poles a cell is narrower.
        let latitude = self.centre.latitude.abs();
        steps -= i32::from(latitude > 66.0) + i32::from(latitude > 80.0);
        steps.clamp(1, STEPS_MAX as i32) as u32
    }
}
