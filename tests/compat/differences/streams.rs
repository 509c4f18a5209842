//! What may differ about streams: times, and what Redis changed between 7.0 and 7.4.

use super::{ANYWHERE, Allowed, CLOCK_SLACK_MS, near};
use crate::compat::target::is;
use crate::support::Value;

pub(super) const ALLOWED: &[Allowed] = &[
    Allowed {
        commands: &["xpending", "xinfo|stream", "xinfo|groups", "xinfo|consumers"],
        reason: "times are of the moment of a command; 7.2 added when a consumer last got an entry, 7.4 corrected lags",
        same: same_but_times,
        ..ANYWHERE
    },
    Allowed {
        commands: &["xread", "xreadgroup"],
        reason: "since 7.2 the error names the command",
        same: |a, b| starts(a, "ERR Unbalanced XREAD list") && starts(b, "ERR Unbalanced 'xread"),
        ..ANYWHERE
    },
    Allowed {
        commands: &["xadd"],
        reason: "7.0 words the refusal of a partial id in a millisecond that is full by what failed before",
        only: |argv| argv.iter().any(|arg| arg.ends_with(b"-*")),
        same: |a, b| {
            starts(a, "ERR Elements are too large") && starts(b, "ERR The ID specified in XADD is equal")
        },
        ..ANYWHERE
    },
    Allowed {
        commands: &["xsetid"],
        reason: "7.2 refuses an id below the greatest deleted one",
        same: |a, b| {
            let is_compared =
                *a == Value::simple("OK") || starts(a, "ERR The ID specified in XSETID is smaller than");
            is_compared && starts(b, "ERR The ID specified in XSETID is smaller than current")
        },
        ..ANYWHERE
    },
    Allowed {
        commands: STREAM_COMMANDS,
        reason: "what follows from an id that 7.0 lets XSETID set back below the greatest deleted one",
        after: Some(|argv, a, b| {
            is(argv, 0, "XSETID") && *a == Value::simple("OK") && b.as_error().is_some()
        }),
        same: |_, _| true,
        ..ANYWHERE
    },
    Allowed {
        commands: &["xinfo|stream", "xinfo|groups", "xinfo|consumers", "xgroup|createconsumer"],
        reason: "since 7.2 who claims or reads becomes a consumer even if there is nothing",
        after: Some(|argv, a, _| {
            let may_create = ["XCLAIM", "XAUTOCLAIM", "XREADGROUP"].iter().any(|name| is(argv, 0, name));
            may_create && a.as_error().is_none()
        }),
        same: |a, b| match (a.as_int(), b.as_int()) {
            (None, None) => same_but_consumers(a, b),
            (a, b) => (a, b) == (Some(1), Some(0)),
        },
        ..ANYWHERE
    },
];

const STREAM_COMMANDS: &[&str] = &[
    "xadd",
    "xlen",
    "xrange",
    "xrevrange",
    "xdel",
    "xtrim",
    "xsetid",
    "xread",
    "xreadgroup",
    "xgroup|create",
    "xgroup|setid",
    "xack",
    "xclaim",
    "xautoclaim",
    "xpending",
    "xinfo|stream",
    "xinfo|groups",
    "xinfo|consumers",
    "xgroup|createconsumer",
    "xgroup|delconsumer",
];

fn starts(value: &Value, start: &str) -> bool {
    value.as_error().is_some_and(|text| text.starts_with(start))
}

fn same_but_times(a: &Value, b: &Value) -> bool {
    same(a, b, true)
}

fn same_but_consumers(a: &Value, b: &Value) -> bool {
    same(a, b, false)
}

/// Whether two answers about streams are the same but for times; and but for consumers that only the second has.
fn same(a: &Value, b: &Value, with_consumers: bool) -> bool {
    if let (Some(a), Some(b)) = (named(a), named(b)) {
        return b.iter().all(|(name, b)| {
            match (a.iter().find(|(other, _)| other == name), name.as_bytes()) {
                (None, Some(name)) => [&b"inactive"[..], b"active-time"].contains(&name),
                // 7.4 counts anew where 7.0 goes on from an ENTRIESREAD that can't be.
                (Some((_, Value::Int(a))), Some(b"entries-read")) => b.as_int().is_some_and(|b| b <= *a),
                // 7.4 says 0 of an empty stream, and nothing where deletions make a number wrong.
                (Some((_, a)), Some(b"lag")) => a == b || b.is_null() || *b == Value::Int(0),
                (Some((_, a)), Some(b"idle" | b"seen-time")) => near(a, b, CLOCK_SLACK_MS),
                (Some((_, Value::Int(a))), Some(b"consumers")) if !with_consumers => {
                    *a <= b.as_int().unwrap_or(0)
                }
                (Some((_, a)), Some(b"consumers")) if !with_consumers => has_all(a, b),
                (Some((_, a)), _) => same(a, b, with_consumers),
                (None, None) => false,
            }
        });
    }
    match (a.items(), b.items()) {
        // A pending entry: id, consumer, time, count; or without the consumer.
        (Some([a_id, a_name, a_time, a_count @ Value::Int(_)]), Some([b_id, b_name, b_time, b_count])) => {
            a_id == b_id && a_name == b_name && near(a_time, b_time, CLOCK_SLACK_MS) && a_count == b_count
        }
        (Some([a_id, a_time @ Value::Int(_), a_count]), Some([b_id, b_time, b_count])) => {
            a_id == b_id && near(a_time, b_time, CLOCK_SLACK_MS) && a_count == b_count
        }
        // The consumers of a group.
        (Some(_), Some(items)) if !with_consumers && items.iter().any(|item| named(item).is_some()) => {
            has_all(a, b)
        }
        (Some(a), Some(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b, with_consumers)),
        _ => a == b,
    }
}

/// Whether each consumer, or group, of the first is one of the second.
fn has_all(a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (a.items(), b.items()) else { return false };
    a.iter().all(|a| b.iter().any(|b| same(a, b, false)))
}

/// The pairs of a map that describes a stream, a group or a consumer.
fn named(value: &Value) -> Option<Vec<(Value, Value)>> {
    let pairs = value.pairs()?;
    let first = pairs.first()?.0.as_bytes()?;
    [&b"name"[..], b"length"].contains(&first).then_some(pairs)
}

#[test]
fn a_pending_entry_may_differ_in_its_time_only() {
    let entry = |name: &str, time: i64, count: i64| {
        let items = vec![Value::bulk("1-1"), Value::bulk(name), Value::Int(time), Value::Int(count)];
        Value::Array(vec![Value::Array(items)])
    };
    assert!(same_but_times(&entry("a", 100, 1), &entry("a", 120, 1)));
    assert!(!same_but_times(&entry("a", 100, 1), &entry("a", 100_000, 1)));
    assert!(!same_but_times(&entry("a", 100, 1), &entry("a", 100, 2)));
    assert!(!same_but_times(&entry("a", 100, 1), &entry("b", 100, 1)));
}
