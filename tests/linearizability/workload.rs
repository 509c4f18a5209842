//! Random clients that do at the same time whatever may disturb the others, and what they saw.
//!
//! * A history has three or four keys, so that everybody meets, and most have one type, so that something happens.
//! * Values are numbers that occur once, so that a stale or lost one is told from all others.
//! * Clients pause at random, send several commands at once, and let scripts waste time between two changes: that shifts
//!   who meets whom.
//! * In most histories they do that in bursts that all begin at once: several operations of each run at the same time as many of
//!   the others. In the rest each goes its own way, and clients that wait are served by whoever comes.
//! * The first client fills the keys before the others begin; that is part of the history.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::history::{Action, History, Operation, Words, words};
use crate::support::{Client, Rng, Value, encode};

const CLIENTS: usize = 5;
/// Operations of one client, about.
const LENGTH: usize = 10;
/// Bursts of one hasty client, and operations in each, at least. Nothing orders those of different clients but what they
/// see, so the search through them is long.
const BURSTS: usize = 4;
const BURST: usize = 3;
/// Key names are taken again after so many histories: they begin with deleting keys that may be anywhere.
const GENERATIONS: usize = 7;

/// The commands, by what they need. `key` is any key of the history, `new` a number that occurs once, `member` one of three,
/// `end` one of the two of a list.
const TEXTS: &[&str] = &[
    "SET key new",
    "GET key",
    "GET key",
    "INCR key",
    "INCR key",
    "APPEND key new",
    "GETSET key new",
    "GETDEL key",
    "STRLEN key",
    "MSET key new key new",
    "MSETNX key new key new",
    "MGET key key key",
    "MGET key key key key",
    "RENAME key key",
    "RENAMENX key key",
    "COPY key key",
    "COPY key key REPLACE",
    "DEL key key",
    "EXISTS key key",
];
const LISTS: &[&str] = &[
    "LPUSH key new",
    "RPUSH key new new",
    "LPUSH key new",
    "RPOP key",
    "LPOP key",
    "LRANGE key 0 -1",
    "LLEN key",
    "LMOVE key key end end",
    "LMOVE key key end end",
    "RENAME key key",
    "COPY key key REPLACE",
    "DEL key",
];
const SETS: &[&str] = &[
    "SADD key member member",
    "SADD key member",
    "SREM key member",
    "SMOVE key key member",
    "SMOVE key key member",
    "SMEMBERS key",
    "SCARD key",
    "SUNION key key",
    "SINTER key key",
    "SUNIONSTORE key key key",
    "RENAME key key",
    "COPY key key REPLACE",
    "DEL key",
];
const WAITING: &[&str] = &[
    "BLPOP key key timeout",
    "BRPOP key timeout",
    "BLPOP key timeout",
    "BLMOVE key key end end timeout",
    "BLMOVE key key end end timeout",
];

/// Runs the commands in ARGV from the second on and replies with their replies; the first says how long it takes between two.
const BATCH: &str = "local replies = {} for number = 2, #ARGV do local words = {} \
                     for word in ARGV[number]:gmatch('%S+') do words[#words + 1] = word end \
                     replies[number - 1] = redis.pcall(unpack(words)) for _ = 1, ARGV[1] do end end return replies";
/// The first word of ARGV is the key to read, the second what to append, the others are keys to choose from.
const COMPUTED: &str = "local source = redis.pcall('get', ARGV[1]) if type(source) ~= 'string' then source = '' end \
                        local key = ARGV[3 + #source % (#ARGV - 2)] \
                        return {key, redis.pcall('append', key, ARGV[2])}";

/// One client of one history: what it will do.
struct Planner {
    rng: Rng,
    keys: Vec<String>,
    commands: Vec<&'static str>,
    client: usize,
    values: usize,
    /// Does it send all at once?
    is_hasty: bool,
}

impl Planner {
    fn word(&mut self, word: &str) -> String {
        match word {
            "key" => self.rng.pick(&self.keys).clone(),
            "member" => format!("m{}", self.rng.below(3)),
            "end" => (*self.rng.pick(&["LEFT", "RIGHT"])).to_owned(),
            "timeout" => format!("0.0{:02}", 1 + self.rng.below(30)),
            "new" => {
                self.values += 1;
                format!("{}{:03}", 1 + self.client, self.values)
            }
            other => other.to_owned(),
        }
    }

    fn command_of(&mut self, forms: &[&'static str]) -> Words {
        let form = *self.rng.pick(forms);
        form.split(' ').map(|word| self.word(word)).collect()
    }

    fn command(&mut self) -> Words {
        let forms = self.commands.clone();
        self.command_of(&forms)
    }

    fn some_commands(&mut self) -> Vec<Words> {
        (0..1 + self.rng.below(3)).map(|_| self.command()).collect()
    }

    /// The operations to be sent together.
    fn group(&mut self) -> Vec<Vec<Action>> {
        match self.rng.below(12) {
            0..5 => vec![(0..1 + self.rng.below(3)).map(|_| Action::Command(self.command())).collect()],
            5 => vec![vec![Action::Command(self.command_of(WAITING))]],
            6 => vec![vec![Action::Exec(self.some_commands())]],
            7 | 8 => self.optimistic(),
            9 | 10 => {
                let commands = self.some_commands();
                let declared = if self.rng.one_in(2) { usize::MAX } else { self.rng.below(2) };
                vec![vec![Action::Batch { commands, declared }]]
            }
            _ => {
                let (source, value) = (self.word("key"), self.word("new"));
                let targets = (0..1 + self.rng.below(3)).map(|_| self.word("key")).collect();
                vec![vec![Action::Computed { source, targets, value }]]
            }
        }
    }

    /// Operations that are sent at once, while all other clients send theirs.
    fn burst(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        while actions.len() < BURST {
            actions.extend(self.group().into_iter().flatten());
        }
        actions
    }

    /// WATCH, a look or a change, EXEC: together or one by one.
    fn optimistic(&mut self) -> Vec<Vec<Action>> {
        let watch = if self.rng.one_in(2) { "WATCH key" } else { "WATCH key key" };
        let mut actions = vec![Action::Command(words(watch).iter().map(|word| self.word(word)).collect())];
        for _ in 0..self.rng.below(3) {
            actions.push(Action::Command(self.command()));
        }
        let mut commands = self.some_commands();
        if self.rng.one_in(4) {
            commands.push(self.command_of(WAITING));
        }
        actions.push(Action::Exec(commands));
        if self.rng.one_in(4) { vec![actions] } else { actions.into_iter().map(|one| vec![one]).collect() }
    }
}

/// What a client sends for an action: the bytes before its moment, which are answered at once by so many replies, and the rest.
struct Message {
    before: Vec<u8>,
    replies_before: usize,
    bytes: Vec<u8>,
}

fn message(action: &Action, rng: &mut Rng) -> Message {
    let (before, replies_before, bytes) = match action {
        Action::Command(words) => (Vec::new(), 0, encode(words)),
        Action::Exec(commands) => {
            let mut before = encode(&["MULTI"]);
            commands.iter().for_each(|words| before.extend(encode(words)));
            (before, commands.len() + 1, encode(&["EXEC"]))
        }
        Action::Batch { commands, declared } => {
            let mut keys: Vec<String> = commands.iter().flat_map(|words| keys_of(words)).collect();
            keys.truncate(*declared);
            let mut argv = vec!["EVAL".to_owned(), fresh(BATCH, rng), keys.len().to_string()];
            argv.extend(keys);
            argv.push(rng.below(3000).to_string());
            argv.extend(commands.iter().map(|words| words.join(" ")));
            (Vec::new(), 0, encode(&argv))
        }
        Action::Computed { source, targets, value } => {
            let mut argv = vec!["EVAL".to_owned(), fresh(COMPUTED, rng), "1".to_owned(), source.clone()];
            argv.extend([source.clone(), value.clone()]);
            argv.extend(targets.iter().cloned());
            (Vec::new(), 0, encode(&argv))
        }
    };
    Message { before, replies_before, bytes }
}

/// A script that touches undeclared keys is known for that when it comes again: now and then it is one that is new.
fn fresh(script: &str, rng: &mut Rng) -> String {
    if rng.one_in(2) { format!("{script} -- {}", rng.next()) } else { script.to_owned() }
}

/// The words of a command that are keys: they have a colon.
fn keys_of(words: &[String]) -> impl Iterator<Item = String> {
    words.iter().filter(|word| word.contains(':')).cloned()
}

fn pause(rng: &mut Rng) {
    match rng.below(6) {
        0 => std::thread::sleep(Duration::from_micros(rng.below(400) as u64)),
        1 => std::thread::yield_now(),
        _ => {}
    }
}

/// Sends actions together and adds what came back.
fn perform(
    client: &mut Client,
    actions: Vec<Action>,
    rng: &mut Rng,
    clock: Instant,
    seen: &mut Vec<Operation>,
) {
    let mut messages: Vec<Message> = actions.iter().map(|action| message(action, rng)).collect();
    if let [Message { before, replies_before, .. }] = &mut messages[..]
        && rng.one_in(2)
    {
        // A transaction that is queued long before it is executed.
        client.send_raw(&std::mem::take(before));
        skip_replies(client, std::mem::take(replies_before));
        pause(rng);
    }
    let bytes: Vec<u8> = messages.iter().flat_map(|one| [&one.before[..], &one.bytes].concat()).collect();
    let sent = clock.elapsed();
    client.send_raw(&bytes);
    for (action, message) in actions.into_iter().zip(messages) {
        skip_replies(client, message.replies_before);
        let reply = client.read();
        seen.push(Operation { action, reply, sent, done: clock.elapsed() });
    }
}

fn skip_replies(client: &mut Client, count: usize) {
    for nth in 0..count {
        let expected = if nth == 0 { "OK" } else { "QUEUED" };
        assert_eq!(client.read(), Value::simple(expected));
    }
}

/// Clients for [`record`].
pub fn connect(connect: impl Fn() -> Client) -> Vec<Client> {
    (0..CLIENTS).map(|_| connect()).collect()
}

/// Lets the clients loose on new keys: history number `number` of a seed.
pub fn record(clients: &mut [Client], seed: u64, number: usize) -> History {
    let mut rng = Rng::new(seed.wrapping_add((number as u64) << 20));
    let keys: Vec<String> =
        ["a", "b", "c", "d"].iter().map(|key| format!("{key}:{}", number % GENERATIONS)).collect();
    let mut delete = vec!["DEL".to_owned()];
    delete.extend(keys.iter().cloned());
    clients[0].int(&delete);
    let keys = keys[..3 + rng.below(2)].to_vec();
    let all = [TEXTS, LISTS, SETS].concat();
    let commands = [TEXTS, LISTS, SETS, &all][number % 4].to_vec();
    let is_hasty = !(number / 4).is_multiple_of(4);
    let clock = Instant::now();
    let mut planners: Vec<Planner> = (0..clients.len())
        .map(|client| Planner {
            rng: Rng::new(rng.next()),
            keys: keys.clone(),
            commands: commands.clone(),
            client,
            values: 0,
            is_hasty,
        })
        .collect();
    let mut filled = Vec::new();
    for key in &keys {
        let value = planners[0].word("new");
        let form = match number % 4 {
            0 => ["SET", key, &value],
            1 => ["RPUSH", key, &value],
            2 => ["SADD", key, "m1"],
            _ => *rng.pick(&[["SET", key, &value], ["RPUSH", key, &value], ["SADD", key, "m1"]]),
        };
        if !rng.one_in(3) {
            let action = Action::Command(form.map(str::to_owned).to_vec());
            perform(&mut clients[0], vec![action], &mut rng, clock, &mut filled);
        }
    }
    let barrier = Barrier::new(clients.len());
    let mut histories = std::thread::scope(|scope| {
        let running: Vec<_> = clients
            .iter_mut()
            .zip(planners)
            .map(|(client, planner)| {
                let barrier = &barrier;
                scope.spawn(move || be_a_client(client, planner, barrier, clock))
            })
            .collect();
        running.into_iter().map(|client| client.join().unwrap()).collect::<Vec<_>>()
    });
    filled.append(&mut histories[0]);
    histories[0] = filled;
    History { clients: histories }
}

fn be_a_client(
    client: &mut Client,
    mut planner: Planner,
    barrier: &Barrier,
    clock: Instant,
) -> Vec<Operation> {
    let mut seen = Vec::new();
    let mut rng = Rng::new(planner.rng.next());
    if planner.is_hasty {
        for _ in 0..BURSTS {
            let actions = planner.burst();
            barrier.wait();
            perform(client, actions, &mut rng, clock, &mut seen);
        }
        return seen;
    }
    barrier.wait();
    while seen.len() < LENGTH {
        for actions in planner.group() {
            pause(&mut rng);
            perform(client, actions, &mut rng, clock, &mut seen);
        }
    }
    seen
}
