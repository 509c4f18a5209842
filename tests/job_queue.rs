//! A job queue as BullMQ and Sidekiq keep one, through kill -9: no job is lost, and none is completed twice.
//!
//! * Scripts do everything that takes more than one command, with keys that they compute and never declare: adding a job,
//!   putting what was delayed into its queue, completing it. Workers take jobs with BLMOVE, BLPOP, BZPOPMIN and XREADGROUP.
//! * The server runs with `wal_sync_mode always` and is killed again and again while all of them work. What a client was told
//!   is noted, and must hold after the restart. Producers then add again what was not acknowledged (a job's name tells that it
//!   is there already), and jobs that were taken but not completed go back into their queues.
//! * A completion that finds its job completed already, or taken by nobody, fails the test at once: nothing may deliver twice.
//!
//! `FORGEKV_STRESS` multiplies the number of jobs; 20 makes it 100,000.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Client, Rng, Server, Value, encode, forgekv_only, is_cold, stress_factor};

const PRODUCERS: usize = 2;
/// Workers of each kind.
const WORKERS: usize = 2;
const JOBS: usize = 5_000;
/// How often the server is killed, at least.
const KILLS: usize = 4;
/// Jobs that a producer adds at once.
const BATCH: usize = 8;
/// The lists, the sorted set and the stream that jobs wait in.
const KINDS: [&str; 5] = ["moved", "popped", "urgent", "ranked", "stream"];

/// What scripts begin with: the prefix of all keys, and how a job gets into the queue that its hash names.
const PRELUDE: &str = "
local p = ARGV[1]
local function now_ms()
  local time = redis.call('time')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function put(name)
  local kind = redis.call('hget', p .. 'job:' .. name, 'kind')
  if kind == 'stream' then redis.call('xadd', p .. kind, '*', 'job', name)
  elseif kind == 'ranked' then redis.call('zadd', p .. kind, #name, name)
  else redis.call('lpush', p .. kind, name) end
end
";

/// Adds the job ARGV[2] of a kind, after a delay. 0: it is there.
const ADD: &str = "
local name, kind, delay = ARGV[2], ARGV[3], tonumber(ARGV[4])
local job = p .. 'job:' .. name
if redis.call('exists', job) == 1 then return 0 end
redis.call('hset', job, 'kind', kind, 'state', 'open')
redis.call('sadd', p .. 'open', name)
if delay > 0 then redis.call('zadd', p .. 'delayed', now_ms() + delay, name) else put(name) end
return 1
";

/// Puts jobs that are due into their queues.
const PROMOTE: &str = "
local due = redis.call('zrangebyscore', p .. 'delayed', '-inf', now_ms(), 'limit', 0, 50)
for _, name in ipairs(due) do
  redis.call('zrem', p .. 'delayed', name)
  put(name)
end
return #due
";

/// Completes the job ARGV[2], which a worker has taken; ARGV[3] is its entry in the stream. 1: it was open.
const COMPLETE: &str = "
local name, entry = ARGV[2], ARGV[3]
local job = p .. 'job:' .. name
local kind = redis.call('hget', job, 'kind')
if kind == 'stream' then
  if redis.call('xack', p .. kind, 'workers', entry) == 0 then return -1 end
  redis.call('xdel', p .. kind, entry)
elseif kind == 'moved' and redis.call('lrem', p .. 'active', 1, name) == 0 then
  return -2
end
if redis.call('hget', job, 'state') ~= 'open' then return -3 end
redis.call('hset', job, 'state', 'done')
redis.call('hincrby', job, 'times', 1)
redis.call('srem', p .. 'open', name)
redis.call('xadd', p .. 'events', '*', 'job', name)
return redis.call('incr', p .. 'completed') and 1
";

/// Nobody works: open jobs that stand in no queue go back into theirs. What stream workers had, they find themselves.
const RECOVER: &str = "
redis.call('del', p .. 'active')
local waits = {}
for _, queue in ipairs({'moved', 'popped', 'urgent'}) do
  for _, name in ipairs(redis.call('lrange', p .. queue, 0, -1)) do waits[name] = true end
end
for _, queue in ipairs({'delayed', 'ranked'}) do
  for _, name in ipairs(redis.call('zrange', p .. queue, 0, -1)) do waits[name] = true end
end
for _, entry in ipairs(redis.call('xrange', p .. 'stream', '-', '+')) do waits[entry[2][2]] = true end
local stalled = 0
for _, name in ipairs(redis.call('smembers', p .. 'open')) do
  if not waits[name] then
    put(name)
    stalled = stalled + 1
  end
end
return stalled
";

fn eval(script: &str, args: &[&str]) -> Vec<String> {
    let script = format!("{PRELUDE}{script}");
    let all = ["EVAL", &script, "0", "q:"].into_iter().chain(args.iter().copied());
    all.map(str::to_owned).collect()
}

/// What a client was told when its connection broke, or all was done.
#[derive(Default)]
struct Told {
    completed: Vec<String>,
    /// Jobs of a producer that are acknowledged: these first ones.
    added: usize,
}

fn job(producer: usize, number: usize) -> (String, &'static str, usize) {
    let mut rng = Rng::new((producer * 1_000_000 + number) as u64);
    let delay = if rng.one_in(4) { 1 + rng.below(50) } else { 0 };
    (format!("{producer}-{number}"), KINDS[rng.below(KINDS.len())], delay)
}

/// Adds a producer's jobs from `first` on.
fn produce(mut client: Client, producer: usize, first: usize, jobs: usize) -> Told {
    let mut told = Told { added: first, ..Told::default() };
    while told.added < jobs {
        let batch = told.added..jobs.min(told.added + BATCH);
        let bytes: Vec<u8> = batch
            .clone()
            .flat_map(|number| {
                let (name, kind, delay) = job(producer, number);
                encode(&eval(ADD, &[&name, kind, &delay.to_string()]))
            })
            .collect();
        if client.try_send_raw(&bytes).is_err() {
            return told;
        }
        for number in batch {
            let Ok(reply) = client.try_read() else { return told };
            // Only what was on its way when the connection broke may be there.
            let is_new = number >= first + BATCH;
            assert!(reply == Value::Int(1) || !is_new && reply == Value::Int(0), "adding: {reply:?}");
            told.added += 1;
        }
    }
    told
}

fn promote(mut client: Client, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let Ok(reply) = client.try_cmd(&eval(PROMOTE, &[])) else { return };
        let promoted = reply.as_int().unwrap_or_else(|| panic!("promoting: {reply:?}"));
        if promoted == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn text(value: &Value) -> String {
    String::from_utf8(value.as_bytes().unwrap_or_else(|| panic!("{value:?} is no text")).to_vec()).unwrap()
}

/// The jobs in a reply to a command that takes them, with their entries in the stream.
fn taken(reply: &Value) -> Vec<(String, String)> {
    match reply {
        Value::Bulk(_) => vec![(text(reply), String::new())],
        Value::NullBulk | Value::NullArray => Vec::new(),
        Value::Array(items) => match &items[..] {
            // A key with a job, and its rank.
            [Value::Bulk(_), name] | [Value::Bulk(_), name, _] => vec![(text(name), String::new())],
            [Value::Array(stream)] => {
                let entries = stream[1].items().unwrap();
                let of_entry = |entry: &Value| {
                    let entry = entry.items().unwrap();
                    (text(&entry[1].items().unwrap()[1]), text(&entry[0]))
                };
                entries.iter().map(of_entry).collect()
            }
            other => panic!("taking: {other:?}"),
        },
        other => panic!("taking: {other:?}"),
    }
}

/// Takes jobs of one kind and completes them.
fn work(mut client: Client, kind: usize, number: usize, stop: &AtomicBool) -> Told {
    let name = format!("worker{number}");
    let group = ["XREADGROUP", "GROUP", "workers", &name, "COUNT", "3", "BLOCK", "20", "STREAMS", "q:stream"];
    let take: Vec<&str> = match kind {
        0 => vec!["BLMOVE", "q:moved", "q:active", "RIGHT", "LEFT", "0.02"],
        1 => vec!["BLPOP", "q:urgent", "q:popped", "0.02"],
        2 => vec!["BZPOPMIN", "q:ranked", "0.02"],
        _ => [&group[..], &[">"]].concat(),
    };
    let mut told = Told::default();
    // What it had taken from the stream when the server was killed comes first.
    let mut next = if kind == 3 { [&group[..], &["0"]].concat() } else { take.clone() };
    while !stop.load(Ordering::Relaxed) {
        let Ok(reply) = client.try_cmd(&next) else { return told };
        let jobs = taken(&reply);
        if next != take && jobs.is_empty() {
            next = take.clone();
        }
        for (name, entry) in jobs {
            let Ok(reply) = client.try_cmd(&eval(COMPLETE, &[&name, &entry])) else { return told };
            assert_eq!(reply, Value::Int(1), "{name}, which {take:?} delivered, was open");
            told.completed.push(name);
        }
    }
    told
}

struct Queue {
    server: Server,
    rng: Rng,
    /// Jobs of each producer.
    jobs: usize,
    /// How many of them are acknowledged.
    added: [usize; PRODUCERS],
    completed: HashSet<String>,
}

impl Queue {
    fn total(&self) -> usize {
        self.jobs * PRODUCERS
    }

    /// Lets everybody work until so many jobs are completed, and kills the server then, unless that is all of them.
    fn live(&mut self, until: usize) {
        let (jobs, added, total) = (self.jobs, self.added, self.total());
        let stop = AtomicBool::new(false);
        let jitter = Duration::from_micros(self.rng.below(20_000) as u64);
        let mut watcher = self.server.connect();
        let server = &mut self.server;
        let told: Vec<Told> = std::thread::scope(|scope| {
            let stop = &stop;
            let mut clients = Vec::new();
            for (producer, &first) in added.iter().enumerate() {
                let client = server.connect();
                clients.push(scope.spawn(move || produce(client, producer, first, jobs)));
            }
            for number in 0..4 * WORKERS {
                let client = server.connect();
                clients.push(scope.spawn(move || work(client, number % 4, number, stop)));
            }
            let client = server.connect();
            scope.spawn(move || promote(client, stop));
            let is_there = wait_for_completions(&mut watcher, until);
            if until < total && is_there {
                std::thread::sleep(jitter);
                server.kill_9();
            }
            stop.store(true, Ordering::Relaxed);
            let told = clients.into_iter().map(|client| client.join().unwrap()).collect();
            assert!(is_there, "nothing has been completed for a long time");
            told
        });
        for (producer, told) in told[..PRODUCERS].iter().enumerate() {
            self.added[producer] = told.added;
        }
        for name in told.into_iter().flat_map(|told| told.completed) {
            assert!(self.completed.insert(name.clone()), "{name} was completed twice");
        }
    }

    /// Starts the server again, checks what clients were told, and puts stalled jobs back.
    fn recover(&mut self) {
        self.server.restart();
        let mut client = self.server.connect();
        self.check_told(&mut client);
        let stalled = client.int(&eval(RECOVER, &[]));
        eprintln!("{} jobs completed when the server was killed, {stalled} stalled", self.completed.len());
    }

    /// Every acknowledged job is there, and every acknowledged completion.
    fn check_told(&self, client: &mut Client) {
        let fields =
            |name: &String| vec!["HMGET".to_owned(), format!("q:job:{name}"), "state".into(), "times".into()];
        let completed: Vec<_> = self.completed.iter().collect();
        for names in completed.chunks(1000) {
            let commands: Vec<_> = names.iter().map(|name| fields(name)).collect();
            for (name, reply) in names.iter().zip(client.pipeline(&commands)) {
                let once = Value::Array(vec![Value::bulk("done"), Value::bulk("1")]);
                assert_eq!(reply, once, "the completion of {name} was acknowledged");
            }
        }
        for (producer, &added) in self.added.iter().enumerate() {
            let names: Vec<String> = (0..added).map(|number| job(producer, number).0).collect();
            for names in names.chunks(1000) {
                let commands: Vec<_> = names.iter().map(fields).collect();
                for (name, reply) in names.iter().zip(client.pipeline(&commands)) {
                    assert!(!reply.items().unwrap()[0].is_null(), "{name} was acknowledged");
                }
            }
        }
    }

    /// All is done: each job once, and nothing is left over.
    fn check_end(&self) {
        let mut client = self.server.connect();
        self.check_told(&mut client);
        assert_eq!(client.text(&["GET", "q:completed"]), self.total().to_string());
        let events = client.array(&["XRANGE", "q:events", "-", "+"]);
        let job_of = |event: &Value| text(&event.items().unwrap()[1].items().unwrap()[1]);
        let names: HashSet<String> = events.iter().map(job_of).collect();
        assert_eq!((events.len(), names.len()), (self.total(), self.total()), "one event for each job");
        for producer in 0..PRODUCERS {
            for (name, ..) in (0..self.jobs).map(|number| job(producer, number)) {
                assert!(names.contains(&name), "{name} was lost");
            }
        }
        let left = ["q:open", "q:active", "q:delayed", "q:moved", "q:popped", "q:urgent", "q:ranked"];
        assert_eq!(client.int(&[&["EXISTS"], &left[..]].concat()), 0);
        assert_eq!(client.int(&["XLEN", "q:stream"]), 0);
        assert_eq!(client.array(&["XPENDING", "q:stream", "workers"])[0], Value::Int(0));
        // The counter, the events, the stream and the jobs.
        assert_eq!(client.int(&["DBSIZE"]), 3 + self.total() as i64);
    }
}

/// Waits until so many jobs are completed; false: it does not get further.
fn wait_for_completions(client: &mut Client, until: usize) -> bool {
    let (mut last, mut since) = (0, Instant::now());
    while since.elapsed() < Duration::from_secs(20) {
        let reply = client.cmd(&["GET", "q:completed"]);
        let completed: usize = if reply.is_null() { 0 } else { text(&reply).parse().unwrap() };
        if completed >= until {
            return true;
        }
        if completed > last {
            (last, since) = (completed, Instant::now());
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    false
}

#[test]
fn contended_jobs_are_neither_lost_nor_doubled_by_kill_9() {
    if forgekv_only("kills its own server") {
        return;
    }
    let seed = std::env::var("FORGEKV_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(11);
    eprintln!("FORGEKV_SEED={seed}");
    let args =
        ["--workers", "4", "--wal_sync_mode", "always", "--wal_segment_mb", "1", "--checkpoint_log_mb", "4"];
    let server = Server::with_args(&args);
    server.connect().ok(&["XGROUP", "CREATE", "q:stream", "workers", "0", "MKSTREAM"]);
    // Where every access goes to the disk each takes several times as long.
    let jobs = JOBS * stress_factor() / PRODUCERS / if is_cold() { 4 } else { 1 };
    let (rng, added) = (Rng::new(seed), [0; PRODUCERS]);
    let mut queue = Queue { server, rng, jobs, added, completed: HashSet::new() };
    let began = Instant::now();
    let kills = KILLS + stress_factor() / 4;
    for life in 1..=kills {
        queue.live(queue.total() * life / (kills + 1));
        queue.recover();
    }
    queue.live(queue.total());
    eprintln!("{} jobs in {:.1} seconds", queue.total(), began.elapsed().as_secs_f64());
    queue.check_end();
    queue.recover();
    queue.check_end();
}
