//! The configuration: redis.conf and the command line in, one snapshot of plain fields out.
//!
//! * One table ([`table`]) declares every directive; nothing else lists their names.
//! * [`Config`] is a complete set of values. It is checked as a whole, and never changed once it is
//!   published.
//! * [`ConfigCell`] is what the running server shares. A worker compares one version counter and reads plain
//!   fields; it takes no lock for a command.
//! * CONFIG SET is all or nothing: a copy is changed, the subscribers apply it, and only then is it
//!   published.
//! * CONFIG REWRITE keeps comments and order, and replaces the file atomically and durably.
//! * No input panics: files and arguments are bounded, and every error names the file, the line and the
//!   reason.
//!
//! It does not apply anything: who owns the thing a parameter is about compares the old snapshot with the new
//! one. It does not know commands either: the words of `rename-command` are kept for their owner.
//!
//! Reading order: [`table`] (what there is), [`values`] (what the server reads), [`kind`] (how a value is
//! checked), [`load`] and [`args`] (start), [`change`] (CONFIG GET and SET), [`cell`], [`rewrite`].

pub mod args;
pub mod cell;
pub mod change;
pub mod kind;
pub mod load;
pub mod rewrite;
pub mod table;
mod users;
pub mod values;

pub use args::{Invocation, from_args, help, version};
pub use cell::{ConfigCell, ConfigReader};
pub use change::{Asker, SetError};
pub use load::{LoadError, Loaded};
pub use rewrite::RewriteError;
pub use values::Config;
