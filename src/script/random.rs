//! `math.random` as scripts expect it: the 48-bit generator of POSIX's `lrand48`, whose sequence is the same after every start.

/// The generator.
pub struct Lrand48 {
    state: u64,
}

/// One more than the largest number that [`Lrand48::draw`] gives.
const RANGE: u64 = 1 << 31;

impl Default for Lrand48 {
    fn default() -> Self {
        Lrand48 { state: 0x1234_abcd_330e }
    }
}

impl Lrand48 {
    /// As after `srand48(seed)`.
    pub fn new(seed: i32) -> Self {
        Lrand48 { state: u64::from(seed as u32) << 16 | 0x330e }
    }

    /// The next number below 2³¹.
    pub fn draw(&mut self) -> u32 {
        self.state = (self.state.wrapping_mul(0x5_DEEC_E66D).wrapping_add(0xb)) & ((1 << 48) - 1);
        (self.state >> 17) as u32
    }

    /// The next number in [0, 1), as `math.random()` without arguments.
    pub fn fraction(&mut self) -> f64 {
        let max = (RANGE - 1) as u32;
        f64::from(self.draw() % max) / f64::from(max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_posix() {
        let mut random = Lrand48::new(0);
        assert_eq!([random.draw(), random.draw(), random.draw()], [366_850_414, 1_610_402_240, 206_956_554]);
        let mut random = Lrand48::default();
        assert_eq!([random.draw(), random.draw()], [851_401_618, 1_804_928_587]);
    }
}
