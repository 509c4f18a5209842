//! LOLWUT: a picture that is never the same twice, and the version.
//!
//! The picture is a row of poplars on the ridge of a hill, drawn from a random walk. Any version asks for the same one, and
//! further arguments are ignored.

use super::call::{Call, is};
use super::spec::flags::*;
use super::spec::{Arg, Command, CommandResult};
use crate::util::random::Random;

const WIDTH: usize = 64;
const HEIGHT: usize = 16;

/// The family.
pub const COMMANDS: &[Command] = &[Command {
    name: "lolwut",
    since: "5.0.0",
    group: "server",
    arity: -1,
    handler: lolwut,
    summary: "Draws a picture and tells the version.",
    flags: READONLY | FAST,
    args: &[Arg::integer("version").token("VERSION").optional()],
    ..Command::NONE
}];

fn lolwut(call: &mut Call<'_>) -> CommandResult {
    if call.argv.len() > 2 && is(call.arg(1), "version") {
        call.int(2)?;
    }
    let mut text = landscape(&mut Random::seeded());
    text.push_str(&format!("Redis ver. {}\n", crate::REDIS_VERSION));
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

/// `HEIGHT` lines of `WIDTH` characters.
fn landscape(random: &mut Random) -> String {
    let mut canvas = [[' '; WIDTH]; HEIGHT];
    let mut ridge = HEIGHT - 4;
    for column in 0..WIDTH {
        ridge = (ridge + random.below(3)).clamp(HEIGHT / 2 + 1, HEIGHT - 2) - 1;
        for (row, line) in canvas.iter_mut().enumerate().skip(ridge) {
            line[column] = if row == ridge { '_' } else { [':', '.', ' '][random.below(3)] };
        }
        if column % 3 == 1 && random.below(2) == 0 {
            plant(&mut canvas, column, ridge, 2 + random.below(ridge - 2));
        }
    }
    canvas.map(|line| line.iter().collect::<String>().trim_end().to_owned() + "\n").concat()
}

/// A poplar of that height with its foot on the ridge.
fn plant(canvas: &mut [[char; WIDTH]; HEIGHT], column: usize, ridge: usize, height: usize) {
    let (top, stem) = (ridge + 1 - height, ridge);
    for line in &mut canvas[top..stem] {
        line[column] = '|';
    }
    canvas[top][column] = '^';
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_gives_a_picture_of_the_right_size() {
        for seed in 0..1_000 {
            let picture = landscape(&mut Random::new(seed));
            assert_eq!(picture.lines().count(), HEIGHT, "seed {seed}");
            assert!(picture.lines().all(|line| line.len() <= WIDTH && line.is_ascii()), "seed {seed}");
            assert!(picture.contains('_'), "seed {seed}");
        }
    }
}
