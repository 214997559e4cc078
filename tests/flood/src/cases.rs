//! The floods as data: who comes, how many, and what they may cost.

/// A flood.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// How many connections the attackers make.
    pub(crate) connections: u64,
    /// How many clients the proxy takes at once; none: far more than come.
    pub(crate) limit: Option<u64>,
    /// What one of them may cost of the proxy's memory.
    pub(crate) kb_each: u64,
}

/// What attackers do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// slowhttptest, with these options: a head, a body or reading without end.
    Slow(&'static [&'static str]),
    /// Heads of very many very small fields, as fast as they are taken.
    TinyFields,
    /// Connections that do nothing, or ask once.
    Crowd(Manner),
}

/// What those of a crowd do who are let in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Manner {
    Idle,
    Asking,
}

/// For listeners, the admin port and the rest: see the proxy's own rule.
const RESERVED: u64 = 512;

/// All of them. What one may cost is about twice what it does.
pub(crate) const CASES: [Case; 6] = [
    Case {
        name: "slow-head",
        kind: Kind::Slow(&["-H", "-i", "2", "-x", "24"]),
        connections: 1_500,
        limit: None,
        kb_each: 32,
    },
    Case {
        name: "slow-body",
        kind: Kind::Slow(&["-B", "-i", "2", "-s", "100000", "-x", "24"]),
        connections: 1_500,
        limit: None,
        kb_each: 48,
    },
    Case {
        name: "slow-read",
        kind: Kind::Slow(&["-X", "-n", "1", "-z", "32", "-w", "512", "-y", "1024"]),
        connections: 500,
        limit: None,
        kb_each: 192,
    },
    Case { name: "tiny-fields", kind: Kind::TinyFields, connections: 64, limit: None, kb_each: 256 },
    Case { name: "limit", kind: Kind::Crowd(Manner::Asking), connections: 1_600, limit: Some(800), kb_each: 24 },
    Case { name: "idle", kind: Kind::Crowd(Manner::Idle), connections: 12_000, limit: Some(8_000), kb_each: 16 },
];

impl Case {
    /// The same with as many connections as this machine's descriptors allow.
    pub(crate) fn within(&self, descriptors: u64) -> Self {
        let mut case = self.clone();
        if let Some(limit) = case.limit {
            let possible = limit.min((descriptors - RESERVED) / 2);
            case.connections = case.connections * possible / limit;
            case.limit = Some(possible);
        }
        case
    }

    /// How many of the attackers can be in at once.
    pub(crate) fn inside(&self) -> u64 {
        self.connections.min(self.limit.unwrap_or(u64::MAX))
    }
}
