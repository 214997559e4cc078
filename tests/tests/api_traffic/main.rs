//! From the API server to traffic: the real operator, the real proxy, real endpoints. See `evenkeel_tests::api`.

mod effect;
mod refusal;
mod sidecar;
