//! What stands between the keys of an RDB file. Writer and reader both follow this drawing.
//!
//! ```text
//! file      magic, { part }, EOF, 8 bytes CRC-64 of everything before it, little-endian; 0 if there is none.
//!           Before version 5 nothing follows EOF.
//! magic     "REDIS" and four digits of version; Valkey since 9: "VALKEY" and three digits
//! part      AUX string string                        a name and its value
//!           FUNCTION_2 string                        the code of a function library
//!           MODULE_AUX length length length module   module id, opcode and value of when it was saved, data
//!           SELECT_DB length                         the database of the keys that follow
//!           RESIZE_DB length length                  how many keys it has, and how many of them expire
//!           SLOT_INFO length length length           slot, keys, keys that expire: only with cluster mode
//!           EXPIRE_MS 8 bytes                        unix milliseconds, little-endian: when the next key expires
//!           EXPIRE_S 4 bytes                         unix seconds, little-endian: the same before 2.6
//!           IDLE length                              for how many seconds nobody has used the next key
//!           FREQUENCY byte                           how often the next key is used: the LFU counter
//!           type string payload                      a key and its object
//! module    { length value }, 0                      each value by the opcode before it: 1 and 2 a length,
//!                                                    3 four bytes, 4 eight bytes, 5 a string
//! ```

/// Slot sizes.
pub(super) const SLOT_INFO: u8 = 244;
/// A function library.
pub(super) const FUNCTION_2: u8 = 245;
/// A function library as the release candidates of 7.0 wrote it.
pub(super) const FUNCTION_PRE_GA: u8 = 246;
/// Data of a module that belongs to no key.
pub(super) const MODULE_AUX: u8 = 247;
/// Idle time of the next key.
pub(super) const IDLE: u8 = 248;
/// LFU counter of the next key.
pub(super) const FREQUENCY: u8 = 249;
/// A name and its value.
pub(super) const AUX: u8 = 250;
/// Sizes of the database.
pub(super) const RESIZE_DB: u8 = 251;
/// Expiry of the next key in milliseconds.
pub(super) const EXPIRE_MS: u8 = 252;
/// Expiry of the next key in seconds.
pub(super) const EXPIRE_S: u8 = 253;
/// The next database.
pub(super) const SELECT_DB: u8 = 254;
/// The end.
pub(super) const EOF: u8 = 255;
