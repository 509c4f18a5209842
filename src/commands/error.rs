//! Every error reply, byte for byte as Redis words it. No other file holds an error text.
//!
//! `Display` gives the whole line without the leading `-` and the line end: `CODE message`.

use std::borrow::Cow;
use std::fmt;

use crate::types::hyperloglog;
use crate::types::stream::{AddError, SetIdError};
use crate::types::string::bitfield::BitfieldError;
use crate::types::string::lcs::LcsError;
use crate::types::zset::NotANumber;

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

#[expect(missing_docs, reason = "the text is the documentation")]
impl CommandError {
    pub const SYNTAX: Self = Self::Fixed("ERR syntax error");
    pub const WRONG_TYPE: Self =
        Self::Fixed("WRONGTYPE Operation against a key holding the wrong kind of value");
    pub const NO_SUCH_KEY: Self = Self::Fixed("ERR no such key");
    pub const NOT_INTEGER: Self = Self::Fixed("ERR value is not an integer or out of range");
    pub const NOT_FLOAT: Self = Self::Fixed("ERR value is not a valid float");
    pub const NOT_POSITIVE: Self = Self::Fixed("ERR value is out of range, must be positive");
    pub const OUT_OF_INT: Self =
        Self::Fixed("ERR value is out of range, value must between -2147483648 and 2147483647");
    pub const OUT_OF_RANGE: Self = Self::Fixed("ERR value is out of range");
    pub const OUT_OF_INT_RANGE: Self =
        Self::Fixed("ERR value is out of range, value must between -2147483648 and 2147483647");
    pub const NOT_SORTABLE: Self = Self::Fixed("ERR One or more scores can't be converted into double");
    pub const INDEX_OUT_OF_RANGE: Self = Self::Fixed("ERR index out of range");
    pub const COUNT_POSITIVE: Self = Self::Fixed("ERR count should be greater than 0");
    pub const LPOS_RANK_ZERO: Self = Self::Fixed(
        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list",
    );
    pub const LPOS_COUNT_NEGATIVE: Self = Self::Fixed("ERR COUNT can't be negative");
    pub const LPOS_MAXLEN_NEGATIVE: Self = Self::Fixed("ERR MAXLEN can't be negative");
    pub const OVERFLOW: Self = Self::Fixed("ERR increment or decrement would overflow");
    pub const DECREMENT_OVERFLOW: Self = Self::Fixed("ERR decrement would overflow");
    pub const NAN_OR_INFINITY: Self = Self::Fixed("ERR increment would produce NaN or Infinity");
    pub const STRING_TOO_LONG: Self =
        Self::Fixed("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    pub const OFFSET_OUT_OF_RANGE: Self = Self::Fixed("ERR offset is out of range");
    pub const BIT_OFFSET: Self = Self::Fixed("ERR bit offset is not an integer or out of range");
    pub const BIT_VALUE: Self = Self::Fixed("ERR bit is not an integer or out of range");
    pub const BIT_ARGUMENT: Self = Self::Fixed("ERR The bit argument must be 1 or 0.");
    pub const BITOP_NOT: Self = Self::Fixed("ERR BITOP NOT must be called with a single source key.");
    pub const BITFIELD_TYPE: Self = Self::Fixed(
        "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
    );
    pub const BITFIELD_OVERFLOW: Self = Self::Fixed("ERR Invalid OVERFLOW type specified");
    pub const BITFIELD_READ_ONLY: Self = Self::Fixed("ERR BITFIELD_RO only supports the GET subcommand");
    pub const LCS_LEN_AND_IDX: Self =
        Self::Fixed("ERR If you want both the length and indexes, please just use IDX.");
    pub const LCS_WRONG_TYPE: Self = Self::Fixed("ERR The specified keys must contain string values");
    pub const LCS_MEMORY: Self =
        Self::Fixed("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
    pub const LCS_TOO_LONG: Self = Self::Fixed("ERR String too long for LCS");
    pub const TOO_MANY_KEYS: Self = Self::Fixed("ERR Number of keys can't be greater than number of args");
    pub const NEGATIVE_KEYS: Self = Self::Fixed("ERR Number of keys can't be negative");
    pub const BAD_KEY_COUNT: Self = Self::Fixed("ERR Bad number of keys provided");
    pub const NO_SCRIPT: Self = Self::Fixed("NOSCRIPT No matching script. Please use EVAL.");
    pub const NO_FUNCTION: Self = Self::Fixed("ERR Function not found");
    pub const NO_LIBRARY: Self = Self::Fixed("ERR Library not found");
    pub const NO_LIBRARY_NAME: Self = Self::Fixed("ERR library name argument was not given");
    pub const LIBRARY_NAME: Self = Self::Fixed(
        "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long",
    );
    pub const FUNCTION_FLUSH_MODE: Self = Self::Fixed("ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
    pub const RESTORE_POLICY: Self =
        Self::Fixed("ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.");
    pub const SCRIPT_FLUSH_MODE: Self = Self::Fixed("ERR SCRIPT FLUSH only support SYNC|ASYNC option");
    pub const SCRIPT_DEBUG_MODE: Self = Self::Fixed("ERR Use SCRIPT DEBUG YES/SYNC/NO");
    pub const NO_SCRIPT_DEBUG: Self = Self::Fixed("ERR SCRIPT DEBUG must be called outside a pipeline");
    pub const NOT_BUSY: Self = Self::Fixed("NOTBUSY No scripts in execution right now.");
    pub const UNKILLABLE: Self = Self::Fixed(
        "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
    );
    pub const SCRIPT_UNKNOWN_COMMAND: Self = Self::Fixed("ERR Unknown Redis command called from script");
    pub const SCRIPT_ARITY: Self = Self::Fixed("ERR Wrong number of args calling Redis command from script");
    pub const SCRIPT_NOT_ALLOWED: Self = Self::Fixed("ERR This Redis command is not allowed from script");
    pub const SCRIPT_WRITES: Self = Self::Fixed("ERR Write commands are not allowed from read-only scripts.");
    pub const SCRIPT_WRITES_IN_RO: Self =
        Self::Fixed("ERR Can not execute a script with write flag using *_ro command.");
    pub const SCRIPT_OUT_OF_MEMORY: Self = Self::Fixed(
        "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'",
    );
    pub const ZADD_NX_AND_XX: Self = Self::Fixed("ERR XX and NX options at the same time are not compatible");
    pub const ZADD_GT_LT_NX: Self =
        Self::Fixed("ERR GT, LT, and/or NX options at the same time are not compatible");
    pub const ZADD_INCR_PAIR: Self = Self::Fixed("ERR INCR option supports a single increment-element pair");
    pub const SCORE_NAN: Self = Self::Fixed("ERR resulting score is not a number (NaN)");
    pub const SCORE_RANGE: Self = Self::Fixed("ERR min or max is not a float");
    pub const LEX_RANGE: Self = Self::Fixed("ERR min or max not valid string range item");
    pub const LIMIT_BY_RANK: Self =
        Self::Fixed("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
    pub const WITHSCORES_BY_LEX: Self =
        Self::Fixed("ERR syntax error, WITHSCORES not supported in combination with BYLEX");
    pub const WEIGHT_NOT_FLOAT: Self = Self::Fixed("ERR weight value is not a float");
    pub const GEO_UNIT: Self = Self::Fixed("ERR unsupported unit provided. please use M, KM, FT, MI");
    pub const GEO_RADIUS_NOT_FLOAT: Self = Self::Fixed("ERR need numeric radius");
    pub const GEO_RADIUS_NEGATIVE: Self = Self::Fixed("ERR radius cannot be negative");
    pub const GEO_WIDTH_NOT_FLOAT: Self = Self::Fixed("ERR need numeric width");
    pub const GEO_HEIGHT_NOT_FLOAT: Self = Self::Fixed("ERR need numeric height");
    pub const GEO_BOX_NEGATIVE: Self = Self::Fixed("ERR height or width cannot be negative");
    pub const GEO_MEMBER: Self = Self::Fixed("ERR could not decode requested zset member");
    pub const GEO_COUNT: Self = Self::Fixed("ERR COUNT must be > 0");
    pub const GEO_ANY: Self = Self::Fixed("ERR the ANY argument requires COUNT argument");
    pub const GEO_STORE: Self = Self::Fixed(
        "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
    );
    pub const GEOSEARCHSTORE_WITH: Self =
        Self::Fixed("ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options");
    pub const BUSY_KEY: Self = Self::Fixed("BUSYKEY Target key name already exists.");
    pub const BAD_RESTORE_TTL: Self = Self::Fixed("ERR Invalid TTL value, must be >= 0");
    pub const BAD_IDLETIME: Self = Self::Fixed("ERR Invalid IDLETIME value, must be >= 0");
    pub const BAD_FREQ: Self = Self::Fixed("ERR Invalid FREQ value, must be >= 0 and <= 255");
    pub const DUMP_FOOTER: Self = Self::Fixed("ERR DUMP payload version or checksum are wrong");
    pub const BAD_DATA_FORMAT: Self = Self::Fixed("ERR Bad data format");
    pub const MIGRATE_KEY_AND_KEYS: Self =
        Self::Fixed("ERR When using MIGRATE KEYS option, the key argument must be set to the empty string");
    pub const MIGRATE_CONNECT: Self = Self::Fixed("IOERR error or timeout connecting to the client");
    pub const MIGRATE_WRITE: Self = Self::Fixed("IOERR error or timeout writing to target instance");
    pub const MIGRATE_READ: Self = Self::Fixed("IOERR error or timeout reading to target instance");
    pub const MIGRATE_CHANGING: Self = Self::Fixed(
        "IOERR a key changed each time it was sent: it is still here, and the target has an older copy",
    );
    pub const INVALID_CURSOR: Self = Self::Fixed("ERR invalid cursor");
    pub const NOVALUES_IN_SCAN: Self = Self::Fixed("ERR NOVALUES option can only be used in HSCAN");
    pub const OUT_OF_SYMMETRIC_RANGE: Self = Self::Fixed(
        "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
    );
    pub const NUMKEYS_POSITIVE: Self = Self::Fixed("ERR numkeys should be greater than 0");
    pub const NUMKEYS_TOO_MANY: Self = Self::Fixed("ERR Number of keys can't be greater than number of args");
    pub const LIMIT_NEGATIVE: Self = Self::Fixed("ERR LIMIT can't be negative");
    pub const HASH_NOT_INTEGER: Self = Self::Fixed("ERR hash value is not an integer");
    pub const HASH_NOT_FLOAT: Self = Self::Fixed("ERR hash value is not a float");
    pub const INFINITE: Self = Self::Fixed("ERR value is NaN or Infinity");
    pub const EXPIRE_NEGATIVE: Self = Self::Fixed("ERR invalid expire time, must be >= 0");
    pub const EXPIRE_MISSING: Self = Self::Fixed("ERR missing expire time");
    pub const FIELDS_MISSING: Self =
        Self::Fixed("ERR Mandatory argument FIELDS is missing or not at the right position");
    pub const NUMFIELDS_POSITIVE: Self = Self::Fixed("ERR Parameter `numFields` should be greater than 0");
    pub const NUMFIELDS_MISMATCH: Self =
        Self::Fixed("ERR The `numfields` parameter must match the number of arguments");
    pub const FIELD_COUNT: Self = Self::Fixed("ERR Number of fields must be a positive integer");
    pub const FIELD_COUNT_INVALID: Self = Self::Fixed("ERR invalid number of fields");
    pub const HSETEX_EXPIRATIONS: Self =
        Self::Fixed("ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");
    pub const HSETEX_CONDITIONS: Self = Self::Fixed("ERR Only one of FXX or FNX arguments can be specified");
    pub const NOT_IN_TRANSACTION: Self = Self::Fixed("ERR Command not allowed inside a transaction");
    pub const NESTED_MULTI: Self = Self::Fixed("ERR MULTI calls can not be nested");
    pub const WATCH_IN_MULTI: Self = Self::Fixed("ERR WATCH inside MULTI is not allowed");
    pub const EXEC_WITHOUT_MULTI: Self = Self::Fixed("ERR EXEC without MULTI");
    pub const DISCARD_WITHOUT_MULTI: Self = Self::Fixed("ERR DISCARD without MULTI");
    pub const EXEC_ABORT: Self = Self::Fixed("EXECABORT Transaction discarded because of previous errors.");
    pub const UNBLOCKED: Self = Self::Fixed("UNBLOCKED client unblocked via CLIENT UNBLOCK");
    pub const OUT_OF_BOOLEAN: Self = Self::Fixed("ERR value is out of range, value must between 0 and 1");
    pub const INVALID_DB: Self = Self::Fixed("ERR invalid DB index");
    pub const DB_OUT_OF_RANGE: Self = Self::Fixed("ERR DB index is out of range");
    pub const INVALID_FIRST_DB: Self = Self::Fixed("ERR invalid first DB index");
    pub const INVALID_SECOND_DB: Self = Self::Fixed("ERR invalid second DB index");
    pub const SAME_OBJECT: Self = Self::Fixed("ERR source and destination objects are the same");
    pub const EXPIRE_NX_AND_OTHERS: Self =
        Self::Fixed("ERR NX and XX, GT or LT options at the same time are not compatible");
    pub const EXPIRE_GT_AND_LT: Self =
        Self::Fixed("ERR GT and LT options at the same time are not compatible");
    pub const NO_AUTH: Self = Self::Fixed("NOAUTH Authentication required.");
    pub const HELLO_NO_AUTH: Self = Self::Fixed(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
    );
    pub const WRONG_PASS: Self = Self::Fixed("WRONGPASS invalid username-password pair or user is disabled.");
    pub const AUTH_WITHOUT_PASSWORD: Self = Self::Fixed(
        "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
    );
    pub const PROTOCOL_VERSION: Self = Self::Fixed("ERR Protocol version is not an integer or out of range");
    pub const NO_PROTO: Self = Self::Fixed("NOPROTO unsupported protocol version");
    pub const CLIENT_NAME: Self =
        Self::Fixed("ERR Client names cannot contain spaces, newlines or special characters.");
    pub const NO_SUCH_CLIENT: Self = Self::Fixed("ERR No such client");
    pub const NO_SUCH_CLIENT_ID: Self = Self::Fixed("ERR No such client ID");
    pub const CLIENT_ID_POSITIVE: Self = Self::Fixed("ERR client-id should be greater than 0");
    pub const TIMEOUT_NOT_INTEGER: Self = Self::Fixed("ERR timeout is not an integer or out of range");
    pub const INVALID_CLIENT_ID: Self = Self::Fixed("ERR Invalid client ID");
    pub const MAXAGE_NOT_INTEGER: Self = Self::Fixed("ERR maxage is not an integer or out of range");
    pub const MAXAGE_POSITIVE: Self = Self::Fixed("ERR maxage should be greater than 0");
    pub const UNBLOCK_REASON: Self = Self::Fixed("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    pub const TIMEOUT_OUT_OF_RANGE: Self = Self::Fixed("ERR timeout is out of range");
    pub const TIMEOUT_NOT_FLOAT: Self = Self::Fixed("ERR timeout is not a float or out of range");
    pub const TIMEOUT_NEGATIVE: Self = Self::Fixed("ERR timeout is negative");
    pub const PAUSE_MODE: Self = Self::Fixed("ERR CLIENT PAUSE mode must be WRITE or ALL");
    pub const OUT_OF_MEMORY: Self = Self::Fixed("OOM command not allowed when used memory > 'maxmemory'.");
    pub const LOADING: Self = Self::Fixed("LOADING Redis is loading the dataset in memory");
    pub const LOG_FULL: Self = Self::Fixed("MISCONF Errors writing to the AOF file: No space left on device");
    pub const LOG_FAILED: Self = Self::Fixed("MISCONF Errors writing to the AOF file: Input/output error");
    pub const SAVE_UNDER_WAY: Self = Self::Fixed("ERR Background save already in progress");
    pub const REWRITE_UNDER_WAY: Self =
        Self::Fixed("ERR Background append only file rewriting already in progress");
    pub const SHUTDOWN_FAILED: Self = Self::Fixed("ERR Errors trying to SHUTDOWN. Check logs.");
    pub const BACKUP_NAME: Self = Self::Fixed(
        "ERR A backup is a name in the server's directory, or an absolute path if enable-protected-configs allows it",
    );
    pub const MAX_CLIENTS: Self = Self::Fixed("ERR max number of clients reached");
    pub const PROTECTED: Self = Self::Fixed(
        "DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user. In this mode connections are only accepted from the loopback interface. If you want to connect from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' option. 4) Set up an authentication password for the default user. NOTE: You only need to do one of the above things in order for the server to start accepting connections from the outside.",
    );
    pub const LFU_OFF: Self = Self::Fixed(
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
    );
    pub const LFU_ON: Self = Self::Fixed(
        "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
    );
    pub const NO_CONFIG_FILE: Self = Self::Fixed("ERR The server is running without a config file");
    pub const SHUTDOWN_ERRORS: Self = Self::Fixed("ERR Errors trying to SHUTDOWN. Check logs.");
    pub const INVALID_COMMAND_SPECIFIED: Self = Self::Fixed("ERR Invalid command specified");
    pub const NO_KEY_ARGUMENTS: Self = Self::Fixed("ERR The command has no key arguments");
    pub const INVALID_ARGUMENTS: Self = Self::Fixed("ERR Invalid number of arguments specified for command");
    pub const INVALID_KEY_ARGUMENTS: Self = Self::Fixed("ERR Invalid arguments specified for command");
    pub const NO_SHUTDOWN: Self = Self::Fixed("ERR No shutdown in progress.");
    pub const NOT_A_LISTPACK: Self = Self::Fixed("ERR Not a listpack encoded object.");
    pub const RELOAD_OPTIONS: Self =
        Self::Fixed("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
    pub const RELOAD_FAILED: Self = Self::Fixed("ERR Error trying to load the RDB dump, check server logs.");
    pub const NOT_AN_SDS: Self = Self::Fixed("ERR Not an sds encoded string.");
    pub const CACHING_WITHOUT_TRACKING: Self = Self::Fixed(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
    );
    pub const CACHING_YES: Self =
        Self::Fixed("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.");
    pub const CACHING_NO: Self =
        Self::Fixed("ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.");
    pub const ONE_REDIRECTION: Self = Self::Fixed("ERR A client can only redirect to a single other client");
    pub const NO_REDIRECTION_TARGET: Self =
        Self::Fixed("ERR The client ID you want redirect to does not exist");
    pub const PREFIX_WITHOUT_BCAST: Self = Self::Fixed("ERR PREFIX option requires BCAST mode to be enabled");
    pub const BCAST_SWITCHED: Self = Self::Fixed(
        "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.",
    );
    pub const BCAST_AND_OPT: Self = Self::Fixed("ERR OPTIN and OPTOUT are not compatible with BCAST");
    pub const OPTIN_AND_OPTOUT: Self = Self::Fixed("ERR You can't specify both OPTIN mode and OPTOUT mode");
    pub const OPT_SWITCHED: Self = Self::Fixed(
        "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode.",
    );
    pub const MONITOR_IN_TRANSACTION: Self =
        Self::Fixed("ERR MONITOR isn't allowed for DENY BLOCKING client");
    pub const MONITOR_USES_KEYS: Self = Self::Fixed("ERR Replica can't interact with the keyspace");
    pub const SSUBSCRIBE_IN_TRANSACTION: Self =
        Self::Fixed("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
    pub const RESP2_UNSUPPORTED: Self = Self::Fixed("ERR RESP2 is not supported by this command");
    pub const STREAM_ID: Self = Self::Fixed("ERR Invalid stream ID specified as stream command argument");
    pub const STREAM_START: Self = Self::Fixed("ERR invalid start ID for the interval");
    pub const STREAM_END: Self = Self::Fixed("ERR invalid end ID for the interval");
    pub const XADD_ZERO: Self = Self::Fixed("ERR The ID specified in XADD must be greater than 0-0");
    pub const XADD_NOT_GREATER: Self =
        Self::Fixed("ERR The ID specified in XADD is equal or smaller than the target stream top item");
    pub const STREAM_EXHAUSTED: Self =
        Self::Fixed("ERR The stream has exhausted the last possible ID, unable to add more items");
    pub const STREAM_TOO_LARGE: Self = Self::Fixed("ERR Elements are too large to be stored");
    pub const TRIM_TWICE: Self =
        Self::Fixed("ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
    pub const TRIM_MAXLEN: Self = Self::Fixed("ERR The MAXLEN argument must be >= 0.");
    pub const TRIM_LIMIT: Self = Self::Fixed("ERR The LIMIT argument must be >= 0.");
    pub const TRIM_LIMIT_ALONE: Self =
        Self::Fixed("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
    pub const TRIM_LIMIT_EXACT: Self =
        Self::Fixed("ERR syntax error, LIMIT cannot be used without the special ~ option");
    pub const XTRIM_ALONE: Self =
        Self::Fixed("ERR syntax error, XTRIM must be called with a trimming strategy");
    pub const XSETID_ADDED: Self = Self::Fixed("ERR entries_added must be positive");
    pub const XSETID_BELOW_GIVEN: Self =
        Self::Fixed("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id");
    pub const XSETID_BELOW_DELETED: Self =
        Self::Fixed("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id");
    pub const XSETID_BELOW_TOP: Self =
        Self::Fixed("ERR The ID specified in XSETID is smaller than the target stream top item");
    pub const XSETID_ADDED_BELOW: Self =
        Self::Fixed("ERR The entries_added specified in XSETID is smaller than the target stream length");
    pub const XREAD_GROUP: Self =
        Self::Fixed("ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.");
    pub const XREAD_NOACK: Self =
        Self::Fixed("ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.");
    pub const XREAD_NEW: Self = Self::Fixed(
        "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
    );
    pub const XREADGROUP_NO_GROUP: Self = Self::Fixed("ERR Missing GROUP option for XREADGROUP");
    pub const XREADGROUP_LAST: Self = Self::Fixed(
        "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
    );
    pub const XREADGROUP_TOP: Self = Self::Fixed(
        "ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The + ID would just return an empty result set.",
    );
    pub const XGROUP_NO_KEY: Self = Self::Fixed(
        "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.",
    );
    pub const GROUP_EXISTS: Self = Self::Fixed("BUSYGROUP Consumer Group name already exists");
    pub const ENTRIES_READ: Self = Self::Fixed("ERR value for ENTRIESREAD must be positive or -1");
    pub const XCLAIM_MIN_IDLE: Self = Self::Fixed("ERR Invalid min-idle-time argument for XCLAIM");
    pub const XCLAIM_IDLE: Self = Self::Fixed("ERR Invalid IDLE option argument for XCLAIM");
    pub const XCLAIM_TIME: Self = Self::Fixed("ERR Invalid TIME option argument for XCLAIM");
    pub const XCLAIM_RETRY_COUNT: Self = Self::Fixed("ERR Invalid RETRYCOUNT option argument for XCLAIM");
    pub const XAUTOCLAIM_MIN_IDLE: Self = Self::Fixed("ERR Invalid min-idle-time argument for XAUTOCLAIM");
    pub const XAUTOCLAIM_COUNT: Self = Self::Fixed("ERR COUNT must be > 0");
    pub const NOT_AN_HLL: Self = Self::Fixed("WRONGTYPE Key is not a valid HyperLogLog string value.");
    pub const CORRUPT_HLL: Self = Self::Fixed("INVALIDOBJ Corrupted HLL object detected");
    pub const HLL_NO_KEY: Self = Self::Fixed("ERR The specified key does not exist");
    pub const HLL_NOT_SPARSE: Self = Self::Fixed("ERR HLL encoding is not sparse");
    pub const PROTOCOL_TYPE: Self = Self::Fixed(
        "ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
    );
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

    /// `ERR Unknown argument x`, of FUNCTION LIST.
    pub fn unknown_list_argument(argument: &[u8]) -> Self {
        Self::with("ERR Unknown argument {}", &[argument])
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
