//! Whose an object is: the operator writes only what its pool controls, and never adopts anything else.

use evenkeel_crds::BalancerPool;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;

/// Whose an object is, seen from a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// The pool controls it.
    Ours,
    /// A pool of this name controlled it, which is gone: garbage collection will delete it.
    Leftover,
    /// Somebody else's, or nobody's.
    Foreign,
}

impl Ownership {
    /// Whose the object is.
    #[must_use]
    pub fn of(object: &ObjectMeta, pool: &ObjectMeta) -> Self {
        let owners = object.owner_references.as_deref().unwrap_or_default();
        let Some(controller) = owners.iter().find(|owner| owner.controller == Some(true)) else {
            return Self::Foreign;
        };
        let group = controller.api_version.split_once('/').map(|(group, _)| group);
        if group != Some(&*BalancerPool::group(&())) || controller.kind != BalancerPool::kind(&()) {
            return Self::Foreign;
        }
        match pool {
            pool if pool.uid.as_deref() == Some(&controller.uid) => Self::Ours,
            pool if pool.name.as_deref() == Some(&controller.name) => Self::Leftover,
            _ => Self::Foreign,
        }
    }
}

/// The reference that makes a pool the controller of an object. `blockOwnerDeletion` stays unset: where the API server
/// enforces it, setting it needs the right to update the pool's finalizers.
#[must_use]
pub fn controlled_by(pool: &ObjectMeta) -> OwnerReference {
    OwnerReference {
        api_version: BalancerPool::api_version(&()).into_owned(),
        kind: BalancerPool::kind(&()).into_owned(),
        name: pool.name.clone().unwrap_or_default(),
        uid: pool.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(name: &str, uid: &str) -> ObjectMeta {
        ObjectMeta { name: Some(name.into()), uid: Some(uid.into()), ..ObjectMeta::default() }
    }

    fn owned_by(owner: OwnerReference) -> ObjectMeta {
        ObjectMeta { owner_references: Some(vec![owner]), ..ObjectMeta::default() }
    }

    #[test]
    fn only_the_controlling_pool_owns_an_object() {
        let web = pool("web", "1");
        let ours = controlled_by(&web);
        assert_eq!(Ownership::of(&owned_by(ours.clone()), &web), Ownership::Ours);
        assert_eq!(Ownership::of(&owned_by(ours.clone()), &pool("web", "2")), Ownership::Leftover);
        assert_eq!(Ownership::of(&owned_by(ours.clone()), &pool("api", "2")), Ownership::Foreign);
        assert_eq!(Ownership::of(&ObjectMeta::default(), &web), Ownership::Foreign);
        for (field, owner) in [
            ("controller", OwnerReference { controller: None, ..ours.clone() }),
            ("kind", OwnerReference { kind: "Deployment".into(), ..ours.clone() }),
            ("group", OwnerReference { api_version: "apps/v1".into(), ..ours.clone() }),
        ] {
            assert_eq!(Ownership::of(&owned_by(owner), &web), Ownership::Foreign, "{field}");
        }
    }

    #[test]
    fn a_newer_version_of_the_api_owns_as_well() {
        let web = pool("web", "1");
        let owner = OwnerReference { api_version: "evenkeel.dev/v1beta1".into(), ..controlled_by(&web) };
        assert_eq!(Ownership::of(&owned_by(owner), &web), Ownership::Ours);
    }
}
