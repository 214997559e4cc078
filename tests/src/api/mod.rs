//! Tests against a real API server: it and the operator as processes, and short ways to make and watch objects.
//!
//! One API server for a test binary, a namespace for each test. They run only with `EVENKEEL_API_TESTS` set, in the network
//! namespace of `tests/cluster/netns`: `tests/run api` does both.

mod account;
mod kubelet;
mod objects;
mod operator;
mod pods;
mod proxies;
mod proxy;
mod server;
mod stage;
mod wait;

pub use account::{WEBHOOK_CONFIGURATION, install_crd, operator_rules};
pub use kubelet::Kubelet;
pub use objects::{endpoint, metal, pool, service, slice};
pub use operator::Operator;
pub use pods::{application, with_sidecar};
pub use proxies::FakeProxy;
pub use proxy::Proxy;
pub use server::ApiServer;
pub use stage::{Space, Stage};
pub use wait::{eventually, percentile, settles};
