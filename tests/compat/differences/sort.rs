//! What may differ of SORT, and because of it.

use super::{ANYWHERE, Allowed, SCORED, count, is, same_numbers, sorted};
use crate::compat::target::Argv;
use crate::support::Value;

pub(super) const ALLOWED: &[Allowed] = &[
    Allowed {
        commands: &["sort", "sort_ro"],
        reason: "what is not sorted comes in the order of a set's own hash table",
        only: |argv| count(argv, b"BY") > 0 && count(argv, b"LIMIT") == 0,
        same: |a, b| sorted(a) == sorted(b),
        after: Some(may_fill_a_set),
    },
    Allowed {
        commands: &["sort", "sort_ro"],
        reason: "which elements are the first ones of a set that is not sorted",
        only: |argv| count(argv, b"BY") > 0 && count(argv, b"LIMIT") > 0,
        same: |a, b| a.items().map(<[Value]>::len) == b.items().map(<[Value]>::len),
        after: Some(may_fill_a_set),
    },
    Allowed {
        commands: &["sort", "sort_ro"],
        reason: "elements with equal texts for weights come in the order of a server's own hash table",
        only: |argv| count(argv, b"BY") > 0 && count(argv, b"ALPHA") > 0 && count(argv, b"LIMIT") == 0,
        same: |a, b| sorted(a) == sorted(b),
        ..ANYWHERE
    },
    Allowed {
        commands: &["sort", "sort_ro"],
        reason: "which ones of the elements with equal texts for weights are the first",
        only: |argv| count(argv, b"BY") > 0 && count(argv, b"ALPHA") > 0 && count(argv, b"LIMIT") > 0,
        same: |a, b| a.items().map(<[Value]>::len) == b.items().map(<[Value]>::len),
        ..ANYWHERE
    },
    Allowed {
        commands: &["sort", "sort_ro"],
        reason: "Redis compares texts up to their first zero byte",
        only: |argv| count(argv, b"BY") == 0 && count(argv, b"ALPHA") > 0 && count(argv, b"LIMIT") == 0,
        same: |a, b| sorted(a) == sorted(b) && has_zero_byte(a),
        ..ANYWHERE
    },
    Allowed {
        commands: &["object|encoding"],
        reason: "Redis makes a skiplist of a sorted set that it sorts",
        after: Some(|argv, _, _| is(argv, 0, "SORT") || is(argv, 0, "SORT_RO")),
        same: |a, b| *a == Value::bulk("skiplist") && *b == Value::bulk("listpack"),
        ..ANYWHERE
    },
    Allowed {
        commands: SCORED,
        reason: "a skiplist, which Redis makes of a sorted set that it sorts, keeps the sign of zero",
        after: Some(|argv, _, _| is(argv, 0, "SORT") || is(argv, 0, "SORT_RO")),
        same: |a, b| same_numbers(&with_one_zero(a), &with_one_zero(b)),
        ..ANYWHERE
    },
];

fn has_zero_byte(value: &Value) -> bool {
    value.items().is_some_and(|items| items.iter().filter_map(Value::as_bytes).any(|text| text.contains(&0)))
}

/// A reply whose zeros have no sign.
fn with_one_zero(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(with_one_zero).collect()),
        Value::Bulk(text) if text == b"-0" => Value::bulk("0"),
        Value::Double(text) if text == "-0" => Value::Double("0".to_owned()),
        other => other.clone(),
    }
}

/// Whether a SORT without sorting may meet a set.
fn may_fill_a_set(argv: &Argv, _: &Value, _: &Value) -> bool {
    argv[0].to_ascii_uppercase().starts_with(b"S") && !is(argv, 0, "SORT") && !is(argv, 0, "SORT_RO")
}
