//! Listeners, limits, slow and idle clients, contention, shutdown.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::support::Client;
use crate::support::Value;
use crate::support::forgekv_only;
use crate::support::{Server, ServerOptions, new_dir, warm_only};
use crate::support::{stress_factor, wait_for};

#[test]
fn several_addresses_and_the_unix_socket_are_served_at_once() {
    if forgekv_only("the server is started with its own listeners") {
        return;
    }
    let dir = new_dir();
    let path = dir.join("forgekv.sock");
    let has_ipv6 = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    let mut args =
        vec!["--unixsocket", path.to_str().unwrap(), "--unixsocketperm", "700", "--bind", "127.0.0.1"];
    args.extend(["127.0.0.2", "-::1"]);
    let mut server = ServerOptions::default().dir(&dir).args(&args).start();
    let port = server.addr().port();
    Client::connect(SocketAddr::from(([127, 0, 0, 2], port))).ok(&["SET", "where", "second address"]);
    if has_ipv6 {
        let mut client = Client::connect(SocketAddr::from((Ipv6Addr::LOCALHOST, port)));
        assert_eq!(client.text(&["GET", "where"]), "second address");
    }
    let mut unix = UnixStream::connect(&path).unwrap();
    unix.write_all(b"GET where\r\n").unwrap();
    let mut reply = [0; 21];
    unix.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"$14\r\nsecond address\r\n");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(server.stop().success());
    assert!(!path.exists(), "the socket file goes with the server");
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_port_in_use_is_one_clear_sentence() {
    if forgekv_only("the failing start is ForgeKV's") {
        return;
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let log = ServerOptions::default().args(&["--port", &port]).start_expecting_failure();
    assert!(log.contains("Could not create server TCP listening socket") && log.contains("in use"), "{log}");
}

#[test]
fn a_second_server_on_the_directory_is_refused() {
    if forgekv_only("Redis would start") {
        return;
    }
    let server = Server::start();
    let log = ServerOptions::default().dir(server.dir()).start_expecting_failure();
    assert!(log.contains("in use") || log.contains("another"), "{log}");
    server.connect().ok(&["SET", "first", "lives"]);
}

#[test]
fn beyond_maxclients_connections_are_refused_with_the_reason() {
    if forgekv_only("the server is started with a lower limit") {
        return;
    }
    let server = Server::with_args(&["--maxclients", "3"]);
    // The connection that start-up used may not have been noticed as closed yet.
    let mut clients = Vec::new();
    wait_for("three clients", || {
        let mut client = server.connect();
        if matches!(client.try_cmd(&["PING"]), Ok(reply) if reply == Value::simple("PONG")) {
            clients.push(client);
        }
        clients.len() == 3
    });
    let refused = server.connect().recv_until_closed();
    assert_eq!(String::from_utf8_lossy(&refused), "-ERR max number of clients reached\r\n");
    clients.pop();
    wait_for("a free place", || {
        server.connect().try_cmd(&["PING"]).is_ok_and(|reply| reply == Value::simple("PONG"))
    });
}

#[test]
fn ten_thousand_connections_work() {
    if forgekv_only("needs the server's own limits") {
        return;
    }
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let wanted = 10_000u64;
    let possible = wanted.min(hard.saturating_sub(300));
    setrlimit(Resource::RLIMIT_NOFILE, (possible + 300).min(hard), hard).unwrap();
    let server = Server::with_args(&["--workers", "2"]);
    let mut streams = Vec::new();
    for _ in 0..possible - 100 {
        streams.push(TcpStream::connect(server.addr()).unwrap());
    }
    for stream in &mut streams {
        stream.write_all(b"PING\r\n").unwrap();
    }
    for (i, stream) in streams.iter_mut().enumerate() {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut reply = [0; 7];
        stream.read_exact(&mut reply).unwrap_or_else(|error| panic!("connection {i}: {error}"));
        assert_eq!(&reply, b"+PONG\r\n", "connection {i}");
    }
}

#[test]
fn a_pipeline_longer_than_a_turn_is_answered_whole() {
    let server = Server::start();
    let mut client = server.connect();
    // 79 bytes a command: two full reads end a few commands behind what one turn may execute.
    for round in 0..50 {
        let commands: Vec<Vec<String>> =
            (0..4_000).map(|n| vec!["ECHO".to_owned(), format!("{:>58}", n + round)]).collect();
        let replies = client.pipeline(&commands);
        let echoed =
            replies.iter().zip(&commands).all(|(reply, argv)| reply.as_bytes() == Some(argv[1].as_bytes()));
        assert!(echoed, "round {round}");
    }
}

#[test]
fn an_idle_client_is_closed_after_the_timeout() {
    if forgekv_only("the server is started with a timeout") {
        return;
    }
    let server = Server::with_args(&["--timeout", "1"]);
    let mut idle = server.connect();
    idle.cmd(&["PING"]);
    let began = Instant::now();
    assert_eq!(idle.recv_until_closed(), b"");
    assert!(began.elapsed() >= Duration::from_millis(900), "closed after {:?}", began.elapsed());
}

#[test]
fn a_client_that_does_not_read_is_cut_at_the_hard_limit() {
    if forgekv_only("the server is started with a lower limit") {
        return;
    }
    let server = Server::with_args(&["--client-output-buffer-limit", "normal 1mb 0 0"]);
    let mut client = server.connect();
    client.ok(&[b"SET".as_slice(), b"big", &vec![b'x'; 1 << 20]]);
    for _ in 0..64 {
        if client.try_send_raw(b"GET big\r\n").is_err() {
            break;
        }
    }
    // Read meanwhile, all of it could arrive.
    let mut other = server.connect();
    wait_for("the client to be cut", || other.text(&["CLIENT", "LIST"]).lines().count() == 1);
    // What the kernel had already taken still arrives, then the end.
    let mut received = 0;
    let mut buffer = Vec::new();
    client.set_timeout(Duration::from_secs(10));
    while let Ok(reply) = client.try_read() {
        received += 1;
        buffer = reply.as_bytes().unwrap().to_vec();
    }
    assert!(received < 64, "all {received} replies of {} bytes arrived", buffer.len());
}

#[test]
fn a_query_buffer_beyond_its_limit_ends_the_connection() {
    if forgekv_only("the server is started with a lower limit") {
        return;
    }
    let server = Server::with_args(&["--client-query-buffer-limit", "1mb"]);
    let mut client = server.connect();
    let chunk = vec![b'x'; 256 << 10];
    let mut failed = client.try_send_raw(b"*2\r\n$3\r\nGET\r\n$100000000\r\n").is_err();
    for _ in 0..400 {
        failed = failed || client.try_send_raw(&chunk).is_err();
    }
    assert!(failed, "a hundred megabytes were taken against a limit of one");
    server.connect().cmd(&["PING"]);
}

#[test]
fn an_idle_server_uses_no_processor_time() {
    if forgekv_only("looks at the process") || warm_only("emptying RAM takes time") {
        return;
    }
    let server = Server::with_args(&["--workers", "2"]);
    let _clients: Vec<Client> = (0..20).map(|_| server.connect()).collect();
    std::thread::sleep(Duration::from_millis(500));
    let before = cpu_ticks(server.pid());
    std::thread::sleep(Duration::from_secs(2));
    let used = cpu_ticks(server.pid()) - before;
    // A tick is 10 ms: 6 of 200 are 3 %, which an unoptimised build beside others may need. Who polls in vain uses all.
    assert!(used <= 6, "{used} ticks of processor time in two idle seconds");
}

fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Every increment counts once, whatever meets on a shard: many connections on several workers, one key and several.
#[test]
fn contended_commands_are_atomic() {
    if forgekv_only("the server is started with several workers") {
        return;
    }
    let server = Server::with_args(&["--workers", "4", "--wal_sync_mode", "never"]);
    let (threads, rounds) = (8, 300 * stress_factor());
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let mut client = server.connect();
            scope.spawn(move || {
                for round in 0..rounds {
                    let mark = format!("{thread}:{round}");
                    let mut batch: Vec<Vec<String>> = Vec::new();
                    for _ in 0..10 {
                        batch.push(vec!["INCR".into(), "counter".into()]);
                    }
                    let mut mset = vec!["MSET".to_owned()];
                    for key in 0..10 {
                        mset.extend([format!("same{key}"), mark.clone()]);
                    }
                    batch.push(mset);
                    let mut mget = vec!["MGET".to_owned()];
                    mget.extend((0..10).map(|key| format!("same{key}")));
                    batch.push(mget);
                    let replies = client.pipeline(&batch);
                    let seen = replies[11].items().unwrap();
                    assert!(seen.iter().all(|value| *value == seen[0]), "MGET saw half an MSET: {seen:?}");
                }
            });
        }
    });
    assert_eq!(server.connect().text(&["GET", "counter"]), (threads * rounds * 10).to_string());
}

#[test]
fn clients_that_never_stop_sending_do_not_starve_others() {
    if forgekv_only("the server is started with one worker") {
        return;
    }
    let server = Server::with_args(&["--workers", "1"]);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let flood = b"GET nothing\r\n".repeat(20_000);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let stream = TcpStream::connect(server.addr()).unwrap();
            let (mut reader, stop, flood) = (stream.try_clone().unwrap(), &stop, &flood);
            scope.spawn(move || {
                let mut writer = &stream;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    writer.write_all(flood).unwrap();
                }
                stream.shutdown(std::net::Shutdown::Both).unwrap();
            });
            scope.spawn(move || {
                let mut buffer = vec![0; 1 << 16];
                while matches!(reader.read(&mut buffer), Ok(1..)) {}
            });
        }
        let (mut slowest, flooding) = (Duration::ZERO, Instant::now());
        while flooding.elapsed() < Duration::from_millis(1500) {
            let began = Instant::now();
            server.connect().cmd(&["PING"]);
            slowest = slowest.max(began.elapsed());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(slowest < Duration::from_secs(2), "a PING beside three floods took {slowest:?}");
    });
}

/// Of `others` whose turns, each of one INCR and `sleep` seconds, come in one round behind the first client's: how many have
/// executed when the first has its reply.
fn executed_when_the_first_is_answered(others: usize, sleep: &str) -> usize {
    let server = Server::with_args(&["--workers", "2", "--enable-debug-command", "yes"]);
    // Workers take turns with new connections: every second one is on the worker of the first.
    let mut connections: Vec<Client> = (0..2 * others + 2).map(|_| server.connect()).collect();
    let mut observer = connections.pop().unwrap();
    let mut same_worker: Vec<Client> = connections.into_iter().step_by(2).collect();
    observer.ok(&["CLIENT", "PAUSE", "60000", "WRITE"]);
    let mut held_back = |count: usize| {
        wait_for("clients that are held back", || {
            let list = observer.text(&["CLIENT", "LIST"]);
            let is_held_back = |line: &&str| !line.contains(" qbuf=0 ") && !line.contains("client|list");
            list.lines().filter(is_held_back).count() == count
        });
    };
    same_worker[0].send(&["INCR", "turns"]);
    held_back(1);
    for client in &mut same_worker[1..] {
        client.send_raw(format!("INCR turns\r\nDEBUG SLEEP {sleep}\r\n").as_bytes());
    }
    held_back(others + 1);
    observer.ok(&["CLIENT", "UNPAUSE"]);
    same_worker[0].read();
    observer.text(&["GET", "turns"]).parse::<usize>().unwrap() - 1
}

#[test]
fn replies_do_not_wait_for_the_end_of_a_long_round() {
    if forgekv_only("it has rounds") || warm_only("a command whose key is on disk ends its turn") {
        return;
    }
    // Half a millisecond: nobody takes the loop from a thread for that.
    let executed = executed_when_the_first_is_answered(400, "0.0005");
    assert!(executed < 200, "{executed} turns of 400 were over before the first reply left");
}

#[test]
fn replies_do_not_wait_for_turns_that_each_take_long() {
    if forgekv_only("its loop goes on beside a long turn") || warm_only("a key on disk ends its turn") {
        return;
    }
    let executed = executed_when_the_first_is_answered(60, "2");
    assert!(executed < 30, "{executed} turns of 60 had begun before the first reply left");
}

#[test]
fn sigterm_ends_the_server_cleanly() {
    if forgekv_only("stops the server") {
        return;
    }
    for signal in [nix::sys::signal::Signal::SIGTERM, nix::sys::signal::Signal::SIGINT] {
        let mut server = Server::start();
        let mut client = server.connect();
        client.ok(&["SET", "k", "kept"]);
        server.signal(signal);
        assert!(server.wait_for_exit().success(), "{signal}: {}", server.log());
        assert_eq!(client.recv_until_closed(), b"");
        server.restart();
        assert_eq!(server.connect().text(&["GET", "k"]), "kept");
    }
}
