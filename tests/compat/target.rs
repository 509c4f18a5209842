//! A sequence of commands, a place to run it, and what was answered.
//!
//! * A run starts from an empty dataset and the session's defaults, and ends with a reading of the whole state: every
//!   key of every database used, its type, encoding, value and time to live.
//! * Commands are pipelined, except that a SCAN is followed to its end, because cursors differ between servers and
//!   what a whole iteration returns does not.
//! * What a transaction replies is spread over its commands, so that what may differ of a command may differ there, too.
//! * A connection that breaks is an answer as well; the next run begins on a new one, after a restart if need be.

use super::families::FAMILIES;
use super::words::DATABASES;
use crate::support::{Client, Server, Value, encode, show};
use std::fmt;
use std::io;

/// A command and its arguments.
pub type Argv = Vec<Vec<u8>>;

/// Commands for one connection, on one version of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    pub protocol: u8,
    pub commands: Vec<Argv>,
}

/// Commands with their replies: the sequence's own first, then those that read the state back.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    pub steps: Vec<(Argv, Value)>,
    /// Why the run ended early.
    pub broken: Option<String>,
}

/// Something that answers commands: a live server, or a model in this suite's own tests.
pub trait Target {
    fn run(&mut self, sequence: &Sequence) -> Transcript;
}

impl Sequence {
    /// Whether CLIENT REPLY may suppress replies. Nothing tells then when a command has been answered.
    pub fn hides_replies(&self) -> bool {
        hides_replies(&self.commands)
    }
}

impl Transcript {
    /// Puts the replies in an EXEC behind it as replies of the commands that were queued.
    fn spread_transactions(&mut self) {
        let mut queued: Option<Vec<Argv>> = None;
        let mut spread = Vec::with_capacity(self.steps.len());
        for (argv, reply) in self.steps.drain(..) {
            let is_queued = reply == Value::simple("QUEUED");
            match &mut queued {
                Some(queued) if is_queued => queued.push(argv.clone()),
                _ if is(&argv, 0, "MULTI") && reply == Value::simple("OK") => queued = Some(Vec::new()),
                Some(_) if ["EXEC", "DISCARD", "RESET"].iter().any(|name| is(&argv, 0, name)) => {
                    let queued = queued.take().unwrap_or_default();
                    if let Value::Array(replies) = &reply
                        && replies.len() == queued.len()
                    {
                        let replies = replies.clone();
                        spread.push((argv, Value::Int(replies.len() as i64)));
                        spread.extend(queued.into_iter().zip(replies));
                        continue;
                    }
                }
                _ => {}
            }
            spread.push((argv, reply));
        }
        self.steps = spread;
    }
}

fn hides_replies(commands: &[Argv]) -> bool {
    commands.iter().any(|argv| is(argv, 0, "CLIENT") && is(argv, 1, "REPLY"))
}

/// Whether the argument at `index` is `word`, in any case.
pub fn is(argv: &Argv, index: usize, word: &str) -> bool {
    argv.get(index).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  > HELLO {}", self.protocol)?;
        self.commands.iter().try_for_each(|argv| writeln!(f, "  > {}", show(argv)))
    }
}

/// The password that a sequence may set.
pub const PASSWORD: &str = "secret";

const SENTINEL: &[u8] = b"the-end-of-this-sequence";
const MAX_SCAN_CALLS: usize = 10_000;

/// A running server.
pub struct Live {
    server: Server,
    client: Option<Client>,
    /// Changes replies on their way, to prove that a difference is found.
    pub tamper: Option<fn(&Argv, &mut Value)>,
}

impl Live {
    pub fn new(server: Server) -> Self {
        Self { server, client: None, tamper: None }
    }

    /// Another client of it.
    pub fn connect(&self) -> Client {
        self.server.connect()
    }

    /// Whether a command of this name exists.
    pub fn knows(&mut self, name: &str) -> bool {
        let reply = self.server.connect().cmd(&[name]);
        !reply.as_error().is_some_and(|text| text.starts_with("ERR unknown command"))
    }

    fn client(&mut self) -> &mut Client {
        if self.client.is_none() {
            if !self.server.is_running() {
                self.server.restart();
            }
            self.client = Some(self.server.connect());
        }
        self.client.as_mut().expect("it was connected above")
    }

    fn try_run(&mut self, sequence: &Sequence, steps: &mut Vec<(Argv, Value)>) -> io::Result<()> {
        let client = self.client();
        reset(client, sequence.protocol)?;
        // While replies can be off, nothing tells when a SCAN has been answered.
        let follow_scans =
            !sequence.commands.iter().any(|argv| is(argv, 0, "CLIENT") && is(argv, 1, "REPLY"));
        let mut rest = sequence.commands.as_slice();
        while follow_scans && let Some(at) = rest.iter().position(|argv| cursor_of_scan(argv).is_some()) {
            let (now, later) = rest.split_at(at + 1);
            let first = steps.len();
            pipeline(client, now, steps)?;
            if steps.len() - first == now.len() {
                follow_scan(client, steps.last_mut().expect("a SCAN was answered"))?;
            }
            rest = later;
        }
        pipeline(client, rest, steps)?;
        read_state(client, steps)
    }
}

impl Target for Live {
    fn run(&mut self, sequence: &Sequence) -> Transcript {
        let mut transcript = Transcript::default();
        if let Err(error) = self.try_run(sequence, &mut transcript.steps) {
            self.client = None;
            let state = if self.server.is_running() { "it still runs" } else { "THE SERVER DIED" };
            transcript.broken = Some(format!("{error}; {state}"));
        }
        transcript.spread_transactions();
        if let Some(tamper) = self.tamper {
            transcript.steps.iter_mut().for_each(|(argv, reply)| tamper(argv, reply));
        }
        transcript
    }
}

fn argv(line: &str) -> Argv {
    line.split(' ').map(|word| if word == "''" { Vec::new() } else { word.as_bytes().to_vec() }).collect()
}

/// Empties the server and gives the session its defaults.
pub fn reset(client: &mut Client, protocol: u8) -> io::Result<()> {
    let mut lines = vec![
        format!("HELLO {protocol} AUTH default {PASSWORD}"),
        // Before keys go: that would be told among the replies.
        "CLIENT TRACKING OFF".to_owned(),
        "SELECT 0".to_owned(),
        "CLIENT SETNAME ''".to_owned(),
        "CONFIG SET requirepass ''".to_owned(),
        "FLUSHALL".to_owned(),
    ];
    lines.extend(FAMILIES.iter().flat_map(|family| family.reset).map(|line| (*line).to_owned()));
    let bytes: Vec<u8> = lines.iter().flat_map(|line| encode(&argv(line))).collect();
    client.try_send_raw(&bytes)?;
    lines.iter().try_for_each(|line| match client.try_read()?.as_error() {
        Some(error) => Err(io::Error::other(format!("{line} is answered {error}"))),
        None => Ok(()),
    })
}

/// Sends commands in one write and reads until the sentinel, which is behind a login, since there may be a password by
/// then. With CLIENT REPLY among them there may be fewer replies than commands; then the replies are kept in order and
/// without a command.
fn pipeline(client: &mut Client, commands: &[Argv], steps: &mut Vec<(Argv, Value)>) -> io::Result<()> {
    let mut bytes: Vec<u8> = commands.iter().flat_map(|argv| encode(argv)).collect();
    let may_be_silent = hides_replies(commands);
    // A transaction that is still open would take what follows.
    bytes.extend_from_slice(&encode(&["DISCARD"]));
    bytes.extend_from_slice(&encode(&["AUTH", "default", PASSWORD]));
    if may_be_silent {
        bytes.extend_from_slice(&encode(&["CLIENT", "REPLY", "ON"]));
    }
    bytes.extend_from_slice(&encode(&[b"ECHO".as_slice(), SENTINEL]));
    client.try_send_raw(&bytes)?;
    let mut names = commands.iter().filter(|_| !may_be_silent).cloned();
    let mut own = if may_be_silent { 0 } else { 2 };
    loop {
        match client.try_read()? {
            Value::Bulk(bytes) if bytes == SENTINEL => return Ok(()),
            // No reply: the client tracks keys that its own commands change.
            Value::Push(_) => {}
            reply => match names.next() {
                Some(argv) => steps.push((argv, reply)),
                None if own > 0 => own -= 1,
                None => steps.push((Argv::new(), reply)),
            },
        }
    }
}

/// The argument that is the cursor of a SCAN, SSCAN, HSCAN or ZSCAN.
pub fn cursor_of_scan(argv: &Argv) -> Option<usize> {
    if is(argv, 0, "SCAN") {
        return Some(1);
    }
    ["SSCAN", "HSCAN", "ZSCAN"].iter().any(|name| is(argv, 0, name)).then_some(2)
}

/// Repeats a scan until its cursor is zero and puts all elements, sorted and each once, into the first reply: of a hash or a
/// sorted set, pairs.
pub fn follow_scan(client: &mut Client, (argv, reply): &mut (Argv, Value)) -> io::Result<()> {
    let mut all = Vec::new();
    let mut page = reply.clone();
    for _ in 0..MAX_SCAN_CALLS {
        let Some([Value::Bulk(cursor), Value::Array(items)]) = page.items() else { return Ok(()) };
        let width = if is(argv, 0, "HSCAN") || is(argv, 0, "ZSCAN") { 2 } else { 1 };
        all.extend(items.chunks(width).map(<[Value]>::to_vec));
        if cursor == b"0" {
            all.sort();
            all.dedup();
            *reply = Value::Array(vec![Value::bulk("0"), Value::Array(all.concat())]);
            return Ok(());
        }
        let mut next = argv.clone();
        let position = cursor_of_scan(argv).expect("it is a scan");
        next[position].clone_from(cursor);
        page = client.try_cmd(&next)?;
        while let Value::Push(_) = page {
            page = client.try_read()?;
        }
    }
    Err(io::Error::other(format!("a SCAN did not end after {MAX_SCAN_CALLS} calls")))
}

/// Reads back everything that is stored.
fn read_state(client: &mut Client, steps: &mut Vec<(Argv, Value)>) -> io::Result<()> {
    client.try_cmd(&["HELLO", "2", "AUTH", "default", PASSWORD])?;
    for db in DATABASES {
        let first = steps.len();
        // A SCAN deletes what has expired, which DBSIZE would count as long as nothing else has come across it.
        pipeline(client, &[argv(&format!("SELECT {db}")), argv("SCAN 0 COUNT 1000000")], &mut Vec::new())?;
        let commands = [argv("DBSIZE"), argv("KEYS *")];
        pipeline(client, &commands, steps)?;
        let mut keys =
            steps.last().and_then(|(_, reply)| reply.items()).map(<[Value]>::to_vec).unwrap_or_default();
        keys.sort();
        let keys: Vec<&[u8]> = keys.iter().filter_map(Value::as_bytes).collect();
        if keys.is_empty() {
            continue;
        }
        let mut commands = Vec::new();
        for key in &keys {
            for (name, sub) in [("TYPE", None), ("PTTL", None), ("OBJECT", Some("ENCODING"))] {
                commands
                    .push([Some(name), sub].iter().flatten().map(|word| word.as_bytes().to_vec()).collect());
                commands
                    .last_mut()
                    .map(|argv: &mut Argv| argv.push(key.to_vec()))
                    .expect("it was pushed above");
            }
        }
        pipeline(client, &commands, steps)?;
        let types =
            steps[first..].iter().filter(|(argv, _)| is(argv, 0, "TYPE")).map(|(_, reply)| reply.clone());
        let mut commands = Vec::new();
        for (key, kind) in keys.iter().zip(types) {
            let readers = FAMILIES.iter().flat_map(|family| family.readers);
            for (_, line) in readers.filter(|(name, _)| Some(name.as_bytes()) == kind.as_bytes()) {
                let word = |word: Vec<u8>| if word == b"KEY" { key.to_vec() } else { word };
                commands.push(argv(line).into_iter().map(word).collect());
            }
        }
        pipeline(client, &commands, steps)?;
    }
    Ok(())
}
