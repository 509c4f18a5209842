//! The command line.

use std::path::PathBuf;

/// What `--help` prints.
pub const USAGE: &str = "\
forgekv-bench: measures forgekv beside redis-server in one run

  --forgekv PATH   the server measured           (default: forgekv beside this program)
  --redis PATH     the server it is compared to  (default: redis-server)
  --only CASE      one case, or all that begin with CASE; may be given more than once
  --quick          smaller data sets and shorter runs: a check of the bench, not a measurement
  --json FILE      the figures as JSON as well
  --list           names the cases

Exit status: 0 measured (whether or not targets are met), 1 a wrong reply or a server that failed.";

/// Parsed options.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server measured.
    pub forgekv: PathBuf,
    /// The server it is compared to.
    pub redis: PathBuf,
    /// Prefixes of the cases to run; all when empty.
    pub only: Vec<String>,
    /// Smaller and shorter.
    pub quick: bool,
    /// Where to write JSON.
    pub json: Option<PathBuf>,
    /// Print the cases and stop.
    pub list: bool,
}

impl Options {
    /// Reads the arguments after the program's name.
    pub fn parse(args: &[String]) -> Result<Self, String> {
        let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("forgekv")));
        let mut options = Self {
            forgekv: beside.unwrap_or_else(|| "forgekv".into()),
            redis: "redis-server".into(),
            only: Vec::new(),
            quick: false,
            json: None,
            list: false,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--forgekv" => options.forgekv = value()?.into(),
                "--redis" => options.redis = value()?.into(),
                "--only" => options.only.push(value()?.clone()),
                "--json" => options.json = Some(value()?.into()),
                "--quick" => options.quick = true,
                "--list" => options.list = true,
                _ => return Err(format!("unknown option {arg}\n\n{USAGE}")),
            }
        }
        Ok(options)
    }

    /// Whether `--only` lets a case run.
    pub fn selects(&self, case: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|prefix| case.starts_with(prefix.as_str()))
    }
}
