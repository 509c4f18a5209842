//! Commands that take long for big values release the locks meanwhile.

use super::*;
use crate::util::allocations::counted;

fn words(text: &str) -> Words {
    text.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

/// The bulk string that a reply is.
fn bulk(reply: &[u8]) -> Vec<u8> {
    let text = reply.splitn(2, |&byte| byte == b'\n').nth(1).unwrap();
    text.strip_suffix(b"\r\n").unwrap().to_vec()
}

#[test]
fn no_shard_is_held_while_a_big_value_is_encoded_or_decoded() {
    let recovery = Engine::recover(Arc::new(Sim::new(1)), Path::new(DIR), options(SyncMode::Never));
    let mut machine = Machine::new(&recovery.unwrap());
    machine.open();
    machine.text("CONFIG SET rdbcompression no");
    machine.text("SET small text");
    for n in 0..2_000 {
        machine.ask(&words(&format!("RPUSH big {n:0>300}")));
    }
    let mut did = |request: &[Vec<u8>]| {
        let before = machine.waits;
        let reply = machine.ask(request);
        (reply, machine.waits - before)
    };
    let restore = |key: &str, payload: &[u8], option: &str| {
        let mut request = words(&format!("RESTORE {key} 0 payload {option}"));
        request[3] = payload.to_vec();
        request
    };
    assert_eq!(did(&words("DUMP small")).1, 0);
    let (reply, waits) = did(&words("DUMP big"));
    let payload = bulk(&reply);
    assert!(waits == 1 && payload.len() > 500_000, "{waits} waits, {} bytes", payload.len());
    assert_eq!(did(&restore("copy", &payload, "ABSTTL")), (b"+OK\r\n".to_vec(), 1));
    let digests = ["big", "copy"].map(|key| did(&words(&format!("DEBUG DIGEST-VALUE {key}"))).0);
    assert_eq!(digests[0], digests[1]);
    let (refused, waits) = did(&restore("copy", &payload, "ABSTTL"));
    assert!(refused.starts_with(b"-BUSYKEY ") && waits == 0, "what shows at once is said at once");
    let mut damaged = payload.clone();
    damaged[300_000] ^= 1;
    let text = b"-ERR DUMP payload version or checksum are wrong\r\n".to_vec();
    assert_eq!(did(&restore("copy", &damaged, "REPLACE")), (text, 1));

    // Nobody may come between the commands of a transaction.
    did(&words("MULTI"));
    did(&words("DUMP big"));
    did(&restore("copy", &payload, "REPLACE"));
    let (reply, waits) = did(&words("EXEC"));
    assert!(waits == 0 && reply.ends_with(b"+OK\r\n") && reply.len() > payload.len());

    let text = vec![b'x'; 300_000];
    did(&[b"SET".to_vec(), b"text".to_vec(), text.clone()]);
    let payload = bulk(&did(&words("DUMP text")).0);
    assert_eq!(did(&restore("copy", &payload, "REPLACE")), (b"+OK\r\n".to_vec(), 1));
    assert!(bulk(&did(&words("GET copy")).0) == text);
}

#[test]
fn a_long_value_is_copied_once_and_not_for_the_log() {
    let recovery = Engine::recover(Arc::new(Sim::new(1)), Path::new(DIR), options(SyncMode::Never)).unwrap();
    let mut machine = Machine::new(&recovery);
    let (engine, _steps) = recovery.start_stepped(Box::new(|_| {})).unwrap();
    machine.state.keyspace.attach_log(engine);
    machine.open();
    let text = vec![b'x'; 4 << 20];
    for form in ["SET key text", "SETEX key 100 text", "GETSET none text", "MSET key text"] {
        let mut request = words(form);
        let at = request.iter().position(|word| word == b"text").unwrap();
        request[at] = text.clone();
        let (reply, work) = counted(|| machine.ask(&request));
        assert!(!reply.starts_with(b"-"), "{form}");
        // One is the request itself.
        assert!(work.bytes < 2 * text.len() + text.len() / 4, "{form}: {work:?}");
        let key = request[1].escape_ascii();
        assert!(bulk(&machine.ask(&words(&format!("GET {key}")))) == text, "{form}");
    }
}

#[test]
fn no_shard_is_held_while_a_long_string_is_copied() {
    let recovery = Engine::recover(Arc::new(Sim::new(1)), Path::new(DIR), options(SyncMode::Never));
    let mut machine = Machine::new(&recovery.unwrap());
    machine.open();
    let edits = ["APPEND text yy", "SETRANGE text 5 yy", "SETBIT text 7 1", "BITFIELD text SET u8 0 1"];
    let mut expected = vec![b'x'; 2 << 20];
    machine.ask(&[b"SET".to_vec(), b"text".to_vec(), expected.clone()]);
    for (n, edit) in edits.into_iter().enumerate() {
        for (waits, other) in [(1, "COPY text other REPLACE"), (0, "PING"), (0, "COPY text other REPLACE")] {
            machine.text(other);
            let as_it_was = expected.clone();
            let is_nested = waits == 0 && other != "PING";
            let before = machine.waits;
            if is_nested {
                machine.text("MULTI");
            }
            machine.text(edit);
            if is_nested {
                machine.text("EXEC");
            }
            assert_eq!(machine.waits - before, waits, "{edit} behind {other}");
            match n {
                0 => expected.extend_from_slice(b"yy"),
                1 => expected[5..7].copy_from_slice(b"yy"),
                2 => expected[0] |= 1,
                _ => expected[0] = 1,
            }
            assert!(bulk(&machine.ask(&words("GET text"))) == expected, "{edit}");
            if other != "PING" {
                assert!(bulk(&machine.ask(&words("GET other"))) == as_it_was, "{edit} changes one of both");
            }
        }
    }
}

#[test]
fn no_shard_is_held_while_a_long_string_that_grows_is_moved() {
    let recovery = Engine::recover(Arc::new(Sim::new(1)), Path::new(DIR), options(SyncMode::Never));
    let mut machine = Machine::new(&recovery.unwrap());
    machine.open();
    let mut expected = vec![b'x'; 2 << 20];
    machine.ask(&[b"SET".to_vec(), b"text".to_vec(), expected.clone()]);
    for (waits, edit, reply) in [
        (1, "APPEND text yy", ":2097154"),
        (0, "APPEND text zz", ":2097156"),
        (1, "SETRANGE text 5000000 far", ":5000003"),
        (0, "SETRANGE text 5000000 FAR", ":5000003"),
        (1, "SETBIT text 48000000 0", ":0"),
        (0, "SETBIT text 48000000 1", ":0"),
        (1, "BITFIELD text OVERFLOW FAIL SET u8 60000000 7", "*1\r\n:0"),
        (1, "APPEND text end", ":7500004"),
        (0, "SETRANGE text 7500000 near", ":7500004"),
    ] {
        let before = machine.waits;
        assert_eq!(machine.ask(&words(edit)), format!("{reply}\r\n").into_bytes(), "{edit}");
        assert_eq!(machine.waits - before, waits, "{edit}");
        match edit.split(' ').next_back().unwrap() {
            "yy" | "zz" | "end" => expected.extend_from_slice(edit.rsplit(' ').next().unwrap().as_bytes()),
            "far" => expected.resize(5_000_003, 0),
            "0" => expected.resize(6_000_001, 0),
            "1" => expected[6_000_000] = 0x80,
            "7" => {
                expected.resize(7_500_001, 0);
                expected[7_500_000] = 7;
            }
            _ => {}
        }
        if edit.starts_with("SETRANGE") {
            let (at, patch) = edit.trim_start_matches("SETRANGE text ").split_once(' ').unwrap();
            let at: usize = at.parse().unwrap();
            expected[at..at + patch.len()].copy_from_slice(patch.as_bytes());
        }
        assert!(bulk(&machine.ask(&words("GET text"))) == expected, "{edit}");
    }
    // In a transaction nobody else is let in.
    machine.text("MULTI");
    machine.text("SETRANGE text 9000000 x");
    let before = machine.waits;
    machine.text("EXEC");
    assert_eq!(machine.waits, before);
    assert_eq!(machine.ask(&words("STRLEN text")), b":9000001\r\n");
}
