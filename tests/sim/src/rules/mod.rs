//! Rules that are not peers': our own as the proxy runs them, and what no rule can beat.

pub(crate) mod ideal;
pub(crate) mod ours;
pub(crate) mod variant;
