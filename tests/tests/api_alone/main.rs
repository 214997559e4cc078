//! What needs an API server of its own: another schema than ours, an operator that is away, an API server that is away.

mod invalid;
mod outage;
mod unreadable;
