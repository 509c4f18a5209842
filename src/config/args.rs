//! The command line, exactly as redis-server takes it: `[CONF] [--option value …] [-]`.
//!
//! * Each option becomes one line of configuration, read after the file: `--port 7000` is `port "7000"`.
//! * The word after an option is its value even when it begins with two dashes, as in Redis; `--save` before
//!   another option, or at the end, is `save ""`.
//! * Beyond Redis: `--config CONF` names the file too, and `check DIR`, `repair DIR` and `backup DIR DEST` look after a
//!   dataset that no server has open.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use super::load::{FILE_BYTES_MAX, LoadError, Loaded, Loader, Origin};
use crate::util::{file, words};

/// What the command line asks for.
#[derive(Debug)]
pub enum Invocation {
    /// Serve with this configuration.
    Serve(Box<Loaded>),
    /// Print [`version`] and exit.
    Version,
    /// Print [`help`] and exit.
    Help,
    /// Say what is in a dataset's directory, and what is damaged.
    Check(PathBuf),
    /// Make a damaged dataset one that can be served.
    Repair(PathBuf),
    /// Copy the dataset that this configuration is about to a directory.
    Backup(Box<Loaded>, PathBuf),
}

/// The line that `--version` prints.
pub fn version() -> String {
    format!("ForgeKV server v={} bits={}", env!("CARGO_PKG_VERSION"), usize::BITS)
}

/// The text that `--help` prints.
pub fn help() -> &'static str {
    "Usage: forgekv [CONF] [--option value ...] [-]\n\
     \n\
     CONF is a configuration file in the format of redis.conf; forgekv.conf explains every option.\n\
     Options on the command line have the names of the file's and are read after it.\n\
     \n\
     \x20 --config CONF    the same as CONF\n\
     \x20 -                read more configuration from standard input\n\
     \x20 -v, --version    print the version\n\
     \x20 -h, --help       print this text\n\
     \n\
     A dataset that no server has open:\n\
     \n\
     \x20 forgekv check DIR                           say what is there and what is damaged\n\
     \x20 forgekv repair DIR                          make it start again, and say what is lost\n\
     \x20 forgekv backup DIR DEST [--option value]    copy it; DEST must be missing or empty\n\
     \n\
     Examples:\n\
     \x20 forgekv\n\
     \x20 forgekv /etc/forgekv.conf --loglevel verbose\n\
     \x20 forgekv --port 7000 --bind 127.0.0.1 ::1 --dir /var/lib/forgekv --wal_sync_mode always\n\
     \x20 echo 'maxmemory 128mb' | forgekv -\n"
}

/// Reads the arguments after the program's name and loads what they name. `stdin` is read only for `-`.
pub fn from_args(
    args: impl IntoIterator<Item = OsString>,
    mut stdin: impl Read,
) -> Result<Invocation, LoadError> {
    let args: Vec<Vec<u8>> = args.into_iter().map(OsString::into_vec).collect();
    match args.first().map(Vec::as_slice) {
        Some(b"-v" | b"--version") => return Ok(Invocation::Version),
        Some(b"-h" | b"--help") => return Ok(Invocation::Help),
        _ => {}
    }
    if let Some(tool) = tool(&args, &mut stdin)? {
        return Ok(tool);
    }
    let sources = Sources::new(args)?;
    let mut loader = Loader::default();
    if let Some(path) = &sources.file {
        loader.main_file(path)?;
    }
    if sources.stdin {
        let text = file::read_from(stdin, FILE_BYTES_MAX)
            .map_err(|error| LoadError::Unreadable { source_name: "standard input".to_owned(), error })?;
        loader.text(&Origin::Stdin, &text, 0)?;
    }
    loader.text(&Origin::CommandLine, &sources.options.join(&b'\n'), 0)?;
    loader.finish().map(|loaded| Invocation::Serve(Box::new(loaded)))
}

/// What the words ask for that is not a server. One such word alone, or before options, names a configuration file.
fn tool(args: &[Vec<u8>], stdin: &mut dyn Read) -> Result<Option<Invocation>, LoadError> {
    let operands = args.iter().skip(1).take_while(|arg| !arg.starts_with(b"-")).count();
    let path = |at: usize| PathBuf::from(OsString::from_vec(args[at].clone()));
    Ok(match (args.first().map(Vec::as_slice), operands) {
        (Some(b"check"), 1) if args.len() == 2 => Some(Invocation::Check(path(1))),
        (Some(b"repair"), 1) if args.len() == 2 => Some(Invocation::Repair(path(1))),
        (Some(b"backup"), 2..) => {
            let options = [b"--dir".to_vec(), args[1].clone()].into_iter().chain(args[3..].iter().cloned());
            let options = options.map(OsString::from_vec);
            match from_args(options, stdin)? {
                Invocation::Serve(loaded) => Some(Invocation::Backup(loaded, path(2))),
                _ => None,
            }
        }
        _ => None,
    })
}

/// Where configuration comes from, in the order it is read.
#[derive(Debug, Default)]
struct Sources {
    file: Option<PathBuf>,
    stdin: bool,
    options: Vec<Vec<u8>>,
}

impl Sources {
    fn new(args: Vec<Vec<u8>>) -> Result<Self, LoadError> {
        let mut sources = Self::default();
        let mut has_value = true;
        let mut args = args.into_iter().enumerate().peekable();
        while let Some((place, arg)) = args.next() {
            let is_last = args.peek().is_none();
            let next_is_option = args.peek().is_some_and(|(_, next)| next.starts_with(b"--"));
            if arg == b"-" && (place == 0 || is_last) {
                sources.stdin = true;
            } else if place == 0 && !arg.starts_with(b"-") {
                sources.name_file(arg)?;
            } else if has_value && arg == b"--config" {
                let (_, path) = args.next().ok_or_else(|| usage("--config needs the name of a file"))?;
                sources.name_file(path)?;
            } else if has_value && arg.starts_with(b"--") {
                let bare = words::split(&arg).is_none_or(|parts| parts.len() == 1);
                let mut line = arg[2..].to_vec();
                has_value = !bare;
                if arg.eq_ignore_ascii_case(b"--save") && (is_last || next_is_option) {
                    line.extend_from_slice(b" \"\"");
                    has_value = true;
                }
                sources.options.push(line);
            } else {
                let line = match sources.options.last_mut() {
                    Some(line) => line,
                    None => sources.options.push_mut(Vec::new()),
                };
                if !line.is_empty() {
                    line.push(b' ');
                }
                line.extend_from_slice(words::quote(&arg).as_bytes());
                has_value = true;
            }
        }
        Ok(sources)
    }

    fn name_file(&mut self, path: Vec<u8>) -> Result<(), LoadError> {
        let path = PathBuf::from(OsString::from_vec(path));
        if let Some(first) = self.file.replace(path.clone()) {
            let names = (first.as_os_str().as_bytes(), path.as_os_str().as_bytes());
            let [first, second] = [names.0, names.1].map(String::from_utf8_lossy);
            return Err(usage(&format!("two configuration files are named: '{first}' and '{second}'")));
        }
        Ok(())
    }
}

fn usage(reason: &str) -> LoadError {
    LoadError::Usage(format!("{reason}\n\n{}", help()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invocation(args: &[&str]) -> String {
        match from_args(args.iter().map(OsString::from), &b""[..]) {
            Ok(Invocation::Backup(loaded, to)) => {
                format!("{} {} {}", loaded.config.dir.display(), to.display(), loaded.config.databases)
            }
            Ok(other) => format!("{other:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn tools_take_directories_and_a_file_may_bear_their_names() {
        assert_eq!(invocation(&["check", "a"]), "Check(\"a\")");
        assert_eq!(invocation(&["repair", "a"]), "Repair(\"a\")");
        assert_eq!(invocation(&["backup", "/", "b", "--databases", "20"]), "/ b 20");
        assert!(invocation(&["backup", "/nonesuch", "b"]).contains("No such file or directory"));
        assert!(invocation(&["check"]).contains("can't open config file"), "{}", invocation(&["check"]));
    }

    fn load(args: &[&str]) -> Result<Loaded, String> {
        load_with_stdin(args, "")
    }

    fn load_with_stdin(args: &[&str], stdin: &str) -> Result<Loaded, String> {
        match from_args(args.iter().map(OsString::from), stdin.as_bytes()) {
            Ok(Invocation::Serve(loaded)) => Ok(*loaded),
            Ok(other) => Err(format!("{other:?}")),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn options_take_several_words_until_the_next_option() {
        let config = load(&["--port", "7000", "--save", "", "--bind", "127.0.0.1", "::1"]).unwrap().config;
        assert_eq!(config.port, 7000);
        assert_eq!(config.bind, ["127.0.0.1", "::1"]);
        assert!(config.save.is_empty());
    }

    #[test]
    fn save_before_another_option_is_empty() {
        let config = load(&["--save", "--port", "1", "--save"]).unwrap().config;
        assert!(config.save.is_empty());
        assert_eq!(config.port, 1);
    }

    #[test]
    fn the_word_after_an_option_is_its_value_even_with_dashes() {
        assert_eq!(load(&["--requirepass", "--secret"]).unwrap().config.requirepass, "--secret");
        assert_eq!(load(&["--port 0", "--hz 50"]).unwrap().config.hz, 50);
    }

    #[test]
    fn version_and_help_are_asked_for_first() {
        assert!(matches!(from_args(["-v".into(), "x".into()], std::io::empty()), Ok(Invocation::Version)));
        assert!(matches!(from_args(["--help".into()], std::io::empty()), Ok(Invocation::Help)));
        assert!(version().starts_with("ForgeKV server v="), "{}", version());
        assert!(help().contains("--config"), "{}", help());
    }

    #[test]
    fn stdin_is_read_before_the_options() {
        let config = load_with_stdin(&["-", "--hz", "30"], "hz 20\ntimeout 5\n").unwrap().config;
        assert_eq!((config.hz, config.timeout), (30, 5));
        let config = load_with_stdin(&["--port", "1", "-"], "port 9\n").unwrap().config;
        assert_eq!(config.port, 1);
    }

    #[test]
    fn a_bad_option_is_told_in_the_style_of_redis() {
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            "\n*** FATAL CONFIG FILE ERROR (ForgeKV {version}) ***\n\
             Reading the configuration file, at line 2 of the command line\n>>> 'nosuch \"1\"'\n\
             Bad directive or wrong number of arguments"
        );
        assert_eq!(load(&["--port", "7000", "--nosuch", "1"]).unwrap_err(), expected);
        for (args, reason) in [
            (&["--port"][..], "wrong number of arguments"),
            (&["--port", "1", "-x"], "wrong number of arguments"),
            (&["-port", "0"], "Bad directive or wrong number of arguments"),
            (&["--port=0"], "Bad directive or wrong number of arguments"),
            (&["--save", "900", "--port", "0"], "Invalid save parameters"),
            (&["--dir", "/nonexistent/x"], "No such file or directory"),
        ] {
            let error = load(args).unwrap_err();
            assert!(error.ends_with(reason), "{args:?}: {error}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = load(&["/nonexistent.conf"]).unwrap_err();
        assert_eq!(
            error,
            "Fatal error, can't open config file '/nonexistent.conf': No such file or directory"
        );
        assert!(load(&["a.conf", "--config", "b.conf"]).unwrap_err().starts_with("two configuration files"));
    }
}
