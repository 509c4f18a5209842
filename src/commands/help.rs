//! HELP of every container command, made from its rows: one line of usage and one of explanation a subcommand.
//!
//! The first and the last two lines are Redis's; what stands between them is as exact as the rows are, and in our words.

use super::call::Call;
use super::spec::flags::{LOADING, STALE};
use super::spec::{Arg, ArgKind, Command, CommandResult};
use super::table::table;

/// The row of a container's HELP subcommand that Redis `since` has; `base` is the family's.
pub const fn help_row(since: &'static str, base: Command) -> Command {
    Command {
        name: "help",
        since,
        arity: 2,
        handler: help,
        summary: "Prints this help.",
        flags: LOADING | STALE,
        ..base
    }
}

/// Answers the help of the container that the called subcommand belongs to, an array of statuses.
pub fn help(call: &mut Call<'_>) -> CommandResult {
    let container = call.command.parent.and_then(|id| table().row(id)).unwrap_or(call.command);
    let lines = lines(container.command);
    call.reply.array(lines.len());
    for line in &lines {
        call.reply.simple(line);
    }
    Ok(())
}

fn lines(container: &Command) -> Vec<String> {
    let name = container.name.to_uppercase();
    let mut lines = vec![format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")];
    for subcommand in container.subcommands.iter().filter(|subcommand| subcommand.name != "help") {
        lines.push(usage(subcommand));
        lines.push(format!("    {}", subcommand.summary));
    }
    lines.push("HELP".to_owned());
    lines.push("    Prints this help.".to_owned());
    lines
}

/// `SETINFO <LIB-NAME libname | LIB-VER libver>`
fn usage(command: &Command) -> String {
    let mut words = vec![command.name.to_uppercase()];
    words.extend(command.args.iter().map(usage_of));
    words.join(" ")
}

/// One argument, in brackets when it may be left out.
fn usage_of(arg: &Arg) -> String {
    if arg.is_optional { format!("[{}]", shown(arg)) } else { shown(arg) }
}

/// One argument: `a | b` is a choice, `...` is repeated.
fn shown(arg: &Arg) -> String {
    let mut text = match arg.kind {
        ArgKind::PureToken => String::new(),
        ArgKind::OneOf => {
            let choices = arg.args.iter().map(shown).collect::<Vec<_>>().join(" | ");
            // The brackets of what may be left out already hold a choice without a token together.
            if arg.is_optional && arg.token.is_empty() { choices } else { format!("<{choices}>") }
        }
        ArgKind::Block => arg.args.iter().map(usage_of).collect::<Vec<_>>().join(" "),
        _ => format!("<{}>", arg.name),
    };
    if arg.is_multiple && !arg.is_multiple_token {
        text = repeated(&text);
    }
    text = match (arg.token, text.as_str()) {
        ("", _) => text,
        (token, "") => token.to_owned(),
        (token, _) => format!("{token} {text}"),
    };
    if arg.is_multiple_token { repeated(&text) } else { text }
}

fn repeated(text: &str) -> String {
    // What is long is not said twice.
    if text.len() > 40 { format!("{text} [...]") } else { format!("{text} [{text} ...]") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Command = Command { group: "test", ..Command::NONE };

    const CONTAINER: Command = Command {
        name: "thing",
        subcommands: &[
            Command {
                name: "do",
                summary: "Does it.",
                args: &[
                    Arg::oneof("mode", &[Arg::flag("on", "ON"), Arg::flag("off", "OFF")]),
                    Arg::integer("id").token("ID").optional().multiple(),
                    Arg::string("prefix").token("PREFIX").optional().multiple_token(),
                    Arg::oneof("end", &[Arg::flag("now", "NOW"), Arg::integer("ms")]).optional(),
                    Arg::block("pair", &[Arg::string("name"), Arg::string("value")]).multiple(),
                ],
                ..BASE
            },
            help_row("5.0.0", BASE),
        ],
        ..BASE
    };

    #[test]
    fn help_has_a_frame_and_two_lines_for_each_subcommand() {
        let expected = [
            "THING <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "DO <ON | OFF> [ID <id> [<id> ...]] [PREFIX <prefix> [PREFIX <prefix> ...]] [NOW | <ms>] <name> <value> \
             [<name> <value> ...]",
            "    Does it.",
            "HELP",
            "    Prints this help.",
        ];
        assert_eq!(lines(&CONTAINER), expected);
    }
}
