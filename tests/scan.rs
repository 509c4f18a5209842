//! Iterating over the keyspace.
