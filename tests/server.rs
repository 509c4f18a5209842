//! INFO, FLUSHALL, DEBUG and other commands about the whole server.
