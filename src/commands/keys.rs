//! To come.

use super::spec::Command;

/// The family.
pub const COMMANDS: &[Command] = &[];
