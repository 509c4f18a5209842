//! Backups of a running server, and the tools for what no server has open.

use std::fs;
use std::process::Command;

use super::{CHECKPOINTS, Contents, REASON, assert_same, contents, fill};
use crate::support::{Server, ServerOptions, forgekv_only, new_dir, warm_only};

/// Runs `forgekv` with these words: whether it succeeded, and all that it said.
fn tool(args: &[&str]) -> (bool, String) {
    let program = std::env::var_os("FORGEKV_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_forgekv").into());
    let output = Command::new(program).args(args).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn a_backup_of_a_running_server_is_a_dataset_of_its_own() {
    if forgekv_only(REASON) {
        return;
    }
    let elsewhere = new_dir();
    fs::remove_dir(&elsewhere).unwrap();
    let path = elsewhere.to_str().unwrap();
    let server = Server::start();
    let mut client = server.connect();
    for name in ["", ".", "..", ".hidden", "a/b", "../a", path] {
        let error = client.error(&["BACKUP", name]);
        assert!(error.starts_with("ERR A backup is a name"), "{name}: {error}");
    }
    fill(&mut client);
    let before = contents(&mut client);
    client.ok(&["BACKUP", "monday"]);
    client.ok(&["FLUSHALL"]);
    let error = client.error(&["BACKUP", "monday"]);
    assert!(error.contains("make a backup in"), "{error}");
    client.ok(&["BACKUP", "tuesday"]);
    assert!(tool(&["check", server.dir().join("monday").to_str().unwrap()]).0);
    for (name, expected) in [("monday", &before), ("tuesday", &Contents::new())] {
        let mut copy = ServerOptions::default().dir(server.dir().join(name)).start();
        let mut client = copy.connect();
        assert_same(expected, &contents(&mut client));
        client.ok(&["SET", "k", "of the copy"]);
        assert!(copy.stop().success());
    }
    assert_eq!(client.int(&["DBSIZE"]), 0);

    let server = Server::with_args(&["--enable-protected-configs", "local"]);
    let mut client = server.connect();
    client.ok(&["SET", "k", "1"]);
    client.ok(&["BACKUP", path]);
    let copy = ServerOptions::default().dir(&elsewhere).start();
    assert_eq!(copy.connect().bulk(&["GET", "k"]), b"1");
    drop(copy);
    fs::remove_dir_all(&elsewhere).unwrap();
}

#[test]
fn the_tools_look_over_repair_and_copy_what_no_server_has_open() {
    if forgekv_only(REASON) || warm_only(CHECKPOINTS) {
        return;
    }
    let mut server = Server::with_args(&["--wal_sync_mode", "always"]);
    let dir = server.dir().to_path_buf();
    let dir_text = dir.to_str().unwrap();
    let copy = new_dir();
    let copy_text = copy.to_str().unwrap();
    let mut client = server.connect();
    fill(&mut client);
    let (works, said) = tool(&["check", dir_text]);
    assert!(!works && said.contains("another server is using this directory"), "{said}");
    client.ok(&["SAVE"]);
    client.ok(&["SET", "behind the image", "1"]);
    let before = contents(&mut client);
    server.kill_9();

    let (works, said) = tool(&["check", dir_text]);
    assert!(
        works && said.contains("600 keys") && said.contains("1 records") && said.contains("no damage"),
        "{said}"
    );
    assert_eq!(tool(&["repair", dir_text]), (true, "There was nothing to repair.\n".to_owned()));
    let (works, said) = tool(&["backup", dir_text, copy_text, "--memtable_size_mb", "1"]);
    assert!(works && said.contains("601 keys"), "{said}");
    let other = ServerOptions::default().dir(&copy).start();
    assert_same(&before, &contents(&mut other.connect()));
    drop(other);
    for args in
        [&["backup", dir_text, copy_text][..], &["backup", "/tmp", copy_text], &["check", "/nonesuch"]]
    {
        let (works, said) = tool(args);
        assert!(!works && !said.is_empty(), "{args:?}: {said}");
    }

    let run = fs::read_dir(dir.join("runs")).unwrap().map(|entry| entry.unwrap().path()).next().unwrap();
    let mut bytes = fs::read(&run).unwrap();
    bytes[100] ^= 1;
    fs::write(&run, bytes).unwrap();
    let (works, said) = tool(&["check", dir_text]);
    assert!(!works && said.contains("DAMAGE") && said.contains(run.to_str().unwrap()), "{said}");
    let (works, said) = tool(&["repair", dir_text]);
    assert!(works && said.contains("keys and"), "{said}");
    let (works, said) = tool(&["check", dir_text]);
    assert!(works && said.contains("no damage"), "{said}");
    server.restart();
    assert!(
        contents(&mut server.connect()).len() < before.len(),
        "what was in the run is lost, and nothing else stops"
    );
    drop(server);
    fs::remove_dir_all(copy).unwrap();
}
