//! The storage engine's promises, tested from outside: one binary, a module for each family of promises.

mod crash;
mod fault;
mod format;
mod measure;
mod mutate;
mod support;
mod threads;
