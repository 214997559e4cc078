//! What tests of several crates share: the test backend, the load client, and child processes that never outlive a test.

pub mod api;
pub mod clock;
pub mod descriptors;
pub mod duration;
pub mod form;
pub mod lines;
pub mod load;
pub mod memory;
pub mod metrics;
pub mod process;
pub mod programs;
pub mod signals;
pub mod socket;
pub mod xserver;
