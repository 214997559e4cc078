//! The ConfigMap of a table: what is written, and whether what is there is that.

use std::collections::BTreeMap;

use evenkeel_crds::{
    names::{self, labels},
    table::Parts,
};
use k8s_openapi::{
    api::core::v1::ConfigMap,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};

use crate::ownership::controlled_by;

/// Whether nothing has to be written: the parts, our labels and the owner are as they should be, and nothing else is in it.
#[must_use]
pub fn is_up_to_date(map: &ConfigMap, pool: &ObjectMeta, parts: &Parts) -> bool {
    let meta = &map.metadata;
    let labelled =
        |(key, value): &(String, String)| meta.labels.as_ref().is_some_and(|all| all.get(key) == Some(value));
    map.immutable != Some(true)
        && meta.owner_references.as_deref() == Some(&owners(pool))
        && our_labels(pool).iter().all(labelled)
        && Parts::of(map) == *parts
}

/// The ConfigMap to write: instead of `before`, if there is one, whose resource version it carries. Labels and annotations that
/// others added to it stay: tools that mark every object would otherwise fight with us.
#[must_use]
pub fn map_for(pool: &ObjectMeta, parts: Parts, before: Option<&ConfigMap>) -> ConfigMap {
    let before = before.map(|map| map.metadata.clone()).unwrap_or_default();
    let mut labels = before.labels.unwrap_or_default();
    labels.extend(our_labels(pool));
    let metadata = ObjectMeta {
        name: Some(names::object_name(pool.name.as_deref().unwrap_or_default())),
        namespace: pool.namespace.clone(),
        uid: before.uid,
        resource_version: before.resource_version,
        labels: Some(labels),
        annotations: before.annotations,
        finalizers: before.finalizers,
        owner_references: Some(owners(pool).into()),
        ..ObjectMeta::default()
    };
    let Parts { data, binary_data } = parts;
    ConfigMap { metadata, data: some(data), binary_data: some(binary_data), immutable: None }
}

fn some<V>(map: BTreeMap<String, V>) -> Option<BTreeMap<String, V>> {
    Some(map).filter(|map| !map.is_empty())
}

/// The pool alone: with a second owner the table would outlive it.
fn owners(pool: &ObjectMeta) -> [OwnerReference; 1] {
    [controlled_by(pool)]
}

fn our_labels(pool: &ObjectMeta) -> [(String, String); 2] {
    let name = pool.name.clone().unwrap_or_default();
    [(labels::MANAGED_BY.into(), labels::MANAGED_BY_VALUE.into()), (labels::POOL.into(), name)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> ObjectMeta {
        ObjectMeta {
            name: Some("web".into()),
            namespace: Some("shop".into()),
            uid: Some("1".into()),
            ..ObjectMeta::default()
        }
    }

    fn parts() -> Parts {
        Parts { data: BTreeMap::from([("policy.json".into(), "{}".into())]), ..Parts::default() }
    }

    #[test]
    fn what_was_written_is_up_to_date() {
        assert!(is_up_to_date(&map_for(&pool(), parts(), None), &pool(), &parts()));
    }

    #[test]
    fn every_edit_that_matters_is_undone() {
        type Edit = fn(&mut ConfigMap);
        let edits: [(&str, Edit); 6] = [
            ("changed part", |map| drop(map.data.as_mut().unwrap().insert("policy.json".into(), "[]".into()))),
            ("added key", |map| drop(map.data.as_mut().unwrap().insert("more".into(), String::new()))),
            ("label", |map| drop(map.metadata.labels.as_mut().unwrap().remove(labels::MANAGED_BY))),
            ("no owner", |map| map.metadata.owner_references = None),
            ("second owner", |map| map.metadata.owner_references.as_mut().unwrap().push(OwnerReference::default())),
            ("immutable", |map| map.immutable = Some(true)),
        ];
        for (what, edit) in edits {
            let mut map = map_for(&pool(), parts(), None);
            edit(&mut map);
            assert!(!is_up_to_date(&map, &pool(), &parts()), "{what}");
            assert!(is_up_to_date(&map_for(&pool(), parts(), Some(&map)), &pool(), &parts()), "{what}");
        }
    }

    #[test]
    fn marks_of_other_tools_stay() {
        let mut map = map_for(&pool(), parts(), None);
        map.metadata.resource_version = Some("7".into());
        map.metadata.labels.as_mut().unwrap().insert("backup".into(), "yes".into());
        map.metadata.annotations = Some(BTreeMap::from([("note".into(), "kept".into())]));
        assert!(is_up_to_date(&map, &pool(), &parts()));
        let written = map_for(&pool(), parts(), Some(&map));
        assert_eq!(written.metadata.labels, map.metadata.labels);
        assert_eq!(written.metadata.annotations, map.metadata.annotations);
        assert_eq!(written.metadata.resource_version.as_deref(), Some("7"), "written over what was read, nothing else");
    }
}
