//! What may differ of scripts and functions.

use super::{ANYWHERE, Allowed, same_numbers, sorted};
use crate::compat::scripts::contains;
use crate::compat::target::{Argv, is};
use crate::support::Value;

pub(super) const ALLOWED: &[Allowed] = &[
    Allowed {
        commands: &["function|list"],
        reason: "libraries and functions come in the order of a server's own hash table",
        same: |a, b| in_order(a) == in_order(b),
        ..ANYWHERE
    },
    Allowed {
        commands: &["function|load"],
        reason: "which one is named of several functions that exist already",
        same: |a, b| [a, b].iter().all(|reply| is_taken(reply)),
        ..ANYWHERE
    },
    Allowed {
        commands: SCRIPTS,
        reason: "the members of a set or the fields of a hash that a script returns come in the order of a server's own hash table",
        only: reads_members,
        same: same_but_for_the_order_of_members,
        ..ANYWHERE
    },
    Allowed {
        commands: FUNCTIONS,
        reason: "the members of a set or the fields of a hash that a function returns come in the order of a server's own hash table",
        after: Some(|argv, _, _| is(argv, 0, "FUNCTION") && reads_members(argv)),
        same: same_but_for_the_order_of_members,
        ..ANYWHERE
    },
    Allowed {
        commands: SCRIPTS,
        reason: "before 7.2 scores are printed with 17 digits, however few say the same",
        only: reads_scores,
        same: same_numbers,
        ..ANYWHERE
    },
    Allowed {
        commands: FUNCTIONS,
        reason: "before 7.2 scores are printed with 17 digits, however few say the same",
        after: Some(|argv, _, _| is(argv, 0, "FUNCTION") && reads_scores(argv)),
        same: same_numbers,
        ..ANYWHERE
    },
    Allowed {
        commands: SCRIPTS,
        reason: "in Lua any border is the length of an array with holes, and nulls of RESP3 are such",
        only: measures_an_array_with_holes,
        same: |a, b| a.as_int().is_some() && b.as_int().is_some(),
        ..ANYWHERE
    },
    Allowed {
        commands: FUNCTIONS,
        reason: "in Lua any border is the length of an array with holes, and nulls of RESP3 are such",
        after: Some(|argv, _, _| is(argv, 0, "FUNCTION") && measures_an_array_with_holes(argv)),
        same: |a, b| a.as_int().is_some() && b.as_int().is_some(),
        ..ANYWHERE
    },
];

const SCRIPTS: &[&str] = &["eval", "eval_ro", "evalsha", "evalsha_ro"];
const FUNCTIONS: &[&str] = &["fcall", "fcall_ro"];

/// Whether a word of a command is a text, or the name of one, that contains all of these.
fn has(argv: &Argv, words: &[&str]) -> bool {
    argv.iter().any(|text| words.iter().all(|word| contains(text, word)))
}

fn reads_members(argv: &Argv) -> bool {
    has(argv, &["smembers"]) || has(argv, &["hgetall"])
}

fn reads_scores(argv: &Argv) -> bool {
    has(argv, &["withscores"]) || has(argv, &["zscore"])
}

fn measures_an_array_with_holes(argv: &Argv) -> bool {
    has(argv, &["setresp(3)", "mget", "#r"])
}

/// Whether two replies of a script are equal when arrays of nothing but strings, which may be members of a set, have no order.
fn same_but_for_the_order_of_members(a: &Value, b: &Value) -> bool {
    let is_members = |items: &[Value]| items.iter().all(|item| matches!(item, Value::Bulk(_)));
    match (a, b) {
        (Value::Array(one), Value::Array(other)) if !(is_members(one) && is_members(other)) => {
            let mut pairs = one.iter().zip(other);
            one.len() == other.len() && pairs.all(|(a, b)| same_but_for_the_order_of_members(a, b))
        }
        _ => sorted(a) == sorted(b),
    }
}

fn is_taken(value: &Value) -> bool {
    let text = value.as_error().unwrap_or_default();
    text.starts_with("ERR Function ") && text.ends_with(" already exists")
}

/// The value with everything that is in it in order.
fn in_order(value: &Value) -> Value {
    match value {
        Value::Array(items) | Value::Set(items) => {
            let mut items: Vec<Value> = items.iter().map(in_order).collect();
            items.sort();
            Value::Array(items)
        }
        Value::Map(pairs) => {
            let mut pairs: Vec<_> =
                pairs.iter().map(|(name, value)| (in_order(name), in_order(value))).collect();
            pairs.sort();
            Value::Map(pairs)
        }
        other => other.clone(),
    }
}

#[test]
fn what_a_script_returns_may_differ_in_the_order_of_members_only() {
    let bulks = |words: &[&str]| Value::Array(words.iter().map(Value::bulk).collect());
    let nested = |members: &[&str], last: i64| Value::Array(vec![bulks(members), Value::Int(last)]);
    assert!(same_but_for_the_order_of_members(&nested(&["a", "b"], 1), &nested(&["b", "a"], 1)));
    assert!(!same_but_for_the_order_of_members(&nested(&["a", "b"], 1), &nested(&["b", "b"], 1)));
    assert!(!same_but_for_the_order_of_members(&nested(&["a", "b"], 1), &nested(&["a", "b"], 2)));
    let reversed = Value::Array(vec![Value::Int(1), bulks(&["a", "b"])]);
    assert!(!same_but_for_the_order_of_members(&nested(&["a", "b"], 1), &reversed));
}
