//! The cases: what is measured, between whom, and the ratio that is wanted.

use crate::workload::Operation;

/// Who stands against whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sides {
    /// ForgeKV with one worker against Redis, both on one core.
    ForgekvRedis,
    /// ForgeKV with two workers against itself with one, both free to use two cores.
    TwoWorkersOne,
    /// The bare loop against Redis, both on one core: the lowest ratio there can be.
    FloorRedis,
}

/// What a case measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Processor time per request under a closed loop, in alternating runs.
    Cpu,
    /// Resident bytes per key over the key's and the value's own.
    Memory,
    /// The worst batch latency while new keys are inserted.
    Insert,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its name for `--only`.
    pub name: &'static str,
    /// Who stands against whom.
    pub sides: Sides,
    /// What is measured.
    pub measure: Measure,
    /// What the clients ask.
    pub operation: Operation,
    /// Requests in one write.
    pub pipeline: usize,
    /// Keys in the data set.
    pub keys: u32,
    /// The ratio wanted, if one is set.
    pub target: Option<f64>,
}

/// Connections of every case.
pub const CONNECTIONS: usize = 50;

const BASE: Case = Case {
    name: "",
    sides: Sides::ForgekvRedis,
    measure: Measure::Cpu,
    operation: Operation::Get,
    pipeline: 16,
    keys: 1_000_000,
    target: None,
};

/// Collections spread over so many keys.
const COLLECTION: Case = Case { keys: 100_000, target: Some(0.60), ..BASE };

/// All cases, in the order they run. Neighbours with the same sides, measure and data set share their servers.
pub const CASES: &[Case] = &[
    Case { name: "get", operation: Operation::Get, target: Some(0.60), ..BASE },
    Case { name: "set", operation: Operation::Set, target: Some(0.55), ..BASE },
    Case { name: "incr", operation: Operation::Incr, target: Some(0.60), ..BASE },
    Case { name: "mset10", operation: Operation::Mset, target: Some(0.50), ..BASE },
    Case { name: "get-unpipelined", pipeline: 1, target: Some(0.90), ..BASE },
    Case { name: "set-unpipelined", operation: Operation::Set, pipeline: 1, target: Some(0.90), ..BASE },
    Case { name: "get-p64-hot", pipeline: 64, keys: 1_000, target: Some(0.65), ..BASE },
    Case { name: "lpush", operation: Operation::Lpush, ..COLLECTION },
    Case { name: "rpop", operation: Operation::Rpop, ..COLLECTION },
    Case { name: "sadd", operation: Operation::Sadd, ..COLLECTION },
    Case { name: "hset", operation: Operation::Hset, ..COLLECTION },
    Case { name: "zadd", operation: Operation::Zadd, ..COLLECTION },
    Case { name: "xadd", operation: Operation::Xadd, ..COLLECTION },
    Case { name: "lrange100", operation: Operation::Lrange, keys: 1_000, ..COLLECTION },
    Case { name: "zrange100", operation: Operation::Zrange, keys: 1_000, ..COLLECTION },
    Case { name: "two-workers-get", sides: Sides::TwoWorkersOne, target: Some(1.10), ..BASE },
    Case {
        name: "two-workers-set",
        sides: Sides::TwoWorkersOne,
        operation: Operation::Set,
        target: Some(1.10),
        ..BASE
    },
    Case { name: "floor-get", sides: Sides::FloorRedis, operation: Operation::FloorGet, ..BASE },
    Case {
        name: "floor-get-unpipelined",
        sides: Sides::FloorRedis,
        operation: Operation::FloorGet,
        pipeline: 1,
        ..BASE
    },
    Case { name: "memory", measure: Measure::Memory, operation: Operation::Set, keys: 2_000_000, ..BASE },
    Case { name: "insert", measure: Measure::Insert, operation: Operation::Set, keys: 5_000_000, ..BASE },
];
