//! The storage engine's promises, tested from outside: one binary, a module for each family of promises.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails; helpers are tests, too")]

mod backup;
mod compaction;
mod crash;
mod fault;
mod format;
mod image;
mod manifest;
mod measure;
mod mutate;
mod recycle;
mod repair;
mod rounds;
mod run;
mod support;
mod threads;
