//! The proxy: reads tables, balances, forwards, reports.
//!
//! ```text
//! source ─▶ control ─▶ View ═▶ worker 1..N: accept ─▶ forward ─▶ balance ─▶ upstream
//!              └─▶ admin, metrics
//! ```
//!
//! Each worker is one OS thread with its own runtime, listeners, picks and upstream connections: a request stays on one
//! thread. The control thread does all that is not on a request's way.

pub mod balance;
mod capacity;
pub mod check;
pub mod cli;
mod codec;
pub mod control;
mod counters;
mod digits;
mod forward;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod guard;
mod last_good;
mod mishap;
mod report;
pub mod run;
mod shared;
mod source;
mod threads;
mod upstream;
mod vital;
mod waits;
mod wire;
mod worker;
