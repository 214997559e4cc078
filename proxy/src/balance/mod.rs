//! Choosing an endpoint: pure, without I/O, clock or allocation.
//!
//! ```text
//! table ─▶ Plan (dense endpoints) ─▶ View (who is eligible) ─▶ pick(view, thread state, context) ─▶ Picked
//!            ▲
//!         Registry: what outlives every table, by identity
//! ```

mod budget;
mod outcome;
mod pick;
mod plan;
mod registry;
mod retry;
mod smooth;
mod stride;
mod thread_state;
mod view;

pub use budget::{BudgetRules, RetryBudget};
pub use outcome::{Outcome, Reason, Side};
pub use pick::{Context, NoPick, Picked, pick};
pub use plan::{AccessLog, ClientLimits, ConnectionPool, Plan, PlannedBackend, PlannedEndpoint};
pub use registry::{BackendState, EndpointId, EndpointState, Permit, Registry};
pub use retry::{Codes, Retry};
pub use thread_state::ThreadState;
pub use view::{Candidates, View};

#[cfg(test)]
mod tests;
