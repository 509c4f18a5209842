//! The `forgekv` binary: arguments in, a running server out.

use std::io::{Write, stderr, stdin, stdout};
use std::process::ExitCode;

use forgekv::config::{self, Invocation};
use forgekv::{server, tools};

fn main() -> ExitCode {
    let text = match config::from_args(std::env::args_os().skip(1), stdin().lock()) {
        Ok(Invocation::Serve(loaded)) => return server::run(*loaded),
        Ok(Invocation::Check(dir)) => return tools::check(&dir),
        Ok(Invocation::Repair(dir)) => return tools::repair(&dir),
        Ok(Invocation::Backup(loaded, to)) => return tools::backup(*loaded, &to),
        Ok(Invocation::Version) => config::version(),
        Ok(Invocation::Help) => config::help().to_owned(),
        Err(error) => {
            // Nothing is left to do when even this cannot be said.
            let _ = writeln!(stderr(), "{error}");
            return ExitCode::FAILURE;
        }
    };
    match writeln!(stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
