//! What may differ of scripts and functions.

use super::{ANYWHERE, Allowed};
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
];

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
