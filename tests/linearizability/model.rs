//! What each operation does to a small keyspace, one after the other: the meaning that a history is held against.
//!
//! * [`State::step`] says whether an operation can take effect in a state with the reply that it had, and what the state is
//!   then. The reply decides only where Redis leaves it open: which of its keys a client is served from that waited for several.
//! * WATCH is exact: whether EXEC runs is decided by the watched keys having been changed, as in Redis, by commands that
//!   change them and not by comparing values. So an EXEC that runs has its place where nothing was changed since WATCH,
//!   and one that replies null has its place behind a change.
//! * Nothing expires.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::history::{Action, Operation, Words};
use crate::support::Value;

pub const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";
const OVERFLOW: &str = "ERR increment or decrement would overflow";
const NO_SUCH_KEY: &str = "ERR no such key";
const SAME_OBJECT: &str = "ERR source and destination objects are the same";

/// A value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Data {
    Text(String),
    List(VecDeque<String>),
    Set(BTreeSet<String>),
}

/// The keyspace, and what clients watch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    keys: BTreeMap<String, Data>,
    /// By client: the keys, and whether one of them was changed.
    watches: BTreeMap<usize, (BTreeSet<String>, bool)>,
}

type Answer = Result<Value, &'static str>;

fn error(text: &str) -> Value {
    Value::Error(text.as_bytes().to_vec())
}

fn bulk(text: Option<String>) -> Value {
    text.map_or(Value::NullBulk, Value::bulk)
}

fn count(number: usize) -> Value {
    Value::Int(number as i64)
}

fn bulks<'a>(texts: impl IntoIterator<Item = &'a String>) -> Value {
    Value::Array(texts.into_iter().map(Value::bulk).collect())
}

/// An integer as Redis reads it: written in the only way.
fn integer(text: &str) -> Option<i64> {
    text.parse().ok().filter(|number: &i64| number.to_string() == text)
}

/// The reply to a command with what has no order in order.
fn settled(words: &Words, mut reply: Value) -> Value {
    if let ("SMEMBERS" | "SUNION" | "SINTER", Value::Array(items)) = (&*words[0], &mut reply) {
        items.sort();
    }
    reply
}

fn settled_all(commands: &[Words], reply: &Value) -> Value {
    match reply {
        Value::Array(items) if items.len() == commands.len() => {
            let items = commands.iter().zip(items);
            Value::Array(items.map(|(words, reply)| settled(words, reply.clone())).collect())
        }
        other => other.clone(),
    }
}

impl State {
    /// The state behind an operation of a client, if the operation can be next; else the reply that it would have had.
    pub fn step(&self, client: usize, operation: &Operation) -> Result<State, Value> {
        let mut next = self.clone();
        let reply = &operation.reply;
        let (expected, seen) = match &operation.action {
            Action::Command(words) if words[0] == "WATCH" => {
                let (keys, _) = next.watches.entry(client).or_default();
                keys.extend(words[1..].iter().cloned());
                (Value::simple("OK"), reply.clone())
            }
            Action::Command(words) if is_blocking(words) => (next.take(words, reply), reply.clone()),
            Action::Command(words) => (next.run(words), settled(words, reply.clone())),
            Action::Exec(commands) => {
                let (_, is_void) = next.watches.remove(&client).unwrap_or_default();
                let expected = if is_void { Value::NullArray } else { next.run_all(commands) };
                (expected, settled_all(commands, reply))
            }
            Action::Batch { commands, .. } => (next.run_all(commands), settled_all(commands, reply)),
            Action::Computed { source, targets, value } => {
                let length = match self.keys.get(source) {
                    Some(Data::Text(text)) => text.len(),
                    _ => 0,
                };
                let target = &targets[length % targets.len()];
                let length = next.run(&vec!["APPEND".to_owned(), target.clone(), value.clone()]);
                (Value::Array(vec![Value::bulk(target), length]), reply.clone())
            }
        };
        if expected == seen { Ok(next) } else { Err(expected) }
    }

    fn run_all(&mut self, commands: &[Words]) -> Value {
        Value::Array(commands.iter().map(|words| self.run(words)).collect())
    }

    fn run(&mut self, words: &Words) -> Value {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.answer(&words).unwrap_or_else(error)
    }

    /// A command that may have waited: the reply tells where it found something, if that is where it can have. If it found
    /// nothing there was nothing when it began to wait.
    fn take(&mut self, words: &Words, reply: &Value) -> Value {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (name, keys) = (words[0], &words[1..words.len() - 1]);
        if name == "BLMOVE" {
            return match reply {
                Value::NullArray if !self.keys.contains_key(words[1]) => Value::NullArray,
                _ => self.answer(&["LMOVE", words[1], words[2], words[3], words[4]]).unwrap_or_else(error),
            };
        }
        let is_there = |key: &&&str| self.keys.contains_key(**key);
        let served_from = match reply {
            Value::Array(items) => items.first().and_then(Value::as_bytes),
            _ => None,
        };
        let named = keys.iter().find(|key| Some(key.as_bytes()) == served_from);
        let Some(key) = named.or_else(|| keys.iter().find(is_there)) else { return Value::NullArray };
        let pop = if name == "BLPOP" { "LPOP" } else { "RPOP" };
        match self.answer(&[pop, key]) {
            Ok(Value::NullBulk) => Value::NullArray,
            Ok(element) => Value::Array(vec![Value::bulk(key), element]),
            Err(text) => error(text),
        }
    }

    /// A key is changed: who watches it learns that.
    fn touch(&mut self, key: &str) {
        for (keys, is_void) in self.watches.values_mut() {
            *is_void |= keys.contains(key);
        }
    }

    fn put(&mut self, key: &str, data: Data) {
        self.touch(key);
        let is_empty = match &data {
            Data::Text(_) => false,
            Data::List(elements) => elements.is_empty(),
            Data::Set(members) => members.is_empty(),
        };
        if is_empty {
            self.keys.remove(key);
        } else {
            self.keys.insert(key.to_owned(), data);
        }
    }

    fn remove(&mut self, key: &str) -> Option<Data> {
        let old = self.keys.remove(key);
        if old.is_some() {
            self.touch(key);
        }
        old
    }

    fn text(&self, key: &str) -> Result<Option<String>, &'static str> {
        match self.keys.get(key) {
            None => Ok(None),
            Some(Data::Text(text)) => Ok(Some(text.clone())),
            Some(_) => Err(WRONG_TYPE),
        }
    }

    fn list(&self, key: &str) -> Result<VecDeque<String>, &'static str> {
        match self.keys.get(key) {
            None => Ok(VecDeque::new()),
            Some(Data::List(elements)) => Ok(elements.clone()),
            Some(_) => Err(WRONG_TYPE),
        }
    }

    fn set(&self, key: &str) -> Result<BTreeSet<String>, &'static str> {
        match self.keys.get(key) {
            None => Ok(BTreeSet::new()),
            Some(Data::Set(members)) => Ok(members.clone()),
            Some(_) => Err(WRONG_TYPE),
        }
    }

    fn answer(&mut self, words: &[&str]) -> Answer {
        match words[0] {
            "SET" | "GET" | "GETSET" | "GETDEL" | "STRLEN" | "INCR" | "APPEND" => self.answer_text(words),
            "MSET" | "MSETNX" | "MGET" | "DEL" | "EXISTS" | "RENAME" | "RENAMENX" | "COPY" => {
                self.answer_keys(words)
            }
            "SADD" | "SREM" | "SMOVE" | "SMEMBERS" | "SCARD" | "SUNION" | "SINTER" | "SUNIONSTORE" => {
                self.answer_set(words)
            }
            _ => self.answer_list(words),
        }
    }

    fn answer_text(&mut self, words: &[&str]) -> Answer {
        let (name, key) = (words[0], words[1]);
        if name == "SET" {
            self.put(key, Data::Text(words[2].to_owned()));
            return Ok(Value::simple("OK"));
        }
        let old = self.text(key)?;
        match name {
            "GET" => {}
            "GETDEL" => drop(self.remove(key)),
            "GETSET" => self.put(key, Data::Text(words[2].to_owned())),
            "STRLEN" => return Ok(count(old.map_or(0, |text| text.len()))),
            "INCR" => {
                let number = old.as_deref().map_or(Some(0), integer).ok_or(NOT_AN_INTEGER)?;
                let number = number.checked_add(1).ok_or(OVERFLOW)?;
                self.put(key, Data::Text(number.to_string()));
                return Ok(Value::Int(number));
            }
            _ => {
                let text = old.unwrap_or_default() + words[2];
                let length = text.len();
                self.put(key, Data::Text(text));
                return Ok(count(length));
            }
        }
        Ok(bulk(old))
    }

    fn answer_keys(&mut self, words: &[&str]) -> Answer {
        let (name, keys) = (words[0], &words[1..]);
        match name {
            "MSETNX" if keys.iter().step_by(2).any(|key| self.keys.contains_key(*key)) => {
                return Ok(count(0));
            }
            "MSET" | "MSETNX" => {
                keys.chunks(2).for_each(|pair| self.put(pair[0], Data::Text(pair[1].to_owned())));
                return Ok(if name == "MSET" { Value::simple("OK") } else { count(1) });
            }
            "MGET" => {
                let text = |key: &&str| bulk(self.text(key).unwrap_or_default());
                return Ok(Value::Array(keys.iter().map(text).collect()));
            }
            "DEL" => return Ok(count(keys.iter().filter_map(|key| self.remove(key)).count())),
            "EXISTS" => {
                return Ok(count(keys.iter().filter(|key| self.keys.contains_key(**key)).count()));
            }
            _ => {}
        }
        let (from, to) = (keys[0], keys[1]);
        if name == "COPY" && from == to {
            return Err(SAME_OBJECT);
        }
        let is_replacing = name == "RENAME" || keys.len() == 3;
        let Some(data) = self.keys.get(from).cloned() else {
            return if name == "COPY" { Ok(count(0)) } else { Err(NO_SUCH_KEY) };
        };
        if !is_replacing && self.keys.contains_key(to) {
            return Ok(count(0));
        }
        if from != to {
            self.put(to, data);
            if name != "COPY" {
                self.remove(from);
            }
        }
        Ok(if name == "RENAME" { Value::simple("OK") } else { count(1) })
    }

    fn answer_list(&mut self, words: &[&str]) -> Answer {
        let (name, key) = (words[0], words[1]);
        if matches!(name, "BLPOP" | "BRPOP") {
            // In a transaction or a script nobody waits.
            let pop = if name == "BLPOP" { "LPOP" } else { "RPOP" };
            let found = words[1..words.len() - 1].iter().find(|key| self.keys.contains_key(**key));
            let Some(key) = found else { return Ok(Value::NullArray) };
            return Ok(Value::Array(vec![Value::bulk(key), self.answer(&[pop, key])?]));
        }
        let mut elements = self.list(key)?;
        match name {
            "LLEN" => return Ok(count(elements.len())),
            "LRANGE" => return Ok(bulks(&elements)),
            "LPUSH" => words[2..].iter().for_each(|word| elements.push_front((*word).to_owned())),
            "RPUSH" => elements.extend(words[2..].iter().map(|word| (*word).to_owned())),
            "LPOP" | "RPOP" => {
                let element = if name == "LPOP" { elements.pop_front() } else { elements.pop_back() };
                if element.is_some() {
                    self.put(key, Data::List(elements));
                }
                return Ok(bulk(element));
            }
            "LMOVE" | "BLMOVE" => {
                if elements.is_empty() {
                    return Ok(Value::NullBulk);
                }
                self.list(words[2])?;
                let element = if words[3] == "LEFT" { elements.pop_front() } else { elements.pop_back() };
                let element = element.unwrap_or_default();
                self.put(key, Data::List(elements));
                let mut target = self.list(words[2])?;
                match words[4] {
                    "LEFT" => target.push_front(element.clone()),
                    _ => target.push_back(element.clone()),
                }
                self.put(words[2], Data::List(target));
                return Ok(Value::bulk(element));
            }
            other => panic!("the model does not know {other}"),
        }
        let length = elements.len();
        self.put(key, Data::List(elements));
        Ok(count(length))
    }

    fn answer_set(&mut self, words: &[&str]) -> Answer {
        let (name, key) = (words[0], words[1]);
        match name {
            "SUNIONSTORE" => {
                let mut all = self.set(words[2])?;
                all.extend(self.set(words[3])?);
                let length = all.len();
                match length {
                    0 => drop(self.remove(key)),
                    _ => self.put(key, Data::Set(all)),
                }
                return Ok(count(length));
            }
            "SUNION" => return Ok(bulks(self.set(key)?.union(&self.set(words[2])?))),
            "SINTER" => return Ok(bulks(self.set(key)?.intersection(&self.set(words[2])?))),
            _ => {}
        }
        let mut members = self.set(key)?;
        match name {
            "SMEMBERS" => return Ok(bulks(&members)),
            "SCARD" => return Ok(count(members.len())),
            "SMOVE" => {
                if members.is_empty() {
                    return Ok(count(0));
                }
                let mut target = self.set(words[2])?;
                let is_moved = members.contains(words[3]);
                if is_moved && key != words[2] {
                    members.remove(words[3]);
                    self.put(key, Data::Set(members));
                    if target.insert(words[3].to_owned()) {
                        self.put(words[2], Data::Set(target));
                    }
                }
                return Ok(count(usize::from(is_moved)));
            }
            _ => {}
        }
        let before = members.len();
        for word in &words[2..] {
            match name {
                "SADD" => drop(members.insert((*word).to_owned())),
                _ => drop(members.remove(*word)),
            }
        }
        let changed = before.abs_diff(members.len());
        if changed > 0 {
            self.put(key, Data::Set(members));
        }
        Ok(count(changed))
    }
}

/// May the command wait?
pub fn is_blocking(words: &Words) -> bool {
    matches!(&*words[0], "BLPOP" | "BRPOP" | "BLMOVE")
}
