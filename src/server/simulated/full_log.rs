//! A log that cannot take more just now: whatever may write waits for it, and nothing else does.

use super::*;

fn words(text: &str) -> Words {
    text.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

#[test]
fn what_may_write_waits_for_a_full_log_also_in_a_transaction() {
    const LIMIT: usize = 1 << 20;
    let options = storage::Options { buffer_limit_bytes: LIMIT as u64, ..options(SyncMode::Never) };
    let recovery = Engine::recover(Arc::new(Sim::new(1)), Path::new(DIR), options).unwrap();
    let mut machine = Machine::new(&recovery);
    let (engine, mut steps) = recovery.start_stepped(Box::new(|_| {})).unwrap();
    machine.state.keyspace.attach_log(engine);
    machine.open();
    let state = machine.state.clone();
    let is_full = || state.keyspace.is_log_behind();

    let waiting: [&[&str]; 4] = [
        &["SET k v"],
        &["EVAL return(1) 0"],
        &["MULTI", "GET k", "INCR n", "EXEC"],
        &["MULTI", "EVAL return(redis.call('INCR','n')) 0", "EXEC"],
    ];
    for (commands, reply) in waiting.into_iter().zip(["+OK", ":1", "*2\r\n$1\r\nv\r\n:1", "*1\r\n:2"]) {
        let big = vec![b'x'; 2 * LIMIT];
        machine.ask(&[b"SET".to_vec(), b"big".to_vec(), big]);
        assert!(is_full());
        assert_eq!(
            machine.ask(&words("STRLEN big")),
            format!(":{}\r\n", 2 * LIMIT).into_bytes(),
            "reads go on"
        );
        assert_eq!(machine.text("MULTI"), "+OK\\r\\n");
        assert_eq!(machine.text("GET big2"), "+QUEUED\\r\\n");
        assert_eq!(machine.text("EXEC"), "*1\\r\\n$-1\\r\\n", "also in a transaction");
        let (last, others) = commands.split_last().unwrap();
        others.iter().for_each(|command| _ = machine.text(command));
        let mut out = Output::default();
        for _ in 0..3 {
            assert_eq!(machine.attempt(&words(last), &mut out), Outcome::BackedUp, "{commands:?}");
        }
        assert_eq!(out.len(), 0);
        while steps.writer.step() == Step::Wrote {}
        assert!(!is_full());
        assert_eq!(machine.ask(&words(last)), format!("{reply}\r\n").into_bytes(), "{commands:?}");
    }
}
