//! Rows: listening, and the life of a connection.

use super::super::kind;
use super::{Directive, INT_MAX, PORT, accepted, here, int, number, yes};
use crate::config::kind::Kind;

pub(super) const ROWS: &[Directive] = &[
    here(
        "bind",
        Kind::Custom(kind::bind),
        "* -::*",
        |v, text| v.bind = text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect(),
        "Addresses to listen on; `*` is every one, and a leading `-` makes an address optional.",
    )
    .several(),
    here("port", PORT, "6379", |v, text| v.port = number(text), "TCP port; 0 turns TCP off."),
    here(
        "unixsocket",
        Kind::Text,
        "",
        |v, text| v.unixsocket = text.to_owned(),
        "Path of a Unix socket to listen on as well; empty for none.",
    )
    .immutable(),
    here(
        "unixsocketperm",
        Kind::Octal(0o777),
        "0",
        |v, text| v.unixsocketperm = u32::from_str_radix(text, 8).unwrap_or_default(),
        "Permissions of the Unix socket, in octal; 0 leaves them to the umask.",
    )
    .immutable(),
    here(
        "protected-mode",
        Kind::Bool,
        "yes",
        |v, text| v.protected_mode = yes(text),
        "Without a password and without a chosen address, serve only clients of this machine.",
    ),
    here(
        "tcp-backlog",
        int(INT_MAX),
        "511",
        |v, text| v.tcp_backlog = number(text),
        "Length of the kernel's queue of connections waiting to be accepted.",
    )
    .immutable(),
    here(
        "timeout",
        int(INT_MAX),
        "0",
        |v, text| v.timeout = number(text),
        "Seconds after which an idle client is closed; 0 is never.",
    ),
    here(
        "tcp-keepalive",
        int(INT_MAX),
        "300",
        |v, text| v.tcp_keepalive = number(text),
        "Seconds between keepalive probes on an idle connection; 0 turns them off.",
    ),
    accepted("bind-source-addr", Kind::Text, "", "outgoing connections leave the choice to the kernel"),
    accepted("socket-mark-id", int(u32::MAX as i64), "0", "sockets are not marked").immutable(),
    accepted(
        "max-new-connections-per-cycle",
        Kind::Int(1, 1000),
        "10",
        "a thread of its own accepts connections",
    ),
    accepted("max-new-tls-connections-per-cycle", Kind::Int(1, 1000), "1", TLS),
    accepted("tls-port", PORT, "0", TLS),
    accepted("tls-session-cache-size", int(INT_MAX), "20480", TLS),
    accepted("tls-session-cache-timeout", int(INT_MAX), "300", TLS),
    accepted("tls-cluster", Kind::Bool, "no", TLS),
    accepted("tls-replication", Kind::Bool, "no", TLS),
    accepted("tls-auth-clients", Kind::Choice(&["no", "yes", "optional"]), "yes", TLS),
    accepted("tls-prefer-server-ciphers", Kind::Bool, "no", TLS),
    accepted("tls-session-caching", Kind::Bool, "yes", TLS),
    accepted("tls-cert-file", Kind::Text, "", TLS),
    accepted("tls-key-file", Kind::Text, "", TLS),
    accepted("tls-key-file-pass", Kind::Text, "", TLS).secret(),
    accepted("tls-client-cert-file", Kind::Text, "", TLS),
    accepted("tls-client-key-file", Kind::Text, "", TLS),
    accepted("tls-client-key-file-pass", Kind::Text, "", TLS).secret(),
    accepted("tls-dh-params-file", Kind::Text, "", TLS),
    accepted("tls-ca-cert-file", Kind::Text, "", TLS),
    accepted("tls-ca-cert-dir", Kind::Text, "", TLS),
    accepted("tls-protocols", Kind::Text, "", TLS),
    accepted("tls-ciphers", Kind::Text, "", TLS),
    accepted("tls-ciphersuites", Kind::Text, "", TLS),
];

const TLS: &str = "this server does not speak TLS; connections are not encrypted";
