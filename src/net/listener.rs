//! What clients connect to: TCP addresses and the unix socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use mio::net::{TcpListener, UnixListener};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, UnixAddr, bind, listen, setsockopt, socket,
    sockopt,
};
use nix::sys::stat::{Mode, fchmodat};

/// An open listener.
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// The unix socket; its file goes with it.
    Unix(UnixListener, PathBuf),
}

/// The directives that say what to listen on.
#[derive(Clone, Debug)]
pub struct Endpoints<'a> {
    /// `bind`.
    pub bind: &'a [String],
    /// `port`; 0: no TCP.
    pub port: u16,
    /// `unixsocket`; empty: none.
    pub unix_path: &'a str,
    /// `unixsocketperm`, octal; 0: as the umask says.
    pub unix_mode: u32,
    /// `tcp-backlog`.
    pub backlog: i32,
}

/// Opens everything, or says in one sentence what cannot be opened.
pub fn open(endpoints: &Endpoints<'_>) -> Result<Vec<Listener>, String> {
    let mut listeners = Vec::new();
    if endpoints.port != 0 {
        for word in endpoints.bind {
            // A leading '-' means: go on without it when this machine has no such address.
            let (optional, word) = word.strip_prefix('-').map_or((false, word.as_str()), |rest| (true, rest));
            let address = SocketAddr::new(parse_address(word)?, endpoints.port);
            match open_tcp(address, endpoints.backlog) {
                Ok(listener) => listeners.push(Listener::Tcp(listener)),
                Err(error) if optional && error.kind() != io::ErrorKind::AddrInUse => {}
                Err(error) => {
                    return Err(format!("Could not create server TCP listening socket {address}: {error}"));
                }
            }
        }
        if listeners.is_empty() {
            return Err(format!("Failed listening on port {} (tcp), aborting.", endpoints.port));
        }
    }
    if !endpoints.unix_path.is_empty() {
        let path = Path::new(endpoints.unix_path);
        let listener = open_unix(path, endpoints.unix_mode, endpoints.backlog)
            .map_err(|error| format!("Failed opening Unix socket {}: bind: {error}", path.display()))?;
        listeners.push(Listener::Unix(listener, path.to_owned()));
    }
    Ok(listeners)
}

fn parse_address(word: &str) -> Result<IpAddr, String> {
    match word {
        "*" => Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        "::*" => Ok(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        "localhost" => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        word => word.parse().map_err(|_| {
            format!("'bind {word}' is not an IP address: host names are not resolved, since the server is one static file")
        }),
    }
}

fn open_tcp(address: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(family, SockType::Stream, flags, None)?;
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    if address.is_ipv6() {
        setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
    }
    bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
    start(&fd, backlog)?;
    Ok(TcpListener::from_std(fd.into()))
}

fn open_unix(path: &Path, mode: u32, backlog: i32) -> io::Result<UnixListener> {
    // A socket file that a killed server left behind would make bind fail.
    let _ = nix::unistd::unlink(path);
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    bind(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    start(&fd, backlog)?;
    if mode != 0 {
        let mode = Mode::from_bits_truncate(mode);
        fchmodat(nix::fcntl::AT_FDCWD, path, mode, nix::sys::stat::FchmodatFlags::FollowSymlink)?;
    }
    Ok(UnixListener::from_std(fd.into()))
}

fn start(fd: &OwnedFd, backlog: i32) -> io::Result<()> {
    // The kernel cuts what exceeds net.core.somaxconn; nix refuses what exceeds the constant.
    let backlog = Backlog::new(backlog).unwrap_or(Backlog::MAXCONN);
    Ok(listen(fd, backlog)?)
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = self {
            let _ = nix::unistd::unlink(path.as_path());
        }
    }
}
