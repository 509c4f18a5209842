//! The sorted set type: members with scores, in the order of their scores.

mod index;
mod leaf;
pub mod tree;
