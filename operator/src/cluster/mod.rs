//! What is known of the cluster: caches of what is watched, an index between them, and who must look again after a change.

mod cache;
mod index;
mod observed;
mod pod;
mod sidecar;
mod source;
mod view;
mod world;

pub use cache::{Cache, Change, Scope, Version};
pub use index::{Index, Reference};
pub use observed::{DeploymentState, Observed};
pub use pod::{NamedContainer, PodContainers, PodState, WatchedPod};
pub use sidecar::{PodSource, Sidecar, SidecarPod, sidecar_selector};
pub use source::{
    MapSource, Observable, OwnedSource, PoolSource, ServiceSource, SliceSource, Source, object_key, owned_selector,
};
pub use view::{Pool, View};
pub use world::{Wake, World};
