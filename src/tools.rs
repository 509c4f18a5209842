//! What the binary does beside serving: `check`, `repair` and `backup` of a dataset that no server has open.
//!
//! Results go to standard output, reasons why there are none to standard error. The exit code is a success only if the dataset
//! is undamaged, could be repaired, or was copied.

use std::fmt::Display;
use std::io::{Write, stderr, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use storage::fs::os::Os;

use crate::config::Loaded;
use crate::config::values::LogLevel;
use crate::server;
use crate::util::log;

/// `forgekv check DIR`: says what is in a dataset, and all that is damaged.
pub fn check(dir: &Path) -> ExitCode {
    match storage::check(Arc::new(Os), dir) {
        Ok(checked) if checked.damage.is_empty() => say(&checked),
        Ok(checked) => {
            say(&checked);
            ExitCode::FAILURE
        }
        Err(error) => refuse(&error),
    }
}

/// `forgekv repair DIR`: takes out what cannot be read, and says what that was.
pub fn repair(dir: &Path) -> ExitCode {
    match storage::repair(Arc::new(Os), dir) {
        Ok(lost) if lost.is_empty() => say(&"There was nothing to repair."),
        Ok(lost) => say(&format!("Lost, or set aside:\n{}", lost.join("\n"))),
        Err(error) => refuse(&error),
    }
}

/// `forgekv backup DIR DEST`: copies a dataset.
pub fn backup(loaded: Loaded, to: &Path) -> ExitCode {
    // What a start says would be in the way of what this says.
    log::set_level(LogLevel::Warning);
    match server::backup(loaded.config, to) {
        Ok(keys) => say(&format!("{keys} keys are in {}.", to.display())),
        Err(sentence) => refuse(&sentence),
    }
}

fn say(text: &dyn Display) -> ExitCode {
    match writeln!(stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn refuse(reason: &dyn Display) -> ExitCode {
    // Nothing is left to do when even this cannot be said.
    let _ = writeln!(stderr(), "{reason}");
    ExitCode::FAILURE
}
