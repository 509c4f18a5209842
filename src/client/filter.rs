//! Which clients CLIENT KILL and CLIENT LIST mean.

use super::{ClientId, ClientInfo};
use crate::store::UnixMs;

/// The class of a client, as `TYPE` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// Any that is none of the others, MONITOR among them.
    Normal,
    /// The server's master.
    Master,
    /// A replica.
    Replica,
    /// Subscribed to a channel or pattern.
    Pubsub,
}

impl ClientKind {
    /// The class of that name, in any case.
    pub fn named(name: &[u8]) -> Option<Self> {
        let names: [(&[u8], Self); 5] = [
            (b"normal", Self::Normal),
            (b"slave", Self::Replica),
            (b"replica", Self::Replica),
            (b"pubsub", Self::Pubsub),
            (b"master", Self::Master),
        ];
        names.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|&(_, kind)| kind)
    }
}

/// The conditions that a client must meet, all of them.
#[derive(Clone, Debug, Default)]
pub struct Filter<'a> {
    /// Its number.
    pub id: Option<u64>,
    /// Its class.
    pub kind: Option<ClientKind>,
    /// The user it is logged in as.
    pub user: Option<&'a [u8]>,
    /// Its end of the connection.
    pub peer: Option<&'a [u8]>,
    /// The server's end.
    pub local: Option<&'a [u8]>,
    /// Seconds since it connected, at least.
    pub age_min: Option<u64>,
    /// Not this one.
    pub except: Option<ClientId>,
}

impl Filter<'_> {
    /// Does a client meet the conditions at `now`? One that was killed already meets none.
    pub fn accepts(&self, info: &ClientInfo, now: UnixMs) -> bool {
        !info.is_killed()
            && self.id.is_none_or(|id| id == info.id.0)
            && self.kind.is_none_or(|kind| kind == info.kind())
            && self.peer.is_none_or(|peer| peer == info.endpoint.peer.as_bytes())
            && self.local.is_none_or(|local| local == info.endpoint.local.as_bytes())
            && self.age_min.is_none_or(|age| age <= now.0.saturating_sub(info.created.0) / 1000)
            && self.except != Some(info.id)
            && self.user.is_none_or(|user| user == info.texts().user.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Endpoint;

    fn client() -> ClientInfo {
        let endpoint = Endpoint {
            peer: "1.2.3.4:5".to_owned(),
            local: "6.7.8.9:10".to_owned(),
            fd: 11,
            is_unix: false,
            is_local: false,
        };
        ClientInfo::new(ClientId(7), endpoint, UnixMs(10_000), 0)
    }

    #[test]
    fn every_condition_must_hold() {
        let (info, now) = (client(), UnixMs(13_500));
        let all = Filter {
            id: Some(7),
            kind: Some(ClientKind::Normal),
            user: Some(b"default"),
            peer: Some(b"1.2.3.4:5"),
            local: Some(b"6.7.8.9:10"),
            age_min: Some(3),
            except: Some(ClientId(8)),
        };
        assert!(Filter::default().accepts(&info, now));
        assert!(all.accepts(&info, now));
        let others = [
            Filter { id: Some(8), ..all.clone() },
            Filter { kind: Some(ClientKind::Pubsub), ..all.clone() },
            Filter { user: Some(b"Default"), ..all.clone() },
            Filter { peer: Some(b"1.2.3.4:6"), ..all.clone() },
            Filter { local: Some(b""), ..all.clone() },
            Filter { age_min: Some(4), ..all.clone() },
            Filter { except: Some(ClientId(7)), ..all.clone() },
        ];
        for (index, other) in others.iter().enumerate() {
            assert!(!other.accepts(&info, now), "condition {index}");
        }
    }

    #[test]
    fn a_killed_client_is_not_met_again() {
        let info = client();
        info.kill();
        assert!(!Filter::default().accepts(&info, UnixMs(0)));
    }

    #[test]
    fn classes_have_names_in_any_case() {
        assert_eq!(ClientKind::named(b"SLAVE"), Some(ClientKind::Replica));
        assert_eq!(ClientKind::named(b"Normal"), Some(ClientKind::Normal));
        assert_eq!(ClientKind::named(b"other"), None);
    }
}
