//! The first line of a script or library that says what it is: `#!lua name=lib flags=no-writes,allow-oom`.

use super::flags;
use crate::util::words;

/// A script's first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shebang {
    /// `flags`
    pub flags: u32,
    /// Where the script goes on: at the line's end, so that lines keep their numbers.
    pub length: usize,
}

/// Reads a script's first line. The error is what the client gets.
pub fn of_script(text: &[u8]) -> Result<Shebang, Vec<u8>> {
    if !text.starts_with(b"#!") {
        return Ok(Shebang { flags: flags::COMPATIBLE, length: 0 });
    }
    let Some(length) = memchr::memchr(b'\n', text) else { return Err(b"Invalid script shebang".to_vec()) };
    let parts = words::split(&text[..length]).filter(|parts| !parts.is_empty());
    let Some(parts) = parts else { return Err(b"Invalid engine in script shebang".to_vec()) };
    if parts[0] != b"#!lua" {
        return Err([b"Unexpected engine in script shebang: ", &parts[0][..]].concat());
    }
    let mut all = 0;
    for part in &parts[1..] {
        let Some(names) = part.strip_prefix(b"flags=") else {
            return Err([b"Unknown lua shebang option: ", &part[..]].concat());
        };
        for name in names.split(|&byte| byte == b',').filter(|name| !name.is_empty()) {
            let flag = flags::named(name);
            all |= flag.ok_or_else(|| [b"Unexpected flag in script shebang: ", name].concat())?;
        }
    }
    Ok(Shebang { flags: all, length })
}

/// Reads a library's first line: its name, and where its text goes on. The error is what the client gets.
pub fn of_library(text: &[u8]) -> Result<(Vec<u8>, usize), Vec<u8>> {
    if !text.starts_with(b"#!") {
        return Err(b"Missing library metadata".to_vec());
    }
    let Some(length) = memchr::memchr(b'\n', text) else { return Err(b"Invalid library metadata".to_vec()) };
    let parts = words::split(&text[..length]).filter(|parts| !parts.is_empty());
    let Some(parts) = parts else { return Err(b"Invalid library metadata".to_vec()) };
    let mut name = None;
    for part in &parts[1..] {
        let Some((key, value)) =
            part.iter().position(|&byte| byte == b'=').map(|at| (&part[..at], &part[at + 1..]))
        else {
            return Err([b"Invalid metadata value given: ", &part[..]].concat());
        };
        if !key.eq_ignore_ascii_case(b"name") {
            return Err([b"Invalid metadata value given: ", &part[..]].concat());
        }
        if name.replace(value.to_vec()).is_some() {
            return Err(b"Invalid metadata value, name argument was given multiple times".to_vec());
        }
    }
    let Some(name) = name else { return Err(b"Library name was not given".to_vec()) };
    let engine = &parts[0][2..];
    if !engine.eq_ignore_ascii_case(b"lua") {
        return Err([b"Engine '", engine, b"' not found"].concat());
    }
    Ok((name, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_may_say_what_it_is() {
        assert_eq!(of_script(b"return 1"), Ok(Shebang { flags: flags::COMPATIBLE, length: 0 }));
        assert_eq!(of_script(b"#!lua\nx"), Ok(Shebang { flags: 0, length: 5 }));
        let both = flags::NO_WRITES | flags::ALLOW_OOM;
        assert_eq!(of_script(b"#!lua flags=no-writes,allow-oom\n"), Ok(Shebang { flags: both, length: 31 }));
        assert_eq!(of_script(b"#!lua"), Err(b"Invalid script shebang".to_vec()));
        assert_eq!(of_script(b"#!js\n"), Err(b"Unexpected engine in script shebang: #!js".to_vec()));
    }

    #[test]
    fn a_library_must_say_its_name() {
        assert_eq!(of_library(b"#!lua name=lib\nx"), Ok((b"lib".to_vec(), 14)));
        assert_eq!(of_library(b"x"), Err(b"Missing library metadata".to_vec()));
        assert_eq!(of_library(b"#!lua\n"), Err(b"Library name was not given".to_vec()));
        assert_eq!(of_library(b"#!js name=a\n"), Err(b"Engine 'js' not found".to_vec()));
    }
}
