//! One thread's Lua: what it has compiled, and running it.
//!
//! * A script is compiled once per thread. Running it sets KEYS and ARGV and calls it: nothing is registered anew. Most often the
//!   script that comes is the one that came last, which is therefore looked at first.
//! * An error becomes the text that clients know: the error's own, the script, and the place in it.

use std::collections::HashMap;
use std::sync::Arc;

use super::cache::Script;
use super::context::{Context, End, Job};
use super::convert::{push_error, reply_with_top};
use super::function::{Catalog, Function, Library};
use super::running::{RunKind, RunSlot};
use super::sandbox;
use super::sha::{self, Sha};
use super::stack::{Answer, Kind, Place, Stack};
use super::state::{Kept, State};
use super::words::{self, Global};
use super::{Shared, cjson, shebang};
use crate::resp::{Argv, Output, Protocol, Reply};
use crate::util::time::{Monotonic, UnixMs};

/// Bytes that one thread's scripts may take.
const MEMORY_MAX: usize = 512 << 20;
/// The part of that beyond which all garbage is collected after a run.
const EASY_PART: usize = 8;
/// Compiled scripts that are kept before dead ones are looked for.
const COMPILED_KEPT: usize = 1024;
/// How long a library may take to load.
const LOAD_MAX_MS: u128 = 500;

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ran {
    /// The reply is written.
    Done,
    /// It failed; the error is the reply.
    Failed(Vec<u8>),
    /// The host has stopped it.
    Stopped,
}

struct Compiled {
    script: Arc<Script>,
    function: i32,
}

/// A script that is looked up, and its function if this thread has compiled it.
struct Prepared {
    script: Arc<Script>,
    function: Option<i32>,
}

/// A function of a library that is looked up, by the name that was sent, and what this thread has of it.
struct Called {
    name: Box<[u8]>,
    library: Arc<Library>,
    at: usize,
    function: Option<i32>,
}

struct Loaded {
    id: u64,
    functions: Vec<(Vec<u8>, i32)>,
    /// What the state has grown by.
    memory: usize,
}

/// See the module's documentation.
pub struct Interpreter {
    state: State,
    slot: Arc<RunSlot>,
    shared: Arc<Shared>,
    scripts: HashMap<Sha, Compiled>,
    libraries: HashMap<Vec<u8>, Loaded>,
    catalog: Arc<Catalog>,
    generation: u64,
    prepared: Option<Prepared>,
    /// Only of the current catalog.
    called: Option<Called>,
    /// Bytes beyond which all garbage is collected after a run.
    easy: usize,
    /// Where replies of scripts go, for whoever runs them.
    pub output: Output,
}

/// What is run, and with what.
pub struct Run<'r, 'a> {
    /// The words after the count that are keys.
    pub keys: Argv<'a>,
    /// The words behind them.
    pub args: Argv<'a>,
    /// Executes commands.
    pub host: &'r mut dyn super::Host,
    /// Where the reply goes.
    pub reply: (&'r mut Output, Protocol),
    /// The time.
    pub now: UnixMs,
    /// Shards that are held.
    pub shards: u64,
}

impl Interpreter {
    /// A new state with its world.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self::with_memory(shared, MEMORY_MAX)
    }

    fn with_memory(shared: Arc<Shared>, limit: usize) -> Self {
        let slot = shared.running.register();
        let mut state = State::new(limit, slot.clone());
        let built = state.run(sandbox::build, None).and_then(|()| state.run(keep_bodies, None));
        assert!(built.is_ok(), "the world is built in an empty state");
        state.watch();
        let catalog = Arc::new(Catalog::default());
        Interpreter {
            state,
            slot,
            shared,
            scripts: HashMap::new(),
            libraries: HashMap::new(),
            catalog,
            generation: 0,
            prepared: None,
            called: None,
            easy: limit / EASY_PART,
            output: Output::new(),
        }
    }

    /// Bytes that the state takes.
    pub fn memory(&self) -> usize {
        self.state.memory()
    }

    /// How other threads see its runs.
    pub fn slot(&self) -> &Arc<RunSlot> {
        &self.slot
    }

    /// Looks up the script of this name, which a client sent, if EVALSHA may run it.
    #[inline]
    pub fn prepare(&mut self, name: &[u8]) -> Option<&Script> {
        if !self.prepared().is_some_and(|script| script.sha == *name && script.is_alive()) {
            self.prepared = sha::parse(name).and_then(|sha| self.find(&sha));
        }
        self.prepared()
    }

    /// Looks up the script with this text, if it is known.
    #[inline]
    pub fn prepare_text(&mut self, text: &[u8]) -> Option<&Script> {
        if !self.prepared().is_some_and(|script| *script.text == *text && script.is_alive()) {
            self.prepared = self.find(&sha::sha1_hex(text));
        }
        self.prepared()
    }

    /// The script that was looked up or compiled last.
    #[inline]
    pub fn prepared(&self) -> Option<&Script> {
        self.prepared.as_ref().map(|prepared| &*prepared.script)
    }

    fn find(&self, sha: &Sha) -> Option<Prepared> {
        if let Some(compiled) = self.scripts.get(sha).filter(|compiled| compiled.script.is_alive()) {
            return Some(Prepared { script: compiled.script.clone(), function: Some(compiled.function) });
        }
        Some(Prepared { script: self.shared.scripts.get(sha)?, function: None })
    }

    /// Compiles a script that is new to this thread, and looks it up. The error is what the client gets.
    pub fn compile(&mut self, text: &[u8], is_eval: bool) -> Result<&Script, Vec<u8>> {
        let sha = sha::sha1_hex(text);
        let prepared = match self.find(&sha) {
            Some(known) if is_eval => known,
            Some(known) => {
                let script = self.shared.scripts.add(Script::new(sha, text, known.script.flags), false);
                Prepared { script, function: None }
            }
            None => {
                let shebang = shebang::of_script(text).map_err(|text| [b"ERR ", &text[..]].concat())?;
                let function = self.compile_text(&sha, &text[shebang.length..])?;
                let script = self.shared.scripts.add(Script::new(sha, text, shebang.flags), is_eval);
                self.keep(script.clone(), function);
                Prepared { script, function: Some(function) }
            }
        };
        Ok(&self.prepared.insert(prepared).script)
    }

    fn compile_text(&mut self, name: &[u8], text: &[u8]) -> Result<i32, Vec<u8>> {
        let mut job = Job::compiling(name, text);
        let ran = self.state.run(compile, Some(&mut job));
        if let Err(error) = ran {
            self.after_run();
            return Err([b"ERR Error compiling script (new function): ", &error[..]].concat());
        }
        Ok(job.compiled)
    }

    fn keep(&mut self, script: Arc<Script>, function: i32) {
        if self.scripts.len() >= COMPILED_KEPT {
            let stack = self.state.stack();
            self.scripts.retain(|_, compiled| {
                let stays = compiled.script.is_alive();
                if !stays {
                    stack.release(compiled.function);
                }
                stays
            });
        }
        if let Some(old) = self.scripts.insert(script.sha, Compiled { script, function }) {
            self.state.stack().release(old.function);
        }
    }

    fn function_of(&mut self, script: &Arc<Script>) -> Result<i32, Vec<u8>> {
        if let Some(compiled) = self.scripts.get_mut(&script.sha) {
            // It may have been sent anew since. The function lives as long as the script that is noted beside it.
            compiled.script = script.clone();
            return Ok(compiled.function);
        }
        let length = shebang::of_script(&script.text).map_or(0, |shebang| shebang.length);
        let function = self.compile_text(&script.sha, &script.text[length..])?;
        self.keep(script.clone(), function);
        Ok(function)
    }

    /// Runs the script that was looked up or compiled last.
    pub fn run_script(&mut self, run: Run<'_, '_>) -> Ran {
        let prepared = self.prepared.take().expect("a script is looked up before it runs");
        let function = match prepared.function {
            Some(function) => Ok(function),
            None => self.function_of(&prepared.script),
        };
        let ran = match &function {
            Ok(function) => self.run(&prepared.script.sha, *function, RunKind::Script, run),
            Err(error) => Ran::Failed(error.clone()),
        };
        self.prepared = Some(Prepared { function: function.ok(), ..prepared });
        ran
    }

    /// Looks up a function in the catalog of this moment: its library, and which of its functions it is.
    #[inline]
    pub fn prepare_function(&mut self, name: &[u8]) -> Option<(&Library, usize)> {
        self.refresh();
        if self.called.as_ref().is_none_or(|called| *called.name != *name) {
            self.called = self.catalog.function(name).map(|(library, at)| Called {
                name: name.into(),
                library: library.clone(),
                at: *at,
                function: None,
            });
        }
        self.prepared_function()
    }

    /// The function that was looked up last.
    #[inline]
    pub fn prepared_function(&self) -> Option<(&Library, usize)> {
        self.called.as_ref().map(|called| (&*called.library, called.at))
    }

    fn refresh(&mut self) {
        let generation = self.shared.libraries.generation();
        if generation == self.generation {
            return;
        }
        self.catalog = self.shared.libraries.catalog();
        self.generation = generation;
        self.called = None;
        let (stack, catalog) = (self.state.stack(), &self.catalog);
        self.libraries.retain(|name, loaded| {
            let stays = catalog.libraries.get(name).is_some_and(|library| library.id == loaded.id);
            if !stays {
                loaded.functions.iter().for_each(|&(_, function)| stack.release(function));
            }
            stays
        });
        self.note_libraries();
    }

    /// One state runs scripts and functions, so what libraries take is what the state grows by while they are loaded.
    fn note_libraries(&self) {
        self.slot.note_libraries(self.libraries.values().map(|loaded| loaded.memory).sum());
    }

    /// Runs the function that was looked up last.
    pub fn run_function(&mut self, run: Run<'_, '_>) -> Ran {
        let called = self.called.take().expect("a function is looked up before it runs");
        let function = match called.function {
            Some(function) => Ok(function),
            None => self.function_in(&called.library, called.at),
        };
        let name = &called.library.functions[called.at].name;
        let ran = match &function {
            Ok(function) => self.run(name, *function, RunKind::Function, run),
            Err(error) => Ran::Failed(error.clone()),
        };
        self.called = Some(Called { function: function.ok(), ..called });
        ran
    }

    fn function_in(&mut self, library: &Library, at: usize) -> Result<i32, Vec<u8>> {
        let name = &library.functions[at].name;
        if self.libraries.get(&library.name).is_none_or(|loaded| loaded.id != library.id) {
            self.load(library).map_err(|error| [b"ERR ", &error[..]].concat())?;
        }
        let loaded = self.libraries.get(&library.name);
        let function = loaded.and_then(|loaded| loaded.functions.iter().find(|(own, _)| own == name));
        function.map(|&(_, function)| function).ok_or_else(|| b"ERR Function not found".to_vec())
    }

    fn load(&mut self, library: &Library) -> Result<(), Vec<u8>> {
        let (_, start) = shebang::of_library(&library.code)?;
        // What is garbage now would be collected meanwhile, and the library seem to take less than it does.
        self.state.stack().collect(true);
        let before = self.state.memory();
        let registered = self.register(&library.code[start..])?;
        let functions = registered.into_iter().map(|one| (one.name, one.function)).collect();
        let memory = self.state.memory().saturating_sub(before);
        self.libraries.insert(library.name.clone(), Loaded { id: library.id, functions, memory });
        self.note_libraries();
        Ok(())
    }

    /// Runs a library's text to see which functions it has. The error is what the client gets, without its code.
    pub fn try_library(&mut self, text: &[u8]) -> Result<Vec<Function>, Vec<u8>> {
        let registered = self.register(text)?;
        let stack = self.state.stack();
        let functions = registered.into_iter().map(|one| {
            stack.release(one.function);
            Function { name: one.name, description: one.description, flags: one.flags }
        });
        let functions: Vec<Function> = functions.collect();
        if functions.is_empty() { Err(b"No functions registered".to_vec()) } else { Ok(functions) }
    }

    fn register(&mut self, text: &[u8]) -> Result<Vec<super::library::Registered>, Vec<u8>> {
        let mut job = Job::compiling(b"", text);
        job.is_script = false;
        if let Err(error) = self.state.run(compile, Some(&mut job)) {
            return Err([b"Error compiling function: ", &error[..]].concat());
        }
        job.function = job.compiled;
        self.slot.begin(RunKind::Idle, UnixMs(0), 0);
        let context = self.state.context();
        (context.end, context.cjson, context.protocol) = (None, cjson::Settings::default(), Protocol::Resp2);
        context.loading_since = Some(Monotonic::now());
        let kept = context.kept;
        let ran = self.state.run_kept(kept, &mut job);
        self.state.context().loading_since = None;
        self.after_run();
        self.state.stack().release(job.compiled);
        self.state.stack().release(job.metatable);
        let error = ran.err().or(job.error);
        match error {
            None => Ok(job.registered),
            Some(error) => {
                let stack = self.state.stack();
                job.registered.iter().for_each(|one| stack.release(one.function));
                let text = [b"Error registering functions: ", &error[..]].concat();
                Err(text)
            }
        }
    }

    fn run(&mut self, name: &[u8], function: i32, kind: RunKind, run: Run<'_, '_>) -> Ran {
        self.slot.begin(kind, run.now, run.shards);
        let context = self.state.context();
        (context.end, context.cjson, context.protocol) = (None, cjson::Settings::default(), Protocol::Resp2);
        let kept = context.kept;
        let mut job = Job {
            host: Some(run.host),
            keys: run.keys,
            args: run.args,
            reply: Some(run.reply),
            function,
            is_script: kind == RunKind::Script,
            ..Job::compiling(name, b"")
        };
        let ran = self.state.run_kept(kept, &mut job);
        let mut error = ran.err().or(job.error);
        let end = self.state.context().end;
        if error.is_some() && end.is_none() && self.slot.is_killed() {
            // It was refused memory before anything looked.
            error = Some([b"ERR ", self.slot.kill_text().as_bytes()].concat());
        }
        self.after_run();
        self.slot.end(self.state.memory());
        match (end, error) {
            (Some(End::Stopped), _) => Ran::Stopped,
            (_, Some(error)) => Ran::Failed(error),
            (_, None) => Ran::Done,
        }
    }

    /// Makes the state ready for the next run.
    fn after_run(&mut self) {
        if self.state.context().end.is_some() {
            self.state.watch();
        }
        self.state.context().strings.end_run();
        if self.state.memory() > self.easy {
            let stack = self.state.stack();
            words::forget_all(stack, self.state.context());
            stack.collect(true);
        }
        self.state.calm();
    }
}

impl Context {
    /// Has loading a library taken too long?
    pub(super) fn loads_too_long(&self) -> bool {
        self.loading_since.is_some_and(|since| since.elapsed().as_millis() > LOAD_MAX_MS)
    }
}

fn compile(stack: Stack, context: &mut Context) -> Answer {
    let Some(job) = context.job() else { return Ok(0) };
    let name = if job.is_script { c"@user_script" } else { c"@user_function" };
    if job.text.first() == Some(&0x1b) {
        stack.push_bytes(if job.is_script {
            b"user_script:1: unexpected symbol near 'char(27)'"
        } else {
            b"user_function:1: unexpected symbol near 'char(27)'"
        });
        return Err(super::stack::Raise::Top);
    }
    if !stack.load(job.text, name) {
        return Err(super::stack::Raise::Top);
    }
    if !job.is_script {
        job.metatable = sandbox::close_world(stack, context);
    }
    job.compiled = stack.keep();
    Ok(0)
}

fn keep_bodies(stack: Stack, context: &mut Context) -> Answer {
    let keep = |body| {
        stack.push_own_body(body);
        stack.keep()
    };
    context.kept = Kept { body: keep(run_job), handler: keep(on_error), explain: keep(explain) };
    // The registry notes what it has given up in a field of its own, which exists from here on: giving up allocates nothing, so it
    // can be done between runs.
    stack.push_boolean(true);
    stack.release(stack.keep());
    Ok(0)
}

/// Runs the job's function and replies with its result.
fn run_job(stack: Stack, context: &mut Context) -> Answer {
    let Some(job) = context.job() else { return Ok(0) };
    stack.push_kept(job.function);
    let arguments = match (&job.host, job.is_script) {
        (None, _) => 0,
        (Some(_), true) => {
            words::set(stack, context, Global::Keys, job.keys);
            words::set(stack, context, Global::Args, job.args);
            0
        }
        (Some(_), false) => {
            words::push(stack, job.keys);
            words::push(stack, job.args);
            2
        }
    };
    stack.call(arguments, 1);
    let Some(job) = context.job() else { return Ok(0) };
    if job.host.is_none() {
        sandbox::open_world(stack, context, job.metatable);
    } else if let Some((out, protocol)) = &mut job.reply {
        reply_with_top(stack, &mut Reply::new(out, *protocol), context.protocol);
    }
    Ok(0)
}

/// Notes the error that has ended the job.
fn explain(stack: Stack, context: &mut Context) -> Answer {
    let Some(job) = context.job() else { return Ok(0) };
    job.error = Some(error_text(stack, job));
    if job.host.is_none() {
        sandbox::open_world(stack, context, job.metatable);
    }
    Ok(0)
}

/// Makes a table of every error, with the place where it was raised.
fn on_error(stack: Stack, _context: &mut Context) -> Answer {
    if stack.kind(1) != Kind::Table {
        let text = match stack.kind(1) {
            Kind::String | Kind::Number => stack.bytes(1),
            Kind::Boolean if stack.is_true(1) => b"true",
            Kind::Boolean => b"false",
            _ => stack.type_name(1).as_bytes(),
        };
        stack.push_bytes(b"ERR ");
        stack.push_bytes(text);
        stack.concat(2);
        let text = stack.bytes(-1);
        push_error(stack, text);
    } else {
        stack.push_copy(1);
    }
    let place = match stack.place(1) {
        Place::Native => stack.place(2),
        place => place,
    };
    if let Place::Line(source, line) = place {
        stack.push_bytes(source);
        stack.set_field(-2, "source");
        stack.push_number(f64::from(line));
        stack.set_field(-2, "line");
    }
    Ok(1)
}

/// The error on top as clients see it. What is on the stack is read, nothing is pushed that could not be.
fn error_text(stack: Stack, job: &mut Job<'_>) -> Vec<u8> {
    if stack.kind(-1) != Kind::Table {
        let text = if stack.kind(-1) == Kind::String { stack.bytes(-1) } else { b"execution failure" };
        return [b"ERR Error running script ", job.name, b", ", &text[..text.len().min(100)]].concat();
    }
    let error = stack.top();
    for field in ["err", "source", "line", "ignore_error_stats_update"] {
        stack.push_field(error, field);
    }
    job.is_error_counted = stack.is_true(error + 4);
    let mut text = match stack.kind(error + 1) {
        Kind::String | Kind::Number => stack.bytes(error + 1).to_vec(),
        _ => b"ERR unknown error".to_vec(),
    };
    let has_place = stack.kind(error + 2) == Kind::String && stack.kind(error + 3) == Kind::Number;
    if has_place && job.host.is_some() {
        text.extend_from_slice(b" script: ");
        text.extend_from_slice(job.name);
        text.extend_from_slice(b", on ");
        text.extend_from_slice(stack.bytes(error + 2));
        text.push(b':');
        text.extend_from_slice(itoa::Buffer::new().format(stack.number(error + 3) as i64).as_bytes());
        text.push(b'.');
    }
    text
}

#[cfg(test)]
mod tests;
