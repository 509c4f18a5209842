//! Picks.
