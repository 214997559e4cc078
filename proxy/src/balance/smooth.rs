//! Smooth weighted round robin, nginx's rule (`ngx_http_upstream_get_peer`; commit 52327e062).
//!
//! Every pick gives each candidate its weight as credit, takes the one with most, and charges it all the credit that was
//! given. Over a cycle of Σw picks each is picked exactly w times, as evenly spread as can be.

/// What a rule needs to know of a candidate.
pub(super) trait Turn {
    /// Its share, at least 1.
    fn weight(&self) -> u32;
    /// Where its credit is.
    fn slot(&self) -> usize;
}

/// Credit is kept in units of 2^-20 of a weight, so that scaling it when weights change loses nothing that adds up. The
/// largest sum, 128 candidates of weight 1,000,000 in hundredths, has 54 bits then.
const FRACTION_BITS: u32 = 20;

/// Picks the index of a candidate. Those that are not eligible gain no credit, so that their return causes no burst.
pub(super) fn next<T: Turn>(
    candidates: &[T],
    credit: &mut [super::thread_state::Turns],
    eligible: impl Fn(&T) -> bool,
) -> Option<usize> {
    next_where(candidates, credit, |index| eligible(&candidates[index]))
}

/// The same, by index.
pub(super) fn next_where<T: Turn>(
    candidates: &[T],
    credit: &mut [super::thread_state::Turns],
    eligible: impl Fn(usize) -> bool,
) -> Option<usize> {
    if candidates.len() == 1 {
        return eligible(0).then_some(0); // whose credit would be given and charged at once
    }
    let mut total = 0;
    let mut best: Option<(usize, usize, i64)> = None;
    for (index, candidate) in candidates.iter().enumerate() {
        if !eligible(index) {
            continue;
        }
        let weight = i64::from(candidate.weight()) << FRACTION_BITS;
        let slot = candidate.slot();
        let mine = &mut credit[slot].credit;
        *mine += weight;
        total += weight;
        // Strict: of equals the first in order wins.
        if best.is_none_or(|(.., most)| *mine > most) {
            best = Some((index, slot, *mine));
        }
    }
    let (index, slot, _) = best?;
    credit[slot].credit -= total;
    Some(index)
}
