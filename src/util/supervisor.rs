//! Telling whoever started the server how it is: systemd by its datagram socket, upstart by stopping itself.
//!
//! A message that cannot be delivered is no reason not to serve: the supervisor's own timeout deals with it.

use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::log;
use crate::config::values::Supervised;

/// Who started the server.
#[derive(Debug, PartialEq, Eq)]
pub enum Supervisor {
    /// Nobody who wants to know.
    Nobody,
    /// systemd, with the name of its socket.
    Systemd(OsString),
    /// upstart.
    Upstart,
}

impl Supervisor {
    /// The supervisor that `supervised` asks for, if `environment` shows it.
    pub fn find(supervised: Supervised, environment: impl Fn(&str) -> Option<OsString>) -> Self {
        let (systemd, upstart) = (environment("NOTIFY_SOCKET"), environment("UPSTART_JOB"));
        match (supervised, systemd, upstart) {
            (Supervised::Upstart | Supervised::Auto, _, Some(_)) => Self::Upstart,
            (Supervised::Systemd | Supervised::Auto, Some(socket), _) => Self::Systemd(socket),
            (Supervised::Upstart, ..) => {
                log::warning("upstart supervision requested, but UPSTART_JOB not found!");
                Self::Nobody
            }
            (Supervised::Systemd, ..) => {
                log::warning("systemd supervision requested, but NOTIFY_SOCKET not found!");
                Self::Nobody
            }
            (Supervised::Auto | Supervised::No, ..) => Self::Nobody,
        }
    }

    /// Is anybody there? The server then stays in the foreground.
    pub fn is_present(&self) -> bool {
        *self != Self::Nobody
    }

    /// The server answers clients.
    pub fn ready(&self) {
        match self {
            Self::Nobody => {}
            Self::Systemd(_) => self.notify("STATUS=Ready to accept connections\nREADY=1\n"),
            // upstart takes the stop as the word, and lets the server go on.
            Self::Upstart => drop(kill(Pid::this(), Signal::SIGSTOP)),
        }
    }

    /// The server is going down.
    pub fn stopping(&self) {
        self.notify("STOPPING=1\n");
    }

    fn notify(&self, message: &str) {
        let Self::Systemd(name) = self else { return };
        let bytes = name.as_bytes();
        // A name that begins with '@' is not a file's.
        let address = match bytes.strip_prefix(b"@") {
            Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name),
            None => SocketAddr::from_pathname(name),
        };
        let sent =
            address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(message.as_bytes(), &address));
        if let Err(error) = sent {
            log::warning(&format!("systemd could not be notified: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(supervised: Supervised, names: &[&str]) -> Supervisor {
        Supervisor::find(supervised, |name| names.contains(&name).then(|| OsString::from("@x")))
    }

    #[test]
    fn the_supervisor_is_the_one_asked_for_if_it_is_there() {
        let both = ["NOTIFY_SOCKET", "UPSTART_JOB"];
        let systemd = || Supervisor::Systemd(OsString::from("@x"));
        assert_eq!(find(Supervised::No, &both), Supervisor::Nobody);
        assert_eq!(find(Supervised::Systemd, &both), systemd());
        assert_eq!(find(Supervised::Upstart, &both), Supervisor::Upstart);
        assert_eq!(find(Supervised::Auto, &both[..1]), systemd());
        assert_eq!(find(Supervised::Auto, &both[1..]), Supervisor::Upstart);
        assert_eq!(find(Supervised::Auto, &[]), Supervisor::Nobody);
        assert_eq!(find(Supervised::Systemd, &both[1..]), Supervisor::Nobody);
        assert_eq!(find(Supervised::Upstart, &both[..1]), Supervisor::Nobody);
    }

    #[test]
    fn systemd_hears_of_the_start_and_of_the_end() {
        let name = format!("@forgekv-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name[1..]).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let supervisor = Supervisor::Systemd(name.into());
        supervisor.ready();
        supervisor.stopping();
        let mut buffer = [0; 100];
        let mut heard = || {
            let length = socket.recv(&mut buffer).unwrap();
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        assert!(heard().contains("READY=1"));
        assert_eq!(heard(), "STOPPING=1\n");
    }
}
