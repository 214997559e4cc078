//! Several operators against a real API server: one leads, and whatever becomes of it another goes on, soon and never backwards.

mod churn;
mod edits;
mod failover;
mod history;
mod outage;
mod pair;
mod paused;
