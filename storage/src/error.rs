//! The engine's errors, told apart by what the caller can do about them.

use std::path::{Path, PathBuf};
use std::{fmt, io};

/// Why the engine could not do what it was asked.
#[derive(Debug)]
pub enum Error {
    /// The operating system refused an operation. Before serving: fix the cause and start again.
    Io {
        /// What was tried, as a verb: "write", "sync".
        op: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Bytes on disk are not what the engine wrote. Nothing was changed; the operator must decide.
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// Where the damage begins.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// Another engine has the directory open.
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The log failed earlier and takes no more records; only a restart helps.
    Poisoned {
        /// The first failure, as a sentence.
        cause: String,
    },
    /// The engine was closed.
    Closed,
}

impl Error {
    pub(crate) fn io(op: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { op, path: path.to_path_buf(), source }
    }

    pub(crate) fn corrupt(path: &Path, offset: u64, what: impl Into<String>) -> Self {
        Self::Corrupt { path: path.to_path_buf(), offset, what: what.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { op, path, source } => {
                write!(f, "Cannot {op} {}: {source}; {}.", path.display(), remedy(source))
            }
            Self::Corrupt { path, offset, what } => write!(
                f,
                "{} is damaged at byte {offset}: {what}; restore the directory from a backup, or repair it.",
                path.display()
            ),
            Self::Locked { path } => write!(
                f,
                "{} is locked: another server is using this directory; stop it, or choose another directory.",
                path.display()
            ),
            Self::Poisoned { cause } => write!(f, "The log has stopped after a failure: {cause}"),
            Self::Closed => write!(f, "The storage engine is closed."),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// What an operator can do about a system error.
fn remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "give the server's user permission to write there"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on the disk",
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => "check that the directory exists",
        io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty => "choose a name that is not taken",
        _ => "check the disk and the kernel's messages, then start again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_is_a_sentence_that_says_where_and_what_to_do() {
        let path = Path::new("/data/LOCK");
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let cases = [
            (Error::io("open", path, denied), "Cannot open /data/LOCK: permission denied; give the"),
            (
                Error::io("make a backup in", path, io::ErrorKind::DirectoryNotEmpty.into()),
                "Cannot make a backup in /data/LOCK: directory not empty; choose a name that",
            ),
            (Error::corrupt(path, 7, "a bad checksum"), "/data/LOCK is damaged at byte 7: a bad checksum;"),
            (Error::Locked { path: path.into() }, "/data/LOCK is locked: another server"),
            (Error::Poisoned { cause: "No.".into() }, "The log has stopped after a failure: No."),
            (Error::Closed, "The storage engine is closed."),
        ];
        for (error, start) in cases {
            let text = error.to_string();
            assert!(text.starts_with(start) && text.ends_with('.'), "{text}");
        }
    }
}
