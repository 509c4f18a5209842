//! The connection: AUTH, HELLO, SELECT, RESET.
