//! Every error reply, byte for byte as Redis words it. No other file holds an error text: those that never differ are constants in
//! `fixed`, those that quote something are made by the functions here.
//!
//! `Display` gives the whole line without the leading `-` and the line end: `CODE message`.

use std::borrow::Cow;
use std::fmt;

use crate::types::hyperloglog;
use crate::types::stream::{AddError, SetIdError};
use crate::types::string::bitfield::BitfieldError;
use crate::types::string::lcs::LcsError;
use crate::types::zset::NotANumber;

mod fixed;

/// An error that becomes the reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// A fixed text.
    Fixed(&'static str),
    /// A text made from what the client sent.
    Text(Box<[u8]>),
    /// No error, and never a reply: the command has asked for something and runs again when that is there
    /// ([`Call::ask`](super::call::Call::ask)).
    AwaitAnswer,
    /// No error, and never a reply: a script has met a key whose shard is not held. What it did was taken back, and it runs again
    /// with all shards.
    TakesAllShards,
}

impl CommandError {
    /// `ERR wrong number of arguments for 'get' command`; subcommands are named `config|get`.
    pub fn arity(full_name: &str) -> Self {
        Self::with("ERR wrong number of arguments for '{}' command", &[full_name.as_bytes()])
    }

    /// `ERR unknown command 'x', with args beginning with: 'a' 'b' `, cut as Redis cuts it.
    pub fn unknown_command<'a>(name: &[u8], args: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut shown = Vec::new();
        for arg in args {
            if shown.len() >= NAME_MAX {
                break;
            }
            let room = NAME_MAX - shown.len();
            shown.extend([b"'", cut(arg, room), b"' "].concat());
        }
        Self::with("ERR unknown command '{}', with args beginning with: {}", &[cut(name, NAME_MAX), &shown])
    }

    /// `ERR unknown subcommand 'x'. Try CONFIG HELP.`
    pub fn unknown_subcommand(container: &str, name: &[u8]) -> Self {
        let container = container.to_uppercase();
        Self::with("ERR unknown subcommand '{}'. Try {} HELP.", &[cut(name, NAME_MAX), container.as_bytes()])
    }

    /// `ERR unknown subcommand or wrong number of arguments for 'x'. Try CLIENT HELP.`
    pub fn subcommand_syntax(container: &str, name: &[u8]) -> Self {
        let container = container.to_uppercase();
        let template = "ERR unknown subcommand or wrong number of arguments for '{}'. Try {} HELP.";
        Self::with(template, &[cut(name, NAME_MAX), container.as_bytes()])
    }

    /// What a RESP2 client hears that may only change its subscriptions.
    pub fn subscribed_mode(full_name: &str) -> Self {
        let template = "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context";
        Self::with(template, &[full_name.as_bytes()])
    }

    /// `ERR Prefix 'a' overlaps with an existing prefix 'ab'. …`
    pub fn prefix_overlap(prefix: &[u8], which: &str, other: &[u8]) -> Self {
        let template =
            "ERR Prefix '{}' overlaps with {} prefix '{}'. Prefixes for a single client must not overlap.";
        Self::with(template, &[prefix, which.as_bytes(), other])
    }

    /// `ERR Syntax error in HELLO option 'x'`
    pub fn hello_option(option: &[u8]) -> Self {
        Self::with("ERR Syntax error in HELLO option '{}'", &[option])
    }

    /// `EXECABORT Transaction discarded because of: OOM …`; the code `ERR` is left out.
    pub fn exec_abort(reason: &CommandError) -> Self {
        let reason = reason.bytes();
        let shown = reason.strip_prefix(b"ERR ").unwrap_or(reason);
        Self::with("EXECABORT Transaction discarded because of: {}", &[shown])
    }

    /// `ERR Unknown client type 'x'`
    pub fn unknown_client_type(name: &[u8]) -> Self {
        Self::with("ERR Unknown client type '{}'", &[name])
    }

    /// `ERR No such user 'x'`
    pub fn no_such_user(name: &[u8]) -> Self {
        Self::with("ERR No such user '{}'", &[name])
    }

    /// `ERR Unrecognized option 'x'`
    pub fn unrecognized_option(option: &[u8]) -> Self {
        Self::with("ERR Unrecognized option '{}'", &[option])
    }

    /// `ERR lib-name cannot contain spaces, newlines or special characters.`
    pub fn client_attribute(name: &[u8]) -> Self {
        Self::with("ERR {} cannot contain spaces, newlines or special characters.", &[name])
    }

    /// A refusal of another part of the server, which words it as Redis does but for the code.
    pub fn err(refusal: impl fmt::Display) -> Self {
        Self::err_bytes(refusal.to_string().as_bytes())
    }

    /// [`Self::err`] for a refusal that quotes bytes.
    pub fn err_bytes(refusal: &[u8]) -> Self {
        Self::with("ERR {}", &[refusal])
    }

    /// The error of a script, as the interpreter words it.
    pub fn script(text: Vec<u8>) -> Self {
        CommandError::Text(text.into_boxed_slice())
    }

    /// `BUSY …`: a script or function runs for too long.
    pub fn busy(kind: crate::script::RunKind) -> Self {
        match kind {
            crate::script::RunKind::Function => Self::Fixed(
                "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.",
            ),
            _ => Self::Fixed(
                "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
            ),
        }
    }

    /// `ERR Unknown option given: x`, of FUNCTION LOAD.
    pub fn unknown_load_option(option: &[u8]) -> Self {
        Self::with("ERR Unknown option given: {}", &[option])
    }

    /// `ERR Unknown argument x`, of FUNCTION LIST. Line ends at its end become spaces, too; other errors lose them.
    pub fn unknown_list_argument(argument: &[u8]) -> Self {
        let argument = argument.iter().map(|byte| if b"\r\n".contains(byte) { b' ' } else { *byte });
        Self::with("ERR Unknown argument {}", &[&argument.collect::<Vec<_>>()])
    }

    /// `ERR invalid expire time in 'set' command`
    pub fn invalid_expire(command: &str) -> Self {
        Self::with("ERR invalid expire time in '{}' command", &[command.as_bytes()])
    }

    /// `ERR at least 1 input key is needed for 'zunion' command`
    pub fn no_input_key(command: &str) -> Self {
        Self::with("ERR at least 1 input key is needed for '{}' command", &[command.as_bytes()])
    }

    /// `ERR invalid longitude,latitude pair 181.000000,0.000000`
    pub fn coordinates(longitude: f64, latitude: f64) -> Self {
        Self::err(format_args!("invalid longitude,latitude pair {longitude:.6},{latitude:.6}"))
    }

    /// `ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for geosearch`, as the client wrote the command.
    pub fn geo_centre(command: &[u8]) -> Self {
        Self::with("ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {}", &[command])
    }

    /// `ERR exactly one of BYRADIUS and BYBOX can be specified for geosearch`, as the client wrote the command.
    pub fn geo_shape(command: &[u8]) -> Self {
        Self::with("ERR exactly one of BYRADIUS and BYBOX can be specified for {}", &[command])
    }

    /// `ERR unknown argument: x`, of HSETEX
    pub fn unknown_argument(word: &[u8]) -> Self {
        Self::with("ERR unknown argument: {}", &[word])
    }

    /// `ERR Unsupported option x`, of EXPIRE and its like.
    pub fn unsupported_option(option: &[u8]) -> Self {
        Self::with("ERR Unsupported option {}", &[option])
    }

    /// `ERR Unbalanced 'xread' list of streams: …`; the command was called `name`.
    pub fn unbalanced_streams(name: &str) -> Self {
        let sign = if name == "xread" { b"$" } else { b">" };
        let template =
            "ERR Unbalanced '{}' list of streams: for each stream key an ID or '{}' must be specified.";
        Self::with(template, &[name.as_bytes(), sign])
    }

    /// [`CommandError::WRONG_TYPE`] as the reply to a client that waited for a key, which else would wait on.
    pub fn wrong_type_now() -> Self {
        CommandError::Text(Self::WRONG_TYPE.bytes().into())
    }

    /// `NOGROUP No such key 'x' or consumer group 'x'`
    pub fn no_key_or_group(key: &[u8], group: &[u8]) -> Self {
        Self::with("NOGROUP No such key '{}' or consumer group '{}'", &[key, group])
    }

    /// `NOGROUP No such key 'x' or consumer group 'x' in XREADGROUP with GROUP option`
    pub fn no_group_to_read(key: &[u8], group: &[u8]) -> Self {
        let template = "NOGROUP No such key '{}' or consumer group '{}' in XREADGROUP with GROUP option";
        Self::with(template, &[key, group])
    }

    /// `NOGROUP No such consumer group 'x' for key name 'x'`
    pub fn no_group(group: &[u8], key: &[u8]) -> Self {
        Self::with("NOGROUP No such consumer group '{}' for key name '{}'", &[group, key])
    }

    /// `ERR Unrecognized XCLAIM option 'x'`
    pub fn xclaim_option(option: &[u8]) -> Self {
        Self::with("ERR Unrecognized XCLAIM option '{}'", &[option])
    }

    /// `ERR Unknown PFDEBUG subcommand 'x'`
    pub fn pfdebug_subcommand(name: &[u8]) -> Self {
        Self::with("ERR Unknown PFDEBUG subcommand '{}'", &[name])
    }

    /// `TESTFAILED …` of PFSELFTEST.
    pub fn test_failed(what: impl fmt::Display) -> Self {
        Self::with("TESTFAILED {}", &[what.to_string().as_bytes()])
    }

    /// The refusal of a command that the configuration disables.
    pub fn disabled(command: &str, directive: &str) -> Self {
        let template = "ERR {} command not allowed. If the {} option is set to \"local\", you can run it from a local \
                        connection, otherwise you need to set this option in the configuration file, and then restart \
                        the server.";
        Self::with(template, &[command.as_bytes(), directive.as_bytes()])
    }

    /// What the target of MIGRATE has replied.
    pub fn migrate_target(text: &[u8]) -> Self {
        Self::with("ERR Target instance replied with error: {}", &[text])
    }

    /// `IOERR …`: what the command needs can't be read from disk.
    pub fn disk(sentence: &str) -> Self {
        Self::with("IOERR {}", &[sentence.as_bytes()])
    }

    /// The template with each `{}` replaced in turn. What a client sent ends at its first NUL byte, as in C.
    fn with(template: &str, parts: &[&[u8]]) -> Self {
        let mut text = Vec::new();
        let mut parts = parts.iter();
        for (index, piece) in template.split("{}").enumerate() {
            if index > 0 {
                text.extend_from_slice(parts.next().map_or(b"", |part| cut(part, usize::MAX)));
            }
            text.extend_from_slice(piece.as_bytes());
        }
        CommandError::Text(text.into_boxed_slice())
    }

    /// The code: the first word.
    pub fn code(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.bytes().split(|&byte| byte == b' ').next().unwrap_or_default())
    }

    /// The whole text. The reply encoder turns line ends in it into spaces.
    pub fn bytes(&self) -> &[u8] {
        match self {
            CommandError::Fixed(text) => text.as_bytes(),
            CommandError::Text(text) => text,
            CommandError::AwaitAnswer => b"ERR the command waits for an answer",
            CommandError::TakesAllShards => b"ERR the script needs all shards",
        }
    }
}

/// How much of an unknown name an error shows.
const NAME_MAX: usize = 128;

/// At most `limit` bytes, and none from the first NUL on.
fn cut(bytes: &[u8], limit: usize) -> &[u8] {
    let bytes = &bytes[..bytes.len().min(limit)];
    &bytes[..bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len())]
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.bytes()))
    }
}

impl std::error::Error for CommandError {}

impl From<crate::store::WrongType> for CommandError {
    fn from(_: crate::store::WrongType) -> Self {
        CommandError::WRONG_TYPE
    }
}

impl From<NotANumber> for CommandError {
    fn from(_: NotANumber) -> Self {
        CommandError::SCORE_NAN
    }
}

impl From<AddError> for CommandError {
    fn from(error: AddError) -> Self {
        match error {
            AddError::Exhausted => CommandError::STREAM_EXHAUSTED,
            AddError::NotGreater => CommandError::XADD_NOT_GREATER,
            AddError::TooLarge => CommandError::STREAM_TOO_LARGE,
        }
    }
}

impl From<SetIdError> for CommandError {
    fn from(error: SetIdError) -> Self {
        match error {
            SetIdError::BelowMaxDeleted => CommandError::XSETID_BELOW_DELETED,
            SetIdError::BelowTop => CommandError::XSETID_BELOW_TOP,
            SetIdError::AddedBelowLen => CommandError::XSETID_ADDED_BELOW,
        }
    }
}

impl From<hyperloglog::Corrupt> for CommandError {
    fn from(_: hyperloglog::Corrupt) -> Self {
        CommandError::CORRUPT_HLL
    }
}

impl From<LcsError> for CommandError {
    fn from(error: LcsError) -> Self {
        match error {
            LcsError::StringTooLong => CommandError::LCS_TOO_LONG,
            LcsError::TableTooLarge => CommandError::LCS_MEMORY,
        }
    }
}

impl From<BitfieldError> for CommandError {
    fn from(error: BitfieldError) -> Self {
        match error {
            BitfieldError::Syntax => CommandError::SYNTAX,
            BitfieldError::InvalidType => CommandError::BITFIELD_TYPE,
            BitfieldError::InvalidOffset => CommandError::BIT_OFFSET,
            BitfieldError::InvalidOverflow => CommandError::BITFIELD_OVERFLOW,
            BitfieldError::InvalidValue => CommandError::NOT_INTEGER,
            BitfieldError::ReadOnly => CommandError::BITFIELD_READ_ONLY,
        }
    }
}
