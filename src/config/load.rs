//! Reading redis.conf: lines, quotes, includes, and errors that name the file and the line.
//!
//! * Sources are read in order: the file, standard input, the options of the command line; a later value
//!   wins, and the lines of a list add up.
//! * A directive of Redis without effect here is taken, and said once in the notices; an unknown one stops
//!   the load. So does one that would guard the server, see `users`.
//! * Sizes are bounded: a file, how deep includes nest, and how many there are.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::change::{NOT_UTF8, split_value};
use super::kind::{Kind, WRONG_ARGUMENTS, os_message};
use super::values::Config;
use super::{table, users};
use crate::util::{file, words};

/// Longest configuration file.
pub(super) const FILE_BYTES_MAX: u64 = 16 << 20;
const INCLUDE_DEPTH_MAX: usize = 16;
const INCLUDES_MAX: usize = 1000;
const BAD_DIRECTIVE: &str = "Bad directive or wrong number of arguments";

/// A configuration ready to start with, and what the log should say about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// Sentences for the log, each said once.
    pub notices: Vec<String>,
}

/// Where a line was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file, the main one or an included one.
    File(PathBuf),
    /// Standard input.
    Stdin,
    /// The options of the command line, one line each.
    CommandLine,
}

/// Why the server cannot start with this configuration. `Display` is the whole message for the operator.
#[derive(Debug)]
pub enum LoadError {
    /// A line was refused.
    Line {
        /// Where it stands.
        origin: Origin,
        /// Its number, from 1.
        line: usize,
        /// Its text.
        text: String,
        /// Why, in Redis's words.
        reason: String,
    },
    /// A source could not be read.
    Unreadable {
        /// Its name.
        source_name: String,
        /// The system's reason.
        error: io::Error,
    },
    /// The command line itself makes no sense.
    Usage(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "'{}'", path.display()),
            Self::Stdin => f.write_str("standard input"),
            Self::CommandLine => f.write_str("the command line"),
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { origin, line, text, reason } => write!(
                f,
                "\n*** FATAL CONFIG FILE ERROR (ForgeKV {}) ***\n\
                 Reading the configuration file, at line {line} of {origin}\n>>> '{text}'\n{reason}",
                env!("CARGO_PKG_VERSION"),
            ),
            Self::Unreadable { source_name, error } => {
                write!(f, "Fatal error, can't open config file '{source_name}': {}", os_message(error))
            }
            Self::Usage(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for LoadError {}

/// A load in progress.
#[derive(Debug, Default)]
pub(super) struct Loader {
    config: Config,
    /// Names of directives without effect, in the order they were given.
    without_effect: Vec<&'static str>,
    /// Did a line give the user `default` a password?
    has_user_password: bool,
    includes: usize,
}

/// Why one line was refused: by itself, or because of a file it includes.
enum Refusal {
    Reason(String),
    Included(LoadError),
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self::Reason(reason)
    }
}

impl From<&str> for Refusal {
    fn from(reason: &str) -> Self {
        Self::Reason(reason.to_owned())
    }
}

impl Loader {
    /// Reads the main file and remembers it for CONFIG REWRITE.
    pub(super) fn main_file(&mut self, path: &Path) -> Result<(), LoadError> {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        self.file(&absolute, 0)?;
        self.config.file = Some(absolute);
        Ok(())
    }

    /// Reads lines from memory.
    pub(super) fn text(&mut self, origin: &Origin, text: &[u8], depth: usize) -> Result<(), LoadError> {
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            self.line(line.trim_ascii(), depth).map_err(|refusal| match refusal {
                Refusal::Included(error) => error,
                Refusal::Reason(reason) => LoadError::Line {
                    origin: origin.clone(),
                    line: index + 1,
                    text: shown(line.trim_ascii()),
                    reason,
                },
            })?;
        }
        Ok(())
    }

    /// Completes the values and writes the notices.
    pub(super) fn finish(mut self) -> Result<Loaded, LoadError> {
        let dir = table::find("dir").expect("the table has dir");
        if !self.config.given[dir.index] {
            self.config.assign(dir, &["."], true).map_err(|reason| {
                LoadError::Usage(format!("Fatal error, can't use the current directory: {reason}"))
            })?;
        }
        self.config.settle();
        let aclfile = self.config.value("aclfile").unwrap_or_default();
        if let Some(reason) = users::refusal(&aclfile, self.has_user_password, &self.config.requirepass) {
            return Err(LoadError::Usage(format!("Fatal error in the configuration: {reason}.")));
        }
        let notices = self.notices();
        Ok(Loaded { config: self.config, notices })
    }

    fn file(&mut self, path: &Path, depth: usize) -> Result<(), LoadError> {
        let content = file::read(path, FILE_BYTES_MAX)
            .map_err(|error| LoadError::Unreadable { source_name: path.display().to_string(), error })?;
        self.text(&Origin::File(path.to_path_buf()), &content, depth)
    }

    fn line(&mut self, line: &[u8], depth: usize) -> Result<(), Refusal> {
        if line.is_empty() || line[0] == b'#' {
            return Ok(());
        }
        let parts = words::split(line).ok_or("Unbalanced quotes in configuration line")?;
        let Some((name, values)) = parts.split_first() else { return Ok(()) };
        let found = std::str::from_utf8(name).ok().and_then(table::find).ok_or(BAD_DIRECTIVE)?;
        let values: Result<Vec<&str>, _> = values.iter().map(|value| std::str::from_utf8(value)).collect();
        let values = values.map_err(|_| NOT_UTF8)?;
        let row = &table::all()[found.index];
        if !row.applies && !self.without_effect.contains(&found.name) {
            self.without_effect.push(found.name);
        }
        match row.kind {
            Kind::Line(min, max) if !(min..=max).contains(&values.len()) => Err(BAD_DIRECTIVE.into()),
            Kind::Line(..) => self.collect(row.name, &values, depth),
            _ if !row.several && values.len() != 1 => Err(WRONG_ARGUMENTS.into()),
            _ => {
                // One quoted word may hold all of them: save "900 1 300 10".
                let words = if let [one] = values[..] { split_value(row, one) } else { values };
                Ok(self.config.assign(found, &words, true)?)
            }
        }
    }

    /// Takes a directive that may repeat.
    fn collect(&mut self, name: &str, values: &[&str], depth: usize) -> Result<(), Refusal> {
        match name {
            "include" => values.iter().try_for_each(|pattern| self.include(pattern, depth + 1))?,
            "rename-command" => {
                self.config.values.renamed_commands.push((values[0].to_owned(), values[1].to_owned()));
            }
            "user" => self.has_user_password |= users::line(values)? == users::Line::Password,
            // The others have no effect here.
            _ => {}
        }
        Ok(())
    }

    fn include(&mut self, pattern: &str, depth: usize) -> Result<(), Refusal> {
        if depth > INCLUDE_DEPTH_MAX {
            return Err(format!("Includes are nested more than {INCLUDE_DEPTH_MAX} deep").into());
        }
        for path in file::expand(Path::new(pattern)).map_err(|error| error.to_string())? {
            self.includes += 1;
            if self.includes > INCLUDES_MAX {
                return Err(format!("More than {INCLUDES_MAX} files are included").into());
            }
            self.file(&path, depth).map_err(Refusal::Included)?;
        }
        Ok(())
    }

    fn notices(&self) -> Vec<String> {
        let mut notices = Vec::new();
        let mut silent = Vec::new();
        for &name in &self.without_effect {
            let found = table::find(name).expect("the name came from the table");
            let row = &table::all()[found.index];
            if row.is_parameter() && self.config.texts[found.index] == row.default {
                silent.push(name);
            } else {
                notices
                    .push(format!("'{name}' is accepted for compatibility and has no effect: {}.", row.doc));
            }
        }
        if !silent.is_empty() {
            let names = silent.join(", ");
            notices.push(format!(
                "Accepted for compatibility, at Redis's defaults, and without effect: {names}."
            ));
        }
        if !self.config.appendonly {
            let mode = self.config.value("wal_sync_mode").unwrap_or_default();
            notices.push(format!(
                "'appendonly no': every write is still logged, and the log is what a restart reads; \
                 wal_sync_mode is '{mode}'."
            ));
        }
        notices
    }
}

/// A line as a message shows it: without its values if these are secret.
fn shown(line: &[u8]) -> String {
    // It may be refused for its quotes.
    let name = line.split(u8::is_ascii_whitespace).next().and_then(|name| std::str::from_utf8(name).ok());
    match name.and_then(|name| table::find(name.trim_matches(['"', '\'']))) {
        Some(found) if table::all()[found.index].secret => format!("{} (not shown)", found.name),
        _ => String::from_utf8_lossy(line).into_owned(),
    }
}

#[cfg(test)]
mod tests;
