//! Who gets which port, where pools of one process want the same.
//!
//! Of two pools the older one gets it, whichever table came first: so every proxy with these pools decides alike, also after
//! a restart. Who does not get what its table asks for stays where it was, if nobody older wants that.

/// What a pool wants of the ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// The port of its newest table; none without a table.
    pub(super) wish: Option<u16>,
    /// Where it listens now.
    pub(super) holds: Option<u16>,
    /// Who comes first.
    pub(super) age: Age,
}

/// Orders pools from the oldest on. Whose creation is unknown comes after those where it is known; then names decide.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Age {
    created: i64,
    namespace: String,
    name: String,
}

impl Age {
    /// Of a pool that was created then, in Unix seconds.
    pub(super) fn new(created: Option<i64>, namespace: &str, name: &str) -> Self {
        Self { created: created.unwrap_or(i64::MAX), namespace: namespace.into(), name: name.into() }
    }
}

/// What a pool gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    /// Where it listens from now on.
    pub(super) port: Option<u16>,
    /// Why that is not what it wishes.
    pub(super) denied: Option<Denied>,
}

/// Why a pool does not get a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// An older pool of this process has it.
    Pool(usize),
    /// The system says no.
    System(String),
}

/// Shares the ports out, the oldest pool first. `obtain` makes sure that the process has a port, or says why it cannot.
pub(super) fn share_out(claims: &[Claim], mut obtain: impl FnMut(u16) -> Result<(), String>) -> Vec<Share> {
    let mut order: Vec<usize> = (0..claims.len()).collect();
    order.sort_by_key(|pool| &claims[*pool].age);
    let mut shares = vec![Share::default(); claims.len()];
    for pool in order {
        let Claim { wish: Some(wish), holds, .. } = claims[pool] else { continue };
        let owner = |port| shares.iter().position(|share: &Share| share.port == Some(port));
        let denied = match owner(wish) {
            Some(other) => Denied::Pool(other),
            None => match obtain(wish) {
                Ok(()) => {
                    shares[pool].port = Some(wish);
                    continue;
                }
                Err(reason) => Denied::System(reason),
            },
        };
        let port = holds.filter(|port| *port != wish && owner(*port).is_none());
        shares[pool] = Share { port, denied: Some(denied) };
    }
    shares
}

#[cfg(test)]
#[path = "ports_tests.rs"]
mod tests;
