//! Choosing an endpoint: pure, without I/O, clock or allocation.
//!
//! ```text
//! table ─▶ Plan (dense endpoints) ─▶ View (who is eligible) ─▶ pick(view, thread state, context) ─▶ Picked
//!            ▲
//!         Registry: what outlives every table, by identity
//! ```

pub mod bounded;
mod budget;
mod choose;
mod draw;
mod estimate;
mod hash;
mod least;
pub mod maglev;
mod outcome;
mod pick;
mod plan;
mod registry;
pub mod rendezvous;
mod retry;
pub mod ring;
mod score;
mod slow_start;
mod smooth;
mod stride;
mod thread_state;
mod trace;
mod usual;
mod view;
mod zones;

pub use budget::{BudgetRules, RetryBudget};
pub use estimate::{Learns, Seen};
pub use hash::{KeyTable, Lookup};
pub use outcome::{Outcome, Reason, Side};
pub use pick::{Affinity, Context, NoPick, Picked, pick, pick_traced};
pub use plan::{AccessLog, ClientLimits, ConnectionPool, Plan, PlannedBackend, PlannedEndpoint, Rule};
pub use registry::{BackendState, EndpointId, EndpointState, Permit, Registry};
pub use retry::{Codes, Retry};
pub use slow_start::SlowStart;
pub use thread_state::ThreadState;
pub use trace::{Step, Steps, Trace, Untraced};
pub use view::{Candidate, Candidates, Group, Surroundings, View};

#[cfg(test)]
mod key_tests;
#[cfg(test)]
mod rule_tests;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod view_tests;
