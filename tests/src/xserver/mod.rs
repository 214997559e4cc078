//! The test backend: an HTTP/1.1 server that answers with its name and misbehaves on demand.
//!
//! [`XServer`] runs one inside a test; the program `xserver` runs one or several as a process or a pod.

mod answer;
mod ask;
mod behaviour;
mod options;
mod reply;
mod serve;

pub use behaviour::Behaviour;
pub use options::Options;
pub use serve::XServer;
