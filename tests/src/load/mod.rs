//! The load client: requests at a steady rate, answers counted by server, failures by kind, latency from the scheduled time.
//!
//! [`run`] is the client inside a test; the program `load` runs it as a process or a pod and prints the same [`LoadReport`].

mod connection;
mod exchange;
mod failure;
mod histogram;
mod options;
mod pace;
mod report;
pub mod resolve;
mod run;
mod settings;
mod tally;

pub use failure::Failure;
pub use options::Options;
pub use report::{Change, Counts, FailedRequest, LoadReport};
pub use run::{Event, run};
pub use settings::{Settings, Stop, Target};
