//! The error replies whose text never differs.

use super::CommandError;

/// Arguments of many commands.
#[expect(missing_docs, reason = "the text is the documentation")]
impl CommandError {
    pub const SYNTAX: Self = Self::Fixed("ERR syntax error");
    pub const NOT_INTEGER: Self = Self::Fixed("ERR value is not an integer or out of range");
    pub const NOT_FLOAT: Self = Self::Fixed("ERR value is not a valid float");
    pub const NOT_POSITIVE: Self = Self::Fixed("ERR value is out of range, must be positive");
    pub const OUT_OF_INT: Self =
        Self::Fixed("ERR value is out of range, value must between -2147483648 and 2147483647");
    pub const OUT_OF_SYMMETRIC_RANGE: Self = Self::Fixed(
        "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
    );
    pub const OUT_OF_BOOLEAN: Self = Self::Fixed("ERR value is out of range, value must between 0 and 1");
    pub const OUT_OF_RANGE: Self = Self::Fixed("ERR value is out of range");
    pub const COUNT_POSITIVE: Self = Self::Fixed("ERR count should be greater than 0");
    pub const NUMKEYS_POSITIVE: Self = Self::Fixed("ERR numkeys should be greater than 0");
    pub const TOO_MANY_KEYS: Self = Self::Fixed("ERR Number of keys can't be greater than number of args");
    pub const LIMIT_NEGATIVE: Self = Self::Fixed("ERR LIMIT can't be negative");
    pub const INVALID_CURSOR: Self = Self::Fixed("ERR invalid cursor");
    pub const DB_OUT_OF_RANGE: Self = Self::Fixed("ERR DB index is out of range");
    pub const INVALID_FIRST_DB: Self = Self::Fixed("ERR invalid first DB index");
    pub const INVALID_SECOND_DB: Self = Self::Fixed("ERR invalid second DB index");
    pub const TIMEOUT_NOT_INTEGER: Self = Self::Fixed("ERR timeout is not an integer or out of range");
    pub const TIMEOUT_NOT_FLOAT: Self = Self::Fixed("ERR timeout is not a float or out of range");
    pub const TIMEOUT_OUT_OF_RANGE: Self = Self::Fixed("ERR timeout is out of range");
    pub const TIMEOUT_NEGATIVE: Self = Self::Fixed("ERR timeout is negative");
}

/// Keys and their expiry.
#[expect(missing_docs, reason = "the text is the documentation")]
impl CommandError {
    pub const WRONG_TYPE: Self =
        Self::Fixed("WRONGTYPE Operation against a key holding the wrong kind of value");
    pub const NO_SUCH_KEY: Self = Self::Fixed("ERR no such key");
    pub const SAME_OBJECT: Self = Self::Fixed("ERR source and destination objects are the same");
    pub const NOT_SORTABLE: Self = Self::Fixed("ERR One or more scores can't be converted into double");
    pub const EXPIRE_NX_AND_OTHERS: Self =
        Self::Fixed("ERR NX and XX, GT or LT options at the same time are not compatible");
    pub const EXPIRE_GT_AND_LT: Self =
        Self::Fixed("ERR GT and LT options at the same time are not compatible");
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
    pub const LFU_OFF: Self = Self::Fixed(
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
    );
    pub const LFU_ON: Self = Self::Fixed(
        "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
    );
    pub const NOVALUES_IN_SCAN: Self = Self::Fixed("ERR NOVALUES option can only be used in HSCAN");
}

/// Strings.
#[expect(missing_docs, reason = "the text is the documentation")]
impl CommandError {
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
    pub const NOT_AN_HLL: Self = Self::Fixed("WRONGTYPE Key is not a valid HyperLogLog string value.");
    pub const CORRUPT_HLL: Self = Self::Fixed("INVALIDOBJ Corrupted HLL object detected");
    pub const HLL_NO_KEY: Self = Self::Fixed("ERR The specified key does not exist");
    pub const HLL_NOT_SPARSE: Self = Self::Fixed("ERR HLL encoding is not sparse");
}

/// Lists.
#[expect(missing_docs, reason = "the text is the documentation")]
impl CommandError {
    pub const INDEX_OUT_OF_RANGE: Self = Self::Fixed("ERR index out of range");
    pub const LPOS_RANK_ZERO: Self = Self::Fixed(
        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list",
    );
    pub const LPOS_COUNT_NEGATIVE: Self = Self::Fixed("ERR COUNT can't be negative");
    pub const LPOS_MAXLEN_NEGATIVE: Self = Self::Fixed("ERR MAXLEN can't be negative");
}

/// Hashes.
#[expect(missing_docs, reason = "the text is the documentation")]
impl CommandError {
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
}

/// Sorted sets and what is kept in them.
#[expect(missing_docs, reason = "the text is the documentation")]
impl CommandError {
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
}

/// Streams.
#[expect(missing_docs, reason = "the text is the documentation")]
impl CommandError {
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
}

/// Transactions and scripts.
#[expect(missing_docs, reason = "the text is the documentation")]
impl CommandError {
    pub const NOT_IN_TRANSACTION: Self = Self::Fixed("ERR Command not allowed inside a transaction");
    pub const NESTED_MULTI: Self = Self::Fixed("ERR MULTI calls can not be nested");
    pub const WATCH_IN_MULTI: Self = Self::Fixed("ERR WATCH inside MULTI is not allowed");
    pub const EXEC_WITHOUT_MULTI: Self = Self::Fixed("ERR EXEC without MULTI");
    pub const DISCARD_WITHOUT_MULTI: Self = Self::Fixed("ERR DISCARD without MULTI");
    pub const EXEC_ABORT: Self = Self::Fixed("EXECABORT Transaction discarded because of previous errors.");
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
}

/// Connections and clients.
#[expect(missing_docs, reason = "the text is the documentation")]
impl CommandError {
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
    pub const PROTECTED: Self = Self::Fixed(
        "DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user. In this mode connections are only accepted from the loopback interface. If you want to connect from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' option. 4) Set up an authentication password for the default user. NOTE: You only need to do one of the above things in order for the server to start accepting connections from the outside.",
    );
    pub const MAX_CLIENTS: Self = Self::Fixed("ERR max number of clients reached");
    pub const CLIENT_NAME: Self =
        Self::Fixed("ERR Client names cannot contain spaces, newlines or special characters.");
    pub const NO_SUCH_CLIENT: Self = Self::Fixed("ERR No such client");
    pub const CLIENT_ID_POSITIVE: Self = Self::Fixed("ERR client-id should be greater than 0");
    pub const INVALID_CLIENT_ID: Self = Self::Fixed("ERR Invalid client ID");
    pub const MAXAGE_NOT_INTEGER: Self = Self::Fixed("ERR maxage is not an integer or out of range");
    pub const MAXAGE_POSITIVE: Self = Self::Fixed("ERR maxage should be greater than 0");
    pub const UNBLOCK_REASON: Self = Self::Fixed("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    pub const UNBLOCKED: Self = Self::Fixed("UNBLOCKED client unblocked via CLIENT UNBLOCK");
    pub const PAUSE_MODE: Self = Self::Fixed("ERR CLIENT PAUSE mode must be WRITE or ALL");
    pub const RESP2_UNSUPPORTED: Self = Self::Fixed("ERR RESP2 is not supported by this command");
}

/// Publish/subscribe, client-side caching, MONITOR.
#[expect(missing_docs, reason = "the text is the documentation")]
impl CommandError {
    pub const SSUBSCRIBE_IN_TRANSACTION: Self =
        Self::Fixed("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
    pub const MONITOR_IN_TRANSACTION: Self =
        Self::Fixed("ERR MONITOR isn't allowed for DENY BLOCKING client");
    pub const MONITOR_USES_KEYS: Self = Self::Fixed("ERR Replica can't interact with the keyspace");
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
}

/// The server.
#[expect(missing_docs, reason = "the text is the documentation")]
impl CommandError {
    pub const OUT_OF_MEMORY: Self = Self::Fixed("OOM command not allowed when used memory > 'maxmemory'.");
    pub const LOADING: Self = Self::Fixed("LOADING Redis is loading the dataset in memory");
    pub const LOG_FULL: Self = Self::Fixed("MISCONF Errors writing to the AOF file: No space left on device");
    pub const LOG_FAILED: Self = Self::Fixed("MISCONF Errors writing to the AOF file: Input/output error");
    pub const SAVE_UNDER_WAY: Self = Self::Fixed("ERR Background save already in progress");
    pub const REWRITE_UNDER_WAY: Self =
        Self::Fixed("ERR Background append only file rewriting already in progress");
    pub const SHUTDOWN_FAILED: Self = Self::Fixed("ERR Errors trying to SHUTDOWN. Check logs.");
    pub const NO_SHUTDOWN: Self = Self::Fixed("ERR No shutdown in progress.");
    pub const BACKUP_NAME: Self = Self::Fixed(
        "ERR A backup is a name in the server's directory, or an absolute path if enable-protected-configs allows it",
    );
    pub const INVALID_COMMAND_SPECIFIED: Self = Self::Fixed("ERR Invalid command specified");
    pub const NO_KEY_ARGUMENTS: Self = Self::Fixed("ERR The command has no key arguments");
    pub const INVALID_ARGUMENTS: Self = Self::Fixed("ERR Invalid number of arguments specified for command");
    pub const INVALID_KEY_ARGUMENTS: Self = Self::Fixed("ERR Invalid arguments specified for command");
    pub const NOT_A_LISTPACK: Self = Self::Fixed("ERR Not a listpack encoded object.");
    pub const NOT_AN_SDS: Self = Self::Fixed("ERR Not an sds encoded string.");
    pub const RELOAD_OPTIONS: Self =
        Self::Fixed("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
    pub const RELOAD_FAILED: Self = Self::Fixed("ERR Error trying to load the RDB dump, check server logs.");
    pub const PROTOCOL_TYPE: Self = Self::Fixed(
        "ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
    );
}
