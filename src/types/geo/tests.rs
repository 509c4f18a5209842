//! Positions against Redis 7: scores, texts, coverings with their order, distances.

use super::*;
use crate::util::random::Random;

fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

const FNV: u64 = 0xcbf2_9ce4_8422_2325;

fn at(longitude: f64, latitude: f64) -> Point {
    Point::new(longitude, latitude).unwrap()
}

/// Half of them near Palermo.
fn random_point(random: &mut Random) -> Point {
    if random.below(2) > 0 {
        let longitude = 13.361_389 + random.fraction() * 2.0 - 1.0;
        return at(longitude, 38.115_556 + random.fraction() * 2.0 - 1.0);
    }
    let longitude = random.fraction() * 360.0 - 180.0;
    at(longitude, random.fraction() * 170.0 - 85.0)
}

/// A sorted set: scores with names, in Redis's order.
struct Set(Vec<(f64, String)>);

impl Set {
    fn new(members: impl IntoIterator<Item = (f64, String)>) -> Self {
        let mut members: Vec<_> = members.into_iter().collect();
        members.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
        Self(members)
    }

    /// What GEOSEARCH WITHDIST replies.
    fn search(&self, area: &Area) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for range in area.ranges() {
            for (score, name) in self.0.iter().filter(|(score, _)| (range.min..range.max).contains(score)) {
                if let Some((_, distance)) = area.locate(*score) {
                    let mut text = Vec::new();
                    push_distance(&mut text, distance / area.unit.metres());
                    found.push((name.clone(), String::from_utf8(text).unwrap()));
                }
            }
        }
        found
    }
}

#[test]
fn scores_texts_and_searches_are_those_of_redis() {
    let seed = 2024;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let mut digest = FNV;
    let set = Set::new((0..3000).map(|number| {
        let score = random_point(&mut random).score();
        let geohash = String::from_utf8(Point::of_score(score).geohash().to_vec()).unwrap();
        digest = fnv(digest, format!("{score} {geohash}\n").as_bytes());
        (score, format!("m{number}"))
    }));
    assert_eq!(digest, 0x07e2_cdb3_17ae_bc77);
    let (mut digest, mut total) = (FNV, 0);
    for _ in 0..600 {
        let centre = random_point(&mut random);
        let unit = [Unit::M, Unit::Km, Unit::Ft, Unit::Mi][random.below(4)];
        let size = 10f64.powf(random.fraction() * 5.5 + 2.0) / unit.metres();
        let shape = if random.below(2) == 0 {
            Shape::Circle(size)
        } else {
            Shape::Rectangle(size, size * (0.2 + random.fraction() * 3.0))
        };
        let found = set.search(&Area { centre, shape, unit });
        total += found.len();
        let lines: String = found.iter().map(|(name, distance)| format!("{name} {distance}\n")).collect();
        digest = fnv(digest, format!("{lines}.").as_bytes());
    }
    assert_eq!((digest, total), (0xab9c_5109_4a84_5c65, 326_792));
}

#[test]
fn the_edges_of_the_earth_are_as_in_redis() {
    let points = [
        (180.0, 85.051_128_78, 13_510_798_882_111_488.0, "bp05b5048p0"),
        (180.0, 0.0, 10_133_099_161_583_616.0, "80000000000"),
        (0.0, 85.051_128_78, 6_755_399_441_055_744.0, "up05b5048p0"),
        (-180.0, -85.051_128_78, 0.0, "00bh0hbj200"),
        (0.0, 0.0, 3_377_699_720_527_872.0, "s0000000000"),
        (-180.0, 0.0, 1_125_899_906_842_624.0, "80000000000"),
        (179.9999, 0.0, 4_128_299_658_422_434.0, "xbpbpbpbj80"),
    ];
    for (longitude, latitude, score, geohash) in points {
        assert_eq!(at(longitude, latitude).score(), score);
        assert_eq!(Point::of_score(score).geohash(), geohash.as_bytes(), "{geohash}");
    }
    let set = Set::new(points.iter().enumerate().map(|(index, point)| (point.2, format!("e{index}"))));
    let search = |longitude, latitude, shape, unit| {
        let area = Area { centre: at(longitude, latitude), shape, unit };
        let found = set.search(&area).into_iter().map(|(name, distance)| format!("{name} {distance}"));
        found.collect::<Vec<_>>().join(", ")
    };
    use Shape::{Circle, Rectangle};
    assert_eq!(search(180.0, 0.0, Circle(100.0), Unit::Km), "e1 0.0001, e6 0.0110");
    assert_eq!(search(-180.0, 0.0, Circle(100.0), Unit::Km), "e5 0.0003, e6 0.0110");
    assert_eq!(search(0.0, 85.051_128_78, Rectangle(9000.0, 9000.0), Unit::Km), "e2 0.0000");
    let half = "e4 0.0003, e6 20020.7230, e5 20020.7337, e3 10560.8118";
    assert_eq!(search(0.0, 0.0, Circle(30_000.0), Unit::Km), half);
    assert_eq!(search(0.0, 0.0, Rectangle(40_000.0, 1.0), Unit::Km), "e4 0.0003");
    assert_eq!(search(180.0, 85.051_128_78, Circle(0.0), Unit::M), "e0 0.0000");
    assert_eq!(search(0.0, 85.05, Circle(3_000.0), Unit::Km), "");
}

#[test]
fn any_score_is_a_position_as_in_redis() {
    let cases = [
        (-1.0, "bp05b5048p0", 180.0),
        (1e300, "00bh0hbj200", -179.999_997_317_790_99),
        (-1e300, "00bh0hbj200", 180.0),
        (f64::INFINITY, "00bh0hbj200", -179.999_997_317_790_99),
        (f64::NEG_INFINITY, "00bh0hbj200", 180.0),
        (9_223_372_036_854_775_808.0, "00bh0hbj200", 180.0),
        (1.5e19, "bp05b5048p0", 180.0),
        (18_446_744_073_709_551_616.0, "00bh0hbj200", -179.999_997_317_790_99),
        (10_133_099_161_583_616.0, "80000000000", 180.0),
        (3_471_579_339_700_058.0, "sp3694g26q0", 1.806_325_614_452_362),
        (1.75, "00bh0hbj210", -179.999_997_317_790_99),
    ];
    for (score, geohash, longitude) in cases {
        let point = Point::of_score(score);
        assert_eq!((&point.geohash()[..], point.longitude()), (geohash.as_bytes(), longitude), "{score}");
    }
}

#[test]
fn coordinates_are_printed_as_redis_prints_them() {
    let text = |degrees| {
        let mut out = Vec::new();
        push_coordinate(&mut out, degrees);
        String::from_utf8(out).unwrap()
    };
    let palermo = Point::of_score(at(13.361_389, 38.115_556).score());
    assert_eq!(text(palermo.longitude()), "13.36138933897018433");
    assert_eq!(text(palermo.latitude()), "38.11555639549629859");
    let corner = Point::of_score(0.0);
    assert_eq!(text(corner.longitude()), "-179.99999731779098511");
    assert_eq!(text(Point::of_score(-1.0).latitude()), "85.0511287799999991");
    assert_eq!((text(180.0), text(0.0)), ("180".to_owned(), "0".to_owned()));
}

#[test]
fn coordinates_beyond_the_limits_are_refused() {
    assert!(Point::new(180.0, -85.051_128_78).is_some());
    for (longitude, latitude) in [(180.1, 0.0), (-180.1, 0.0), (0.0, 85.06), (0.0, -85.06), (f64::NAN, 0.0)] {
        assert_eq!(Point::new(longitude, latitude), None);
    }
}

#[test]
fn distances_are_those_of_the_manual() {
    let palermo = Point::of_score(at(13.361_389, 38.115_556).score());
    let catania = Point::of_score(at(15.087_269, 37.502_669).score());
    for (unit, expected) in
        [("m", "166274.1516"), ("KM", "166.2742"), ("mi", "103.3182"), ("Ft", "545518.8700")]
    {
        let mut text = Vec::new();
        push_distance(
            &mut text,
            palermo.distance_m(catania) / Unit::parse(unit.as_bytes()).unwrap().metres(),
        );
        assert_eq!(text, expected.as_bytes());
    }
    assert_eq!(Unit::parse(b"kilometres"), None);
    let mut text = Vec::new();
    push_distance(&mut text, 0.0);
    assert_eq!(text, b"0.0000");
}

#[test]
fn ranges_hold_whatever_the_size() {
    let seed = 99;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    for _ in 0..2_000 {
        let size = 10f64.powf(random.fraction() * 320.0 - 10.0);
        let shape =
            if random.below(2) == 0 { Shape::Circle(size) } else { Shape::Rectangle(size, 1.0 / size) };
        let centre = random_point(&mut random);
        let ranges = Area { centre, shape, unit: Unit::Mi }.ranges();
        assert!((1..=9).contains(&ranges.len()));
        assert!(ranges.iter().all(|range| range.min < range.max));
        let score = centre.score();
        assert!(ranges.iter().any(|range| (range.min..range.max).contains(&score)), "{centre:?} {size}");
    }
}
