//! What a directive's value may be: reading it, bounding it, and its one canonical text.
//!
//! * A canonical text read again gives itself, except that a list given by several lines accumulates while
//!   loading.
//! * The texts of errors are Redis's.

use std::path::Path;

use super::values::NotifyFlags;
use crate::util::{file, number};

/// The value of a directive, as far as reading it goes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `yes` or `no`.
    Bool,
    /// A decimal integer within inclusive bounds.
    Int(i64, i64),
    /// An integer from 0 to `i32::MAX`, moved into the bounds instead of refused.
    Clamped(i64, i64),
    /// An octal number up to an inclusive bound.
    Octal(u32),
    /// A size in bytes, with or without a unit, within inclusive bounds.
    Memory(u64, u64),
    /// A size in bytes, or a percentage of the machine's memory such as `5%`.
    MemoryOrPercent,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One or more of these words.
    Words(&'static [&'static str]),
    /// Any string.
    Text,
    /// A value with rules of its own; words, then what the value is so far.
    Custom(fn(&[&str], Past<'_>) -> Result<String, String>),
    /// A directive of the file only, that may repeat; the bounds of its number of words. Not a parameter.
    Line(usize, usize),
}

/// What a value is before it is set again.
#[derive(Clone, Copy, Debug)]
pub struct Past<'a> {
    /// The canonical text.
    pub text: &'a str,
    /// The value is being loaded and an earlier line gave it already.
    pub append: bool,
}

pub(super) const WRONG_ARGUMENTS: &str = "wrong number of arguments";
const NOT_INTEGER: &str = "argument couldn't be parsed into an integer";
const NOT_MEMORY: &str = "argument must be a memory value";
const NOT_MEMORY_OR_PERCENT: &str = "argument must be a memory or percent value";

impl Kind {
    /// Checks the words of a value and returns its canonical text, or Redis's reason to refuse it.
    pub(super) fn canonical(self, words: &[&str], past: Past<'_>) -> Result<String, String> {
        match self {
            Self::Custom(read) => return read(words, past),
            Self::Words(known) => return flag_words(words, known),
            _ => {}
        }
        let [word] = words else { return Err(WRONG_ARGUMENTS.to_owned()) };
        // What is not read as an integer or kept as text is a C string.
        let c_string = word.split('\0').next().unwrap_or_default();
        let word =
            if matches!(self, Self::Bool | Self::Memory(..) | Self::Choice(_)) { &c_string } else { word };
        match self {
            Self::Bool => match word.to_ascii_lowercase().as_str() {
                yes_or_no @ ("yes" | "no") => Ok(yes_or_no.to_owned()),
                _ => Err("argument must be 'yes' or 'no'".to_owned()),
            },
            Self::Int(min, max) => integer(word, min, max).map(|value| value.to_string()),
            Self::Clamped(min, max) => {
                integer(word, 0, i64::from(i32::MAX)).map(|value| value.clamp(min, max).to_string())
            }
            Self::Octal(max) => match u32::from_str_radix(word, 8) {
                Ok(value) if value <= max => Ok(format!("{value:o}")),
                Ok(_) => Err(format!("argument must be between 0 and {max:o} inclusive")),
                Err(_) => Err("argument couldn't be parsed as an octal number".to_owned()),
            },
            Self::Memory(min, max) => {
                let value = number::parse_memory(word.as_bytes()).ok_or(NOT_MEMORY)?;
                if (min..=max).contains(&value) { Ok(value.to_string()) } else { Err(outside(min, max)) }
            }
            Self::MemoryOrPercent => memory_or_percent(word),
            Self::Choice(known) => choose(word, known),
            _ => Ok((*word).to_owned()),
        }
    }
}

/// The known word that `word` is, in any case, or the error that lists them.
pub(super) fn choose(word: &str, known: &[&str]) -> Result<String, String> {
    let found = known.iter().find(|name| name.eq_ignore_ascii_case(word));
    found.map(|name| (*name).to_owned()).ok_or_else(|| one_of(known))
}

pub(super) fn one_of(known: &[&str]) -> String {
    format!("argument(s) must be one of the following: {}", known.join(", "))
}

fn outside(min: impl std::fmt::Display, max: impl std::fmt::Display) -> String {
    format!("argument must be between {min} and {max} inclusive")
}

fn integer(word: &str, min: i64, max: i64) -> Result<i64, String> {
    let value = number::parse_i64(word.as_bytes()).ok_or(NOT_INTEGER)?;
    if (min..=max).contains(&value) { Ok(value) } else { Err(outside(min, max)) }
}

fn memory_or_percent(word: &str) -> Result<String, String> {
    let Some(percent) = word.strip_suffix('%') else {
        let value = number::parse_memory(word.as_bytes()).filter(|&value| i64::try_from(value).is_ok());
        return value.map(|value| value.to_string()).ok_or_else(|| NOT_MEMORY_OR_PERCENT.to_owned());
    };
    match number::parse_i64(percent.as_bytes()) {
        Some(value @ 0..=100) => Ok(format!("{value}%")),
        Some(101..) => Err("percentage argument must be less or equal to 100".to_owned()),
        _ => Err(NOT_MEMORY_OR_PERCENT.to_owned()),
    }
}

/// `default` alone, or any of the other words, in the order they are known in.
fn flag_words(words: &[&str], known: &[&str]) -> Result<String, String> {
    if words.is_empty() || words.iter().any(|word| !known.iter().any(|name| name.eq_ignore_ascii_case(word)))
    {
        return Err(one_of(known));
    }
    let has = |name: &str| words.iter().any(|word| word.eq_ignore_ascii_case(name));
    if has("save") && has("nosave") {
        return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".to_owned());
    }
    // `default` is the empty set of flags, so that beside another word it says nothing.
    let chosen: Vec<&str> = known.iter().skip(1).copied().filter(|name| has(name)).collect();
    Ok(if chosen.is_empty() { known[0].to_owned() } else { chosen.join(" ") })
}

/// `bind`: up to 16 addresses; none, or empty ones, listens nowhere.
pub(super) fn bind(words: &[&str], _: Past<'_>) -> Result<String, String> {
    if words.len() > 16 {
        return Err("Too many bind addresses specified.".to_owned());
    }
    let named: Vec<&str> = words.iter().copied().filter(|word| !word.is_empty()).collect();
    Ok(named.join(" "))
}

/// `dir`: an existing directory, made absolute.
pub(super) fn dir(words: &[&str], _: Past<'_>) -> Result<String, String> {
    let [word] = words else { return Err(WRONG_ARGUMENTS.to_owned()) };
    let path = file::existing_directory(Path::new(word)).map_err(|error| os_message(&error))?;
    path.into_os_string().into_string().map_err(|_| "the path is not valid UTF-8".to_owned())
}

/// The operating system's own sentence, without Rust's "(os error 2)".
pub(super) fn os_message(error: &std::io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    match error.kind() {
        std::io::ErrorKind::NotFound => "No such file or directory".to_owned(),
        _ => text[..end].to_owned(),
    }
}

/// `save`: pairs of seconds and changes. Lines of a file add up; an empty value clears.
pub(super) fn save(words: &[&str], past: Past<'_>) -> Result<String, String> {
    const INVALID: &str = "Invalid save parameters";
    if matches!(words, [] | [""]) {
        return Ok(String::new());
    }
    if !words.len().is_multiple_of(2) {
        return Err(INVALID.to_owned());
    }
    let mut text = if past.append { past.text.to_owned() } else { String::new() };
    for pair in words.chunks_exact(2) {
        let seconds = integer(pair[0], 1, i64::MAX).map_err(|_| INVALID)?;
        let changes = integer(pair[1], 0, i64::from(i32::MAX)).map_err(|_| INVALID)?;
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&format!("{seconds} {changes}"));
    }
    Ok(text)
}

/// `client-output-buffer-limit`: groups of class, hard limit, soft limit, seconds; classes not named keep
/// theirs.
pub(super) fn output_limits(words: &[&str], past: Past<'_>) -> Result<String, String> {
    if matches!(words, [] | [""]) {
        return Ok(past.text.to_owned());
    }
    if !words.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.".to_owned());
    }
    let mut fields: Vec<String> = past.text.split(' ').map(str::to_owned).collect();
    for group in words.chunks_exact(4) {
        let class = match group[0].to_ascii_lowercase().as_str() {
            "normal" => 0,
            "slave" | "replica" => 1,
            "pubsub" => 2,
            _ => return Err("Invalid client class specified in buffer limit configuration.".to_owned()),
        };
        let sizes = [group[1], group[2]].map(|word| number::parse_memory(word.as_bytes()));
        let seconds = number::parse_i64(group[3].as_bytes()).filter(|&seconds| seconds >= 0);
        let (Some(hard), Some(soft), Some(seconds)) = (sizes[0], sizes[1], seconds) else {
            return Err(
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.".to_owned()
            );
        };
        let at = class * 4;
        fields.splice(at + 1..at + 4, [hard.to_string(), soft.to_string(), seconds.to_string()]);
    }
    Ok(fields.join(" "))
}

/// `oom-score-adj-values`: three numbers.
pub(super) fn oom_scores(words: &[&str], _: Past<'_>) -> Result<String, String> {
    if words.len() != 3 {
        return Err(WRONG_ARGUMENTS.to_owned());
    }
    if words.iter().any(|word| integer(word, -2000, 2000).is_err()) {
        return Err("Invalid oom-score-adj-values, elements must be between -2000 and 2000.".to_owned());
    }
    Ok(words.join(" "))
}

/// `latency-tracking-info-percentiles`: numbers from 0 to 100, or nothing.
pub(super) fn percentiles(words: &[&str], _: Past<'_>) -> Result<String, String> {
    if matches!(words, [] | [""]) {
        return Ok(String::new());
    }
    let mut shown = Vec::with_capacity(words.len());
    for word in words {
        let value =
            double(word).ok_or_else(|| "Invalid latency-tracking-info-percentiles parameters".to_owned())?;
        if !(0.0..=100.0).contains(&value) {
            let reason = "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
            return Err(reason.to_owned());
        }
        let text = format!("{value:.6}");
        shown.push(text.trim_end_matches('0').trim_end_matches('.').to_owned());
    }
    Ok(shown.join(" "))
}

/// A number, or an infinity by its name. None for what is no number, too large, or so small that it would become zero.
fn double(word: &str) -> Option<f64> {
    let value: f64 = word.parse().ok().filter(|value: &f64| !value.is_nan())?;
    let mantissa = word.split(['e', 'E']).next().unwrap_or_default();
    let digits = mantissa.bytes().filter(u8::is_ascii_digit);
    let (is_named, is_zero) = (digits.clone().count() == 0, digits.clone().all(|digit| digit == b'0'));
    ((value.is_finite() || is_named) && (value != 0.0 || is_zero)).then_some(value)
}

/// `notify-keyspace-events`: letters of event classes.
pub(super) fn notify(words: &[&str], _: Past<'_>) -> Result<String, String> {
    let [word] = words else { return Err(WRONG_ARGUMENTS.to_owned()) };
    let flags = NotifyFlags::from_letters(word);
    flags
        .map(NotifyFlags::letters)
        .ok_or_else(|| "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".to_owned())
}

/// `replicaof`: a host and a port, or `no one`.
pub(super) fn replicaof(words: &[&str], _: Past<'_>) -> Result<String, String> {
    match words {
        [no, one] if no.eq_ignore_ascii_case("no") && one.eq_ignore_ascii_case("one") => Ok(String::new()),
        [host, port] => match integer(port, 0, 65535) {
            Ok(port) => Ok(format!("{host} {port}")),
            Err(_) => Err("Invalid master port".to_owned()),
        },
        [""] => Ok(String::new()),
        _ => Err(WRONG_ARGUMENTS.to_owned()),
    }
}

/// A file name without directories.
pub(super) fn file_name(words: &[&str], _: Past<'_>) -> Result<String, String> {
    match words {
        [name] if !name.contains('/') => Ok((*name).to_owned()),
        [_] => Err("the name can't be a path, just a filename".to_owned()),
        _ => Err(WRONG_ARGUMENTS.to_owned()),
    }
}

/// A host name to announce.
pub(super) fn hostname(words: &[&str], _: Past<'_>) -> Result<String, String> {
    match words {
        [name] if name.len() > 255 => Err("Hostnames must be less than 256 characters".to_owned()),
        [name] if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.') => {
            Ok((*name).to_owned())
        }
        [_] => Err("Hostnames may only contain alphanumeric characters, hyphens or dots".to_owned()),
        _ => Err(WRONG_ARGUMENTS.to_owned()),
    }
}

/// `proc-title-template`: text with known variables in braces.
pub(super) fn title_template(words: &[&str], _: Past<'_>) -> Result<String, String> {
    const KNOWN: [&str; 6] = ["title", "listen-addr", "server-mode", "port", "tls-port", "unixsocket"];
    let [template] = words else { return Err(WRONG_ARGUMENTS.to_owned()) };
    let mut rest = *template;
    while let Some(open) = rest.find('{') {
        let known = rest[open + 1..]
            .split_once('}')
            .filter(|(name, _)| KNOWN.contains(name) || *name == "config-file");
        let Some((_, after)) = known else {
            return Err("template format is invalid or contains unknown variables".to_owned());
        };
        rest = after;
    }
    Ok((*template).to_owned())
}
