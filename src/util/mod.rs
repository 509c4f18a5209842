//! Leaf functions: numbers, words, globs, plain files. They import nothing from the rest of the server.
pub mod file;
pub mod glob;
pub mod number;
pub mod words;
