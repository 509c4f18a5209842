//! The server's own log (not the data's): lines in Redis's format, to standard output or `logfile`.
//!
//! `pid:role date time level message`, the level as one of `.` debug, `-` verbose, `*` notice, `#` warning.

use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, OnceLock};

use nix::sys::time::TimeValLike;
use nix::time::{ClockId, clock_gettime};

use crate::config::values::LogLevel as Level;

static LEVEL: AtomicU8 = AtomicU8::new(Level::Notice as u8);
static FILE: OnceLock<Mutex<Option<File>>> = OnceLock::new();

/// Sets the least important level that is logged.
pub fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// Sends lines to `file` from here on; `None`: to standard output.
pub fn set_file(file: Option<File>) {
    *target().lock().expect("no panic happens under this leaf lock") = file;
}

fn target() -> &'static Mutex<Option<File>> {
    FILE.get_or_init(|| Mutex::new(None))
}

/// For whoever debugs the server.
pub fn debug(message: &str) {
    line(Level::Debug, '.', message);
}

/// Details.
pub fn verbose(message: &str) {
    line(Level::Verbose, '-', message);
}

/// What an operator should find in the log.
pub fn notice(message: &str) {
    line(Level::Notice, '*', message);
}

/// What an operator must see.
pub fn warning(message: &str) {
    line(Level::Warning, '#', message);
}

fn line(level: Level, mark: char, message: &str) {
    if (level as u8) < LEVEL.load(Ordering::Relaxed) {
        return;
    }
    let text = format!("{}:M {} {mark} {message}\n", std::process::id(), timestamp());
    let mut target = target().lock().expect("no panic happens under this leaf lock");
    // A log that cannot be written has no place to say so.
    let _ = match target.as_mut() {
        Some(file) => file.write_all(text.as_bytes()),
        None => std::io::stdout().lock().write_all(text.as_bytes()),
    };
}

/// `21 Nov 2026 00:21:04.123`, in UTC.
fn timestamp() -> String {
    let millis = clock_gettime(ClockId::CLOCK_REALTIME).map_or(0, |now| now.num_milliseconds());
    format_utc(millis)
}

fn format_utc(unix_ms: i64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, ms) = (unix_ms.div_euclid(86_400_000), unix_ms.rem_euclid(86_400_000));
    // Civil date from a day count (Howard Hinnant's days algorithms), in eras of 400 years that start in March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = (shifted_month + 2) % 12;
    let year = year_of_era + era * 400 + i64::from(month < 2);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    let month = MONTHS[month as usize];
    format!("{day:02} {month} {year} {hour:02}:{minute:02}:{second:02}.{:03}", ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_civil() {
        assert_eq!(format_utc(0), "01 Jan 1970 00:00:00.000");
        assert_eq!(format_utc(951_782_400_123), "29 Feb 2000 00:00:00.123");
        assert_eq!(format_utc(1_795_392_000_000 - 1), "22 Nov 2026 23:59:59.999");
    }
}
