//! The `forgekv` binary: arguments in, a running server out.

use std::io::{Write, stderr, stdin, stdout};
use std::process::ExitCode;

use forgekv::allocator::Jemalloc;
use forgekv::config::{self, Invocation};
use forgekv::{server, tools};

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// The allocator's settings, which it reads under this name. Why these: [`forgekv::allocator`].
// SAFETY: the name is the allocator's own, and it expects there a pointer to a text that ends with a zero byte.
#[expect(unsafe_code, reason = "an allocator is configured before main runs")]
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static ALLOCATOR_SETTINGS: &[u8; 111] = b"narenas:1,cache_oblivious:false,dirty_decay_ms:-1,\
    slab_sizes:96-96:1|192-192:1|320-384:2|448-448:1|8192-8192:8\0";

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
