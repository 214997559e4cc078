//! When which certificate is made anew: pure.

use std::collections::BTreeSet;

use super::Life;

/// What is known of the authority and the certificate that are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Of the authority.
    pub authority: Life,
    /// Of the certificate that is served.
    pub leaf: Life,
    /// The names and addresses that it is for.
    pub hosts: BTreeSet<String>,
}

/// What there should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The names and addresses by which the API server calls.
    pub hosts: BTreeSet<String>,
    /// How long a certificate lives, in seconds.
    pub leaf_seconds: i64,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing before that second.
    Wait(i64),
    /// A certificate by the same authority: why.
    Leaf(String),
    /// An authority and a certificate by it: why.
    Authority(String),
}

/// What to do about what is kept: nothing, something that cannot be read, or these facts.
#[must_use]
pub fn next(kept: Option<Result<&Facts, &str>>, wanted: &Wanted, now: i64) -> Next {
    let facts = match kept {
        None => return Next::Authority("there is none".into()),
        Some(Err(problem)) => return Next::Authority(format!("the one that is kept cannot be used: {problem}")),
        Some(Ok(facts)) => facts,
    };
    if !facts.authority.is_on(now) {
        return Next::Authority("the authority's time is over, or has not begun".into());
    }
    let renew_authority = last_third(facts.authority);
    if now >= renew_authority {
        return Next::Authority("the authority's time ends soon".into());
    }
    if facts.hosts != wanted.hosts {
        return Next::Leaf("its names and addresses have changed".into());
    }
    if !facts.leaf.is_on(now) {
        return Next::Leaf("its time is over, or has not begun".into());
    }
    let renew = facts.leaf.until - wanted.leaf_seconds / 3;
    if now >= renew {
        return Next::Leaf("its time ends soon".into());
    }
    // Made when certificates lived longer, or by a clock that ran ahead.
    if facts.leaf.until > now + wanted.leaf_seconds {
        return Next::Leaf("it would live too long".into());
    }
    Next::Wait(renew.min(renew_authority))
}

/// The beginning of a life's last third.
fn last_third(life: Life) -> i64 {
    life.until - (life.until - life.from) / 3
}
