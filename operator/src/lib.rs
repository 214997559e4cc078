//! The operator: from BalancerPools, Services and EndpointSlices to published tables, proxies and status.
//!
//! ```text
//!            ┌────────────── World ──────────────┐
//! watches ──▶│ caches, index: who must look again│
//!            └──────┬──────────┬──────────┬──────┘
//!                   ▼          ▼          ▼
//!                publish ───▶ own ─────▶ report      three lanes, each one pool at a time
//!               ConfigMap   Deployment   status
//! ```
//!
//! A fourth lane, `notice`, tells of pods that ask for a sidecar and have none.
//!
//! What is decided is pure: `publish::plan`, `own::desired`, `report::conditions` take what is known and return what is to be
//! written. The lanes only carry it out, and only in the replica that leads (`lease`): the others keep warm caches.

pub mod admin;
pub mod again;
pub mod clock;
pub mod cluster;
pub mod context;
pub mod error;
pub mod findings;
mod guests;
pub mod inject;
pub mod key;
pub mod kind;
pub mod lane;
pub mod lease;
pub mod logs;
pub mod metrics;
pub mod notice;
pub mod options;
pub mod own;
pub mod ownership;
pub mod publish;
pub mod report;
pub mod run;
pub mod watch;
pub mod webhook;
