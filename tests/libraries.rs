//! A real client library drives the server as an application would.

use redis::{Commands, Connection};

use crate::support::Server;

fn connect(server: &Server) -> Connection {
    let url = format!("redis://{}/", server.addr());
    redis::Client::open(url).unwrap().get_connection().unwrap()
}

#[test]
fn the_redis_crate_reads_what_it_wrote() {
    let server = Server::start();
    let mut connection = connect(&server);
    let _: () = connection.set("name", "forge").unwrap();
    let name: String = connection.get("name").unwrap();
    assert_eq!(name, "forge");
    let missing: Option<String> = connection.get("missing").unwrap();
    assert_eq!(missing, None);
    let _: () = connection.mset(&[("a", 1), ("b", 2)]).unwrap();
    let numbers: Vec<i64> = connection.mget(&["a", "b"]).unwrap();
    assert_eq!(numbers, [1, 2]);
    let sum: i64 = connection.incr("a", 41).unwrap();
    assert_eq!(sum, 42);
    let bytes: Vec<u8> = vec![0, 255, 13, 10];
    let _: () = connection.set("binary", bytes.as_slice()).unwrap();
    assert_eq!(connection.get::<_, Vec<u8>>("binary").unwrap(), bytes);
}

#[test]
fn the_redis_crate_pipelines_and_scans() {
    let server = Server::start();
    let mut connection = connect(&server);
    let mut pipeline = redis::pipe();
    for n in 0..500 {
        pipeline.set(format!("key:{n}"), n).ignore();
    }
    let _: () = pipeline.query(&mut connection).unwrap();
    let mut keys: Vec<String> = connection.scan_match("key:*").unwrap().collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 500);
}

#[test]
fn the_redis_crate_speaks_resp3() {
    let server = Server::start();
    let url = format!("redis://{}/?protocol=resp3", server.addr());
    let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
    let _: () = connection.set("k", "v").unwrap();
    assert_eq!(connection.get::<_, String>("k").unwrap(), "v");
    let error = redis::cmd("NOSUCH").query::<String>(&mut connection).unwrap_err();
    assert_eq!(error.code(), Some("ERR"));
}
