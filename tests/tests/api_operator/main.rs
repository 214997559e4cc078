//! The operator against a real API server: what it publishes, owns and reports. See `evenkeel_tests::api`.

mod applications;
mod balancing;
mod objects;
mod publish;
mod rollout;
mod schema;
mod sidecars;
mod status;
