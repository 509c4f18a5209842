//! The subcommands that look into values.

use std::convert::Infallible;

use crate::commands::call::{Call, is};
use crate::commands::dump;
use crate::commands::error::CommandError;
use crate::commands::spec::CommandResult;
use crate::rdb::digest::Digest;
use crate::rdb::{Format, ObjectRef, Sink, object as rdb_object};
use crate::store::Slot;
use crate::store::digest::DigestWalk;
use crate::store::entry::Value;
use crate::store::object::Object;
use crate::store::residence::Errand;
use crate::types::list::{Encoding, List, Part};
use crate::types::listpack::Listpack;
use crate::util::log;

/// Finds the key that a subcommand names without touching it.
pub(super) fn find(call: &mut Call<'_>) -> Result<Slot, CommandError> {
    let key = call.key(2);
    call.db.stop_touching();
    call.db.find(&key).ok_or(CommandError::NO_SUCH_KEY)
}

pub(super) fn object(call: &mut Call<'_>) -> CommandResult {
    let slot = find(call)?;
    let entry = call.db.entry(slot);
    let (access, value) = (entry.access(), entry.value());
    let idle = match call.access.is_lfu() {
        true => 0,
        false => call.access.idle_seconds(access),
    };
    let text = format!(
        "Value at:0x{:x} refcount:1 encoding:{} serializedlength:{} lru:{access} lru_seconds_idle:{idle}{}",
        entry.key().as_ptr().addr(),
        value.encoding(),
        serialized_len(value.into(), dump::format(call.config)),
        match value {
            Value::Object(Object::List(list)) =>
                nodes(list, call.config.limits.list_max_listpack_size.into()),
            _ => String::new(),
        },
    );
    call.reply.simple(&text);
    Ok(())
}

/// What DEBUG OBJECT adds for a quicklist.
fn nodes(list: &List, listpack_max: i64) -> String {
    if list.encoding() != Encoding::Quicklist {
        return String::new();
    }
    let (nodes, bytes) = list.parts().fold((0, 0), |(nodes, bytes), part| {
        let (Part::Packed(part) | Part::Plain(part)) = part;
        (nodes + 1, bytes + part.len())
    });
    let average = list.len() as f64 / nodes as f64;
    // Nodes are not compressed in memory.
    format!(
        " ql_nodes:{nodes} ql_avg_node:{average:.2} ql_listpack_max:{listpack_max} ql_compressed:0 \
         ql_uncompressed_size:{bytes}"
    )
}

/// Counts what is put into it.
struct Counted(usize);

impl Sink for Counted {
    type Error = Infallible;

    fn put(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.0 += bytes.len();
        Ok(())
    }
}

/// Bytes that the value takes in an RDB file, without its type.
fn serialized_len(value: ObjectRef<'_>, format: Format) -> usize {
    let mut counted = Counted(0);
    let Ok(()) = rdb_object::put(&mut counted, value, format);
    counted.0 - 1
}

pub(super) fn digest_value(call: &mut Call<'_>) -> CommandResult {
    call.db.stop_touching();
    call.reply.array(call.argv.len() - 2);
    for position in 2..call.argv.len() {
        let key = call.key(position);
        let mut digest = Digest::default();
        if let Some(slot) = call.db.find(&key) {
            digest.value(call.db.value(slot).into(), call.db.expire_at(slot).is_some());
        }
        call.reply.simple(&digest.hex());
    }
    Ok(())
}

/// A checkpoint is made and read, so that no shard is held meanwhile.
pub(super) fn digest(call: &mut Call<'_>) -> CommandResult {
    if let Some(result) = call.answer::<Result<Digest, String>>() {
        let digest = result.map_err(CommandError::err)?;
        call.reply.simple(&digest.hex());
        return Ok(());
    }
    let rounds = &call.state.checkpointer;
    Err(call.ask_for(|promise| {
        rounds.ask_then(Box::new(move |keyspace, round| {
            let version = round.and_then(|_| keyspace.version().ok_or("There is no image on disk.".into()));
            match version {
                Err(sentence) => promise.keep(keyspace, Ok(Err(sentence))),
                Ok(version) => {
                    let mut walk = DigestWalk::new(version, keyspace.member_seed());
                    promise.work_off(keyspace, move |_| Ok(walk.go_on().transpose()));
                }
            }
        }));
    }))
}

/// What is in RAM is written to disk and leaves RAM; whoever asks for it loads it again. Nothing is ever lost by it, so
/// that NOFLUSH and MERGE make no difference.
pub(super) fn reload(call: &mut Call<'_>) -> CommandResult {
    let mut is_saved = true;
    for word in call.argv.iter().skip(2) {
        match () {
            () if is(word, "NOSAVE") => is_saved = false,
            () if is(word, "NOFLUSH") || is(word, "MERGE") => {}
            () => return Err(CommandError::RELOAD_OPTIONS),
        }
    }
    if let Some(result) = call.answer::<Result<(), String>>() {
        result.map_err(|_| CommandError::RELOAD_FAILED)?;
        call.reply.ok();
        return Ok(());
    }
    let rounds = &call.state.checkpointer;
    let keyspace = &call.state.keyspace;
    Err(call.ask_for(|promise| {
        if !is_saved {
            return promise.work_off(keyspace, |keyspace| {
                keyspace.drop_clean();
                Ok(Some(Ok::<(), String>(())))
            });
        }
        rounds.ask_then(Box::new(move |keyspace, round| {
            // Not on the thread that makes checkpoints.
            keyspace.send(Errand::Run(Box::new(move |keyspace| {
                keyspace.drop_clean();
                promise.keep(keyspace, Ok(round.map(|_| ())));
            })));
        }));
    }))
}

pub(super) fn listpack(call: &mut Call<'_>) -> CommandResult {
    let slot = find(call)?;
    let bytes = match call.db.value(slot) {
        Value::Object(Object::List(list)) if list.encoding() == Encoding::Listpack => {
            list.parts().next().map(|(Part::Packed(bytes) | Part::Plain(bytes))| bytes.to_vec())
        }
        Value::Object(Object::Set(set)) => set.small_bytes().map(<[u8]>::to_vec),
        Value::Object(Object::Hash(hash)) => hash.small_bytes().map(<[u8]>::to_vec),
        Value::Object(Object::Zset(zset)) => zset.small_bytes().map(<[u8]>::to_vec),
        _ => None,
    };
    // An intset is none.
    let listpack =
        bytes.and_then(|bytes| Listpack::from_bytes(bytes).ok()).ok_or(CommandError::NOT_A_LISTPACK)?;
    log::notice(&format!("listpack of {} bytes: {listpack:?}", listpack.size_bytes()));
    call.reply.simple("Listpack structure printed on stdout");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: Format = Format::EXACT;

    #[test]
    fn serialized_lengths_are_those_of_an_rdb_file() {
        let bytes = vec![b'x'; 20_000];
        let of = |len: usize| serialized_len(ObjectRef::String(&bytes[..len]), FORMAT);
        assert_eq!([of(0), of(63), of(64), of(16_383), of(16_384)], [1, 64, 66, 16_385, 16_389]);
        let ints = [0, -128, 128, -32_768, 32_768, i64::from(i32::MIN), 1 << 31];
        assert_eq!(ints.map(|number| serialized_len(ObjectRef::Int(number), FORMAT)), [2, 2, 3, 3, 5, 5, 11]);
    }
}
