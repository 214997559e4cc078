//! Injection against a real API server: pods that it makes with a sidecar, refuses, or makes without; certificates that change
//! under load; how long an admission takes. See `evenkeel_tests::api`.

mod measure;
mod pods;
mod scene;
mod webhook;
