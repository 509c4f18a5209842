//! CLIENT TRACKING and what belongs to it: client-side caching.

use super::call::{Call, is};
use super::error::CommandError;
use super::spec::{Arg, Command, CommandResult};
use crate::client::{ClientId, TrackMode};
use crate::pubsub::Options;

const CACHING_ARGS: &[Arg] = &[Arg::oneof("mode", &[Arg::flag("yes", "YES"), Arg::flag("no", "NO")])];
const TRACKING_ARGS: &[Arg] = &[
    Arg::oneof("status", &[Arg::flag("on", "ON"), Arg::flag("off", "OFF")]),
    Arg::integer("client-id").token("REDIRECT").optional(),
    Arg::string("prefix").token("PREFIX").optional().multiple_token(),
    Arg::flag("bcast", "BCAST").optional(),
    Arg::flag("optin", "OPTIN").optional(),
    Arg::flag("optout", "OPTOUT").optional(),
    Arg::flag("noloop", "NOLOOP").optional(),
];

/// The rows of CLIENT that are about tracking, on the base that its others have.
pub const fn rows(base: Command) -> [Command; 3] {
    [
        Command {
            name: "caching",
            since: "6.0.0",
            arity: 3,
            handler: client_caching,
            summary: "Says whether the keys that the next command reads are tracked.",
            args: CACHING_ARGS,
            ..base
        },
        Command {
            name: "tracking",
            since: "6.0.0",
            complexity: "O(1). Some options may introduce additional complexity.",
            arity: -3,
            handler: client_tracking,
            summary: "Says whether the connection is told when keys change that it has read.",
            args: TRACKING_ARGS,
            ..base
        },
        Command {
            name: "trackinginfo",
            since: "6.2.0",
            arity: 2,
            handler: client_trackinginfo,
            summary: "Tells how the connection's reads are tracked.",
            ..base
        },
    ]
}

/// The client that this one's invalidations go to: 0 itself, -1 without tracking.
pub fn redirection(call: &Call<'_>) -> i64 {
    let options = call.client.tracker().and_then(|tracker| tracker.options());
    options.map_or(-1, |options| options.redirect.map_or(0, |target| target.client as i64))
}

fn client_caching(call: &mut Call<'_>) -> CommandResult {
    let (word, mode) = (call.arg(2), call.client.listening.mode);
    if mode == TrackMode::Off {
        return Err(CommandError::CACHING_WITHOUT_TRACKING);
    }
    let needed = match () {
        () if is(word, "YES") => (TrackMode::OptIn, CommandError::CACHING_YES),
        () if is(word, "NO") => (TrackMode::OptOut, CommandError::CACHING_NO),
        () => return Err(CommandError::SYNTAX),
    };
    if mode != needed.0 {
        return Err(needed.1);
    }
    call.client.listening.caching = true;
    call.reply.ok();
    Ok(())
}

fn client_tracking(call: &mut Call<'_>) -> CommandResult {
    let (mut options, mut prefixes) = (Options::default(), Vec::new());
    let mut words = call.words(3);
    while let Some(option) = words.next() {
        if is(option, "REDIRECT") && words.left() > 0 {
            if options.redirect.is_some() {
                return Err(CommandError::ONE_REDIRECTION);
            }
            let id = words.int()?;
            let target = u64::try_from(id).ok().and_then(|id| call.state.clients.get(ClientId(id)));
            options.redirect = Some(target.ok_or(CommandError::NO_REDIRECTION_TARGET)?.address());
        } else if is(option, "BCAST") {
            options.broadcasts = true;
        } else if is(option, "OPTIN") {
            options.opt_in = true;
        } else if is(option, "OPTOUT") {
            options.opt_out = true;
        } else if is(option, "NOLOOP") {
            options.no_loop = true;
        } else if is(option, "PREFIX") && words.left() > 0 {
            prefixes.push(words.value()?);
        } else {
            return Err(CommandError::SYNTAX);
        }
    }
    let pubsub = call.state.keyspace.pubsub();
    if is(call.arg(2), "ON") {
        check_options(call, &options, &prefixes)?;
        if options.broadcasts && prefixes.is_empty() {
            prefixes.push(b"");
        }
        call.client.track(pubsub, options, &prefixes);
    } else if is(call.arg(2), "OFF") {
        call.client.stop_tracking(pubsub);
    } else {
        return Err(CommandError::SYNTAX);
    }
    call.reply.ok();
    Ok(())
}

/// Do the options fit together, and to how the client tracks already?
fn check_options(call: &Call<'_>, options: &Options, prefixes: &[&[u8]]) -> CommandResult {
    if !options.broadcasts && !prefixes.is_empty() {
        return Err(CommandError::PREFIX_WITHOUT_BCAST);
    }
    let mode = call.client.listening.mode;
    if mode != TrackMode::Off && (mode == TrackMode::Broadcasts) != options.broadcasts {
        return Err(CommandError::BCAST_SWITCHED);
    }
    if options.broadcasts && (options.opt_in || options.opt_out) {
        return Err(CommandError::BCAST_AND_OPT);
    }
    if options.opt_in && options.opt_out {
        return Err(CommandError::OPTIN_AND_OPTOUT);
    }
    if options.opt_in && mode == TrackMode::OptOut || options.opt_out && mode == TrackMode::OptIn {
        return Err(CommandError::OPT_SWITCHED);
    }
    if !options.broadcasts {
        return Ok(());
    }
    let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
    for (index, prefix) in prefixes.iter().enumerate() {
        let known = call.client.listening.prefixes.iter().filter(|known| overlap(prefix, known));
        if let Some(known) = known.min() {
            return Err(CommandError::prefix_overlap(prefix, "an existing", known));
        }
        if let Some(other) = prefixes[index + 1..].iter().find(|other| overlap(prefix, other)) {
            return Err(CommandError::prefix_overlap(prefix, "another provided", other));
        }
    }
    Ok(())
}

fn client_trackinginfo(call: &mut Call<'_>) -> CommandResult {
    let listening = &call.client.listening;
    let (mode, caching) = (listening.mode, listening.caching);
    let tracker = call.client.tracker().filter(|_| mode != TrackMode::Off);
    let mut flags = vec![if mode == TrackMode::Off { "off" } else { "on" }];
    match mode {
        TrackMode::Off | TrackMode::All => {}
        TrackMode::Broadcasts => flags.push("bcast"),
        TrackMode::OptIn if caching => flags.extend(["optin", "caching-yes"]),
        TrackMode::OptIn => flags.push("optin"),
        TrackMode::OptOut if caching => flags.extend(["optout", "caching-no"]),
        TrackMode::OptOut => flags.push("optout"),
    }
    if tracker.is_some_and(|tracker| tracker.options().is_some_and(|options| options.no_loop)) {
        flags.push("noloop");
    }
    if tracker.is_some_and(|tracker| tracker.is_broken()) {
        flags.push("broken_redirect");
    }
    let redirection = redirection(call);
    let reply = &mut call.reply;
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"redirect");
    reply.integer(redirection);
    reply.bulk(b"prefixes");
    let mut prefixes = call.client.listening.prefixes.clone();
    prefixes.sort_unstable();
    reply.array(prefixes.len());
    prefixes.iter().for_each(|prefix| reply.bulk(prefix));
    Ok(())
}
