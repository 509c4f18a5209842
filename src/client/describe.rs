//! One client as CLIENT LIST and CLIENT INFO print it: the fields of Redis 7.4, in its order.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{ClientInfo, ClientKind};
use crate::store::UnixMs;

impl ClientInfo {
    /// Its class.
    pub fn kind(&self) -> ClientKind {
        if self.is_subscribed() { ClientKind::Pubsub } else { ClientKind::Normal }
    }

    /// Appends its line, with the line end. `command` is the full name of its last command, `argv_bytes` what the words
    /// of the command take that it is executing.
    ///
    /// Replies are in one buffer, which is both of Redis's: `obl` is what it holds, `rbs` and `rbp` are what it takes;
    /// there is no list behind it (`oll`, `omem`).
    pub fn describe(&self, now: UnixMs, command: &str, argv_bytes: usize, out: &mut Vec<u8>) {
        let load = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let seconds = |since: u64| now.0.saturating_sub(since) / 1000;
        let (texts, ends) = (self.texts(), &self.endpoint);
        let (obl, buffer) = (load(&self.output_bytes), load(&self.output_memory));
        let [channels, patterns, shard_channels] = self.subscribed();
        let tracking = self.tracker.get().and_then(|tracker| tracker.options());
        let redirect =
            tracking.map_or(-1, |options| options.redirect.map_or(0, |target| target.client as i64));
        let mut put = |bytes: &[u8]| out.extend_from_slice(bytes);
        put(format!("id={} addr={} laddr={} fd={} name=", self.id.0, ends.peer, ends.local, ends.fd)
            .as_bytes());
        put(&texts.name);
        let written = write!(
            out,
            " age={} idle={} flags={} db={} sub={channels} psub={patterns} ssub={shard_channels} multi={} watch={} qbuf={} qbuf-free={} argv-mem={argv_bytes} \
             multi-mem={} rbs={buffer} rbp={buffer} obl={obl} oll=0 omem=0 tot-mem={} events={} cmd={command} user={} \
             redir={redirect} resp={} lib-name=",
            seconds(self.created.0),
            seconds(load(&self.last_active_ms)),
            self.flag_letters(),
            self.db.load(Ordering::Relaxed),
            self.queued.load(Ordering::Relaxed),
            load(&self.watched),
            load(&self.query_bytes),
            load(&self.query_free),
            load(&self.queued_bytes),
            load(&self.memory),
            if obl > 0 { "rw" } else { "r" },
            texts.user,
            self.resp.load(Ordering::Relaxed),
        );
        written.expect("a vector takes every write");
        out.extend_from_slice(&texts.lib_name);
        out.extend_from_slice(b" lib-ver=");
        out.extend_from_slice(&texts.lib_version);
        out.push(b'\n');
    }

    /// The letters of `flags=`; `N` for none.
    fn flag_letters(&self) -> String {
        let flags = self.flags();
        let tracking = self.tracker.get().and_then(|tracker| tracker.options());
        let letters = [
            ('O', self.is_monitor.load(Ordering::Relaxed)),
            ('P', self.is_subscribed()),
            ('x', flags.in_multi),
            ('b', self.is_blocked()),
            ('t', tracking.is_some()),
            ('R', tracking.is_some() && self.tracker.get().is_some_and(|tracker| tracker.is_broken())),
            ('B', tracking.is_some_and(|options| options.broadcasts)),
            ('d', flags.watched_changed),
            ('c', flags.closing),
            ('A', self.is_killed()),
            ('U', self.endpoint.is_unix),
            ('e', flags.no_evict),
            ('T', flags.no_touch),
        ];
        let text: String = letters.iter().filter(|(_, on)| *on).map(|(letter, _)| letter).collect();
        if text.is_empty() { "N".to_owned() } else { text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{ClientFlags, ClientId, Endpoint};

    #[test]
    fn a_line_has_every_field_in_order() {
        let endpoint = Endpoint {
            peer: "/run/x.sock:0".to_owned(),
            local: "/run/x.sock:0".to_owned(),
            fd: 9,
            is_unix: true,
            is_local: true,
        };
        let info = ClientInfo::new(ClientId(3), endpoint, UnixMs(1_000), 0);
        info.last_active_ms.store(4_000, Ordering::Relaxed);
        info.db.store(2, Ordering::Relaxed);
        info.output_bytes.store(5, Ordering::Relaxed);
        info.output_memory.store(6, Ordering::Relaxed);
        info.set_flags(ClientFlags {
            no_evict: true,
            no_touch: true,
            closing: true,
            in_multi: true,
            watched_changed: true,
        });
        info.change_texts(|texts| {
            texts.name = b"me".to_vec();
            texts.lib_name = b"lib".to_vec();
            texts.lib_version = b"1.2".to_vec();
        });
        let mut line = Vec::new();
        info.describe(UnixMs(6_999), "client|list", 10, &mut line);
        let expected = "id=3 addr=/run/x.sock:0 laddr=/run/x.sock:0 fd=9 name=me age=5 idle=2 flags=xdcUeT db=2 sub=0 psub=0 \
                        ssub=0 multi=-1 watch=0 qbuf=0 qbuf-free=0 argv-mem=10 multi-mem=0 rbs=6 rbp=6 obl=5 oll=0 omem=0 \
                        tot-mem=0 events=rw cmd=client|list user=default redir=-1 resp=2 lib-name=lib lib-ver=1.2\n";
        assert_eq!(String::from_utf8(line).unwrap(), expected);
    }

    #[test]
    fn a_client_without_flags_has_the_letter_for_none() {
        let endpoint =
            Endpoint { peer: String::new(), local: String::new(), fd: 0, is_unix: false, is_local: true };
        let info = ClientInfo::new(ClientId(1), endpoint, UnixMs(0), 0);
        assert_eq!(info.flag_letters(), "N");
        info.kill();
        assert_eq!(info.flag_letters(), "A");
    }
}
