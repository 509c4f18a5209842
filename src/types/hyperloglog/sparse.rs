//! Runs of equal registers: finding one, splitting it, and joining its neighbours exactly as Redis does.
//!
//! The layout is drawn in the parent's documentation. Redis joins greedily and only near a change, so the bytes depend on the order
//! of the additions; they must be the same here, or a digest of the value would differ between servers.

use super::{Corrupt, HEADER_LEN, REGISTERS};

/// The runs of no elements: one of 16384 zeros.
pub(super) const EMPTY: [u8; 2] = [0x7F, 0xFF];
/// The highest value that a run can have.
const VALUE_MAX: u8 = 32;
/// The longest run of a value.
const VALUE_RUN_MAX: usize = 4;
/// The longest run of zeros in one byte.
const SHORT_ZEROS_MAX: usize = 64;
/// How many runs are looked at for joining, from the one before the change on.
const JOIN_SCAN: usize = 5;

/// Registers of equal value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) value: u8,
    pub(super) len: usize,
    /// Bytes that it takes.
    width: usize,
}

/// A run's place, from where a search may begin. The default is the first run.
///
/// After [`raise`] it stands two runs before the one that changed. A search for a higher register therefore meets the run before
/// its own, which joining begins with. Without this, PFMERGE into a sparse value would search from the beginning for every register.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    at: usize,
    first: usize,
}

impl Default for Cursor {
    fn default() -> Self {
        Self { at: HEADER_LEN, first: 0 }
    }
}

/// Calls `visit` with the first register of every run, and the run.
///
/// # Errors
/// [`Corrupt`] if the runs are not all registers. Runs before the wrong one are visited.
pub(super) fn each_run(hll: &[u8], mut visit: impl FnMut(usize, Run)) -> Result<(), Corrupt> {
    let (mut at, mut first) = (HEADER_LEN, 0);
    while at < hll.len() {
        let run = run_at(hll, at).filter(|run| first + run.len <= REGISTERS).ok_or(Corrupt)?;
        visit(first, run);
        (at, first) = (at + run.width, first + run.len);
    }
    if first == REGISTERS { Ok(()) } else { Err(Corrupt) }
}

/// The runs as text.
pub(super) fn decode(hll: &[u8]) -> String {
    let mut texts = Vec::new();
    let mut at = HEADER_LEN;
    while let Some(run) = run_at(hll, at) {
        texts.push(match run {
            Run { value: 0, len, width: 1 } => format!("z:{len}"),
            Run { value: 0, len, .. } => format!("Z:{len}"),
            Run { value, len, .. } => format!("v:{value},{len}"),
        });
        at += run.width;
    }
    texts.join(" ")
}

/// Raises a register to `value` and says whether it was lower. `None`: it must be raised, and a dense one must take it.
pub(super) fn raise(
    hll: &mut Vec<u8>,
    cursor: &mut Cursor,
    index: usize,
    value: u8,
    max_bytes: usize,
) -> Result<Option<bool>, Corrupt> {
    if value > VALUE_MAX {
        return Ok(None);
    }
    let (before, here, run) = find(hll, cursor, index)?;
    if run.value >= value {
        return Ok(Some(false));
    }
    let (bytes, len) = split(run, index - here.first, value);
    if len > run.width && hll.len() + len - run.width > max_bytes {
        return Ok(None);
    }
    hll.splice(here.at..here.at + run.width, bytes[..len].iter().copied());
    join(hll, before.at);
    Ok(Some(true))
}

/// The run with the register `index` and the run before it, which is itself if it is the first one.
fn find(hll: &[u8], cursor: &mut Cursor, index: usize) -> Result<(Cursor, Cursor, Run), Corrupt> {
    let mut trail = [*cursor; 2];
    let mut here = *cursor;
    loop {
        let run = run_at(hll, here.at).ok_or(Corrupt)?;
        if index < here.first + run.len {
            *cursor = trail[0];
            return Ok((trail[1], here, run));
        }
        trail = [trail[1], here];
        here = Cursor { at: here.at + run.width, first: here.first + run.len };
    }
}

/// What becomes of a run when its register at `offset` is raised to `value`: bytes and their number.
fn split(run: Run, offset: usize, value: u8) -> ([u8; 5], usize) {
    let (mut bytes, mut len) = ([0; 5], 0);
    for (value, registers) in [(run.value, offset), (value, 1), (run.value, run.len - offset - 1)] {
        if registers == 0 {
            continue;
        }
        let count = (registers - 1) as u16;
        if value > 0 {
            bytes[len] = value_run(value, registers);
        } else if registers <= SHORT_ZEROS_MAX {
            bytes[len] = count as u8;
        } else {
            bytes[len..len + 2].copy_from_slice(&(0x4000 | count).to_be_bytes());
            len += 1;
        }
        len += 1;
    }
    (bytes, len)
}

/// Joins runs of the same value, among the few from `at` on.
fn join(hll: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOIN_SCAN {
        let Some(run) = run_at(hll, at) else { return };
        let next = run_at(hll, at + run.width);
        match next.filter(|next| run.value > 0 && run.value == next.value) {
            Some(next) if run.len + next.len <= VALUE_RUN_MAX => {
                hll[at + 1] = value_run(run.value, run.len + next.len);
                hll.remove(at);
            }
            _ => at += run.width,
        }
    }
}

fn value_run(value: u8, len: usize) -> u8 {
    0x80 | (value - 1) << 2 | (len - 1) as u8
}

/// The run at `at`; `None` at the end, and where a run is cut off.
fn run_at(hll: &[u8], at: usize) -> Option<Run> {
    let byte = *hll.get(at)?;
    Some(match byte {
        0..0x40 => Run { value: 0, len: usize::from(byte) + 1, width: 1 },
        0x40..0x80 => Run {
            value: 0,
            len: (usize::from(byte & 0x3F) << 8 | usize::from(*hll.get(at + 1)?)) + 1,
            width: 2,
        },
        _ => Run { value: (byte >> 2 & 0x1F) + 1, len: usize::from(byte & 3) + 1, width: 1 },
    })
}
