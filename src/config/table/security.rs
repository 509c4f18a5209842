//! Rows: the password, users, and who may do what.

use super::super::values::{ProtectedAction, Values};
use super::{Directive, PROTECTED_ACTION, accepted, here, int, word};
use crate::config::kind::Kind;

pub(super) const ROWS: &[Directive] = &[
    here(
        "requirepass",
        Kind::Text,
        "",
        |v, text| v.requirepass = text.to_owned(),
        "Password of the default user; empty for none.",
    )
    .secret(),
    accepted("user", Kind::Line(1, usize::MAX), "", USERS).secret(),
    accepted("aclfile", Kind::Text, "", USERS).immutable(),
    accepted("acllog-max-len", int(i64::MAX), "128", USERS),
    accepted("acl-pubsub-default", Kind::Choice(&["allchannels", "resetchannels"]), "resetchannels", USERS),
    // It repeats: the loader collects its words.
    Directive {
        applies: true,
        ..accepted("rename-command", Kind::Line(2, 2), "", "Gives a command another name, or none at all.")
    },
    here(
        "enable-protected-configs",
        PROTECTED_ACTION,
        "no",
        |v, text| v.enable_protected_configs = action(text),
        "Who may change `dir` and `dbfilename` at run time.",
    )
    .immutable(),
    here(
        "enable-debug-command",
        PROTECTED_ACTION,
        "no",
        |v: &mut Values, text| v.enable_debug_command = action(text),
        "Who may use DEBUG.",
    )
    .immutable(),
    accepted("enable-module-command", PROTECTED_ACTION, "no", MODULES).immutable(),
    accepted("loadmodule", Kind::Line(1, usize::MAX), "", MODULES),
];

const USERS: &str = "there is no user but `default`, who may do everything; `requirepass` is its password";
const MODULES: &str = "modules are not supported and are not loaded";

fn action(text: &str) -> ProtectedAction {
    word(
        text,
        &[("no", ProtectedAction::No), ("yes", ProtectedAction::Yes), ("local", ProtectedAction::Local)],
    )
}
