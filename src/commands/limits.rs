//! The limits of encodings as the data types take them: directives, and the dataset's seed for members.

use crate::config::Config;
use crate::rdb;
use crate::store::Db;
use crate::types::{hash, list, set, stream, zset};

/// Of all that is loaded: RESTORE, RDB files. `hash_seed` is the dataset's for members.
pub fn all(config: &Config, hash_seed: u64) -> rdb::Limits {
    rdb::Limits {
        list: list(config),
        set: set_of(config, hash_seed),
        hash: hash_of(config, hash_seed),
        zset: zset_of(config, hash_seed),
    }
}

/// Of lists.
pub fn list(config: &Config) -> list::Limits {
    list::Limits { listpack_size: config.limits.list_max_listpack_size.into() }
}

/// Of sets.
pub fn set(config: &Config, db: &Db<'_>) -> set::Limits {
    set_of(config, db.member_seed())
}

fn set_of(config: &Config, hash_seed: u64) -> set::Limits {
    set::Limits {
        intset_entries: config.limits.set_max_intset_entries,
        listpack_entries: config.limits.set_max_listpack_entries,
        listpack_value: config.limits.set_max_listpack_value,
        hash_seed,
    }
}

/// Of hashes.
pub fn hash(config: &Config, db: &Db<'_>) -> hash::Limits {
    hash_of(config, db.member_seed())
}

fn hash_of(config: &Config, hash_seed: u64) -> hash::Limits {
    hash::Limits {
        listpack_entries: config.limits.hash_max_listpack_entries,
        listpack_value: config.limits.hash_max_listpack_value,
        hash_seed,
    }
}

/// Of sorted sets.
pub fn zset(config: &Config, db: &Db<'_>) -> zset::Limits {
    zset_of(config, db.member_seed())
}

fn zset_of(config: &Config, hash_seed: u64) -> zset::Limits {
    zset::Limits {
        listpack_entries: config.limits.zset_max_listpack_entries,
        listpack_value: config.limits.zset_max_listpack_value,
        hash_seed,
    }
}

/// Of streams.
pub fn stream(config: &Config) -> stream::Limits {
    stream::Limits {
        node_max_bytes: config.limits.stream_node_max_bytes,
        node_max_entries: config.limits.stream_node_max_entries,
    }
}
