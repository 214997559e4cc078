//! The objects of one kind as its watch shows them: each event says what it changed, and what it did not change is silent.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::key::Key;

/// The namespace that a watch covers; none: all of them.
pub type Scope = Option<Arc<str>>;

/// Which state of which object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// Of the object: another one of the same name has another.
    pub uid: String,
    /// Of the state.
    pub resource_version: String,
}

impl Version {
    /// The version of an object.
    #[must_use]
    pub fn of(meta: &ObjectMeta) -> Self {
        Self {
            uid: meta.uid.clone().unwrap_or_default(),
            resource_version: meta.resource_version.clone().unwrap_or_default(),
        }
    }

    /// Whether it is an earlier state of the same object. Resource versions are numbers that grow (KEP-5504); where they are
    /// not, nothing is earlier.
    pub(crate) fn is_earlier_than(&self, other: &Self) -> bool {
        let number = |version: &Self| version.resource_version.parse::<u64>().ok();
        self.uid == other.uid && matches!((number(self), number(other)), (Some(own), Some(other)) if own < other)
    }
}

/// What an event changed: at least one of the two is there.
#[derive(Debug)]
pub struct Change<T> {
    /// The object before.
    pub before: Option<Arc<T>>,
    /// The object now; none if it is gone.
    pub after: Option<Arc<T>>,
}

#[derive(Debug)]
struct Held<T> {
    version: Version,
    object: Arc<T>,
}

/// The objects of one kind.
#[derive(Debug)]
pub struct Cache<T> {
    objects: HashMap<Key, Held<T>>,
    /// What was seen since a watch began to list anew; the rest is gone when the list ends.
    listings: HashMap<Scope, HashSet<Key>>,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self { objects: HashMap::new(), listings: HashMap::new() }
    }
}

impl<T> Cache<T> {
    /// The object of that name.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&Arc<T>> {
        self.objects.get(key).map(|held| &held.object)
    }

    /// All objects.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Arc<T>)> {
        self.objects.iter().map(|(key, held)| (key, &held.object))
    }

    /// A watch of that scope lists anew.
    pub fn begin_list(&mut self, scope: &Scope) {
        self.listings.insert(scope.clone(), HashSet::new());
    }

    /// What a list says of an object, which counts even if it is older: after a restore of etcd it is.
    pub fn listed(&mut self, key: &Key, version: Version, object: T) -> Option<Change<T>> {
        self.put(key, version, object)
    }

    /// The object is on the list, readable or not: what is known of it stays at the list's end.
    pub fn mark_listed(&mut self, scope: &Scope, key: &Key) {
        if let Some(seen) = self.listings.get_mut(scope) {
            seen.insert(key.clone());
        }
    }

    /// The list is complete: what is not on it is gone.
    pub fn end_list(&mut self, scope: &Scope) -> Vec<(Key, Change<T>)> {
        let Some(seen) = self.listings.remove(scope) else { return Vec::new() };
        let in_scope = |key: &Key| scope.as_ref().is_none_or(|namespace| key.namespace == *namespace);
        let gone: Vec<_> = self.objects.keys().filter(|key| in_scope(key) && !seen.contains(*key)).cloned().collect();
        gone.into_iter().filter_map(|key| Some((key.clone(), self.take(&key)?))).collect()
    }

    /// The object is now so: said by a watch, or by the answer to a write of ours, which the watch will repeat.
    pub fn insert(&mut self, key: &Key, version: Version, object: T) -> Option<Change<T>> {
        if self.objects.get(key).is_some_and(|held| version.is_earlier_than(&held.version)) {
            return None;
        }
        self.put(key, version, object)
    }

    /// The object with that UID is gone; one that was made since then stays.
    pub fn remove(&mut self, key: &Key, uid: &str) -> Option<Change<T>> {
        self.objects.get(key).filter(|held| held.version.uid == uid)?;
        self.take(key)
    }

    fn put(&mut self, key: &Key, version: Version, object: T) -> Option<Change<T>> {
        if self.objects.get(key).is_some_and(|held| held.version == version) {
            return None;
        }
        let object = Arc::new(object);
        let before = self.objects.insert(key.clone(), Held { version, object: Arc::clone(&object) });
        Some(Change { before: before.map(|held| held.object), after: Some(object) })
    }

    fn take(&mut self, key: &Key) -> Option<Change<T>> {
        let held = self.objects.remove(key)?;
        Some(Change { before: Some(held.object), after: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(uid: &str, resource_version: &str) -> Version {
        Version { uid: uid.into(), resource_version: resource_version.into() }
    }

    fn value<T: Copy>(change: Option<Change<T>>) -> Option<(Option<T>, Option<T>)> {
        change.map(|change| (change.before.map(|object| *object), change.after.map(|object| *object)))
    }

    #[test]
    fn the_same_version_changes_nothing() {
        let (mut cache, web) = (Cache::default(), Key::new("shop", "web"));
        assert_eq!(value(cache.insert(&web, version("a", "1"), 1)), Some((None, Some(1))));
        assert_eq!(value(cache.insert(&web, version("a", "1"), 1)), None);
        assert_eq!(value(cache.insert(&web, version("a", "2"), 2)), Some((Some(1), Some(2))));
    }

    #[test]
    fn a_late_event_does_not_undo_our_own_write() {
        let (mut cache, web) = (Cache::default(), Key::new("shop", "web"));
        cache.insert(&web, version("a", "10"), 10);
        assert_eq!(value(cache.insert(&web, version("a", "9"), 9)), None);
        assert_eq!(value(cache.insert(&web, version("b", "9"), 9)), Some((Some(10), Some(9))), "another object");
        assert_eq!(value(cache.insert(&web, version("b", "opaque"), 3)), Some((Some(9), Some(3))), "no number");
    }

    #[test]
    fn the_end_of_an_earlier_object_does_not_remove_its_successor() {
        let (mut cache, web) = (Cache::default(), Key::new("shop", "web"));
        cache.insert(&web, version("b", "5"), 5);
        assert_eq!(value(cache.remove(&web, "a")), None);
        assert_eq!(value(cache.remove(&web, "b")), Some((Some(5), None)));
    }

    #[test]
    fn a_new_list_removes_what_is_not_on_it_within_its_namespace() {
        let mut cache = Cache::default();
        let [web, api, other] = [("shop", "web"), ("shop", "api"), ("bank", "web")].map(|(n, o)| Key::new(n, o));
        for key in [&web, &api, &other] {
            cache.insert(key, version("a", "5"), 5);
        }
        let scope: Scope = Some("shop".into());
        cache.begin_list(&scope);
        cache.mark_listed(&scope, &web);
        assert_eq!(value(cache.listed(&web, version("a", "4"), 4)), Some((Some(5), Some(4))), "lists count");
        let gone: Vec<_> = cache.end_list(&scope).into_iter().map(|(key, _)| key).collect();
        assert_eq!(gone, [api]);
        assert!(cache.get(&other).is_some());
    }

    #[test]
    fn what_cannot_be_read_stays_as_it_was() {
        let (mut cache, web) = (Cache::default(), Key::new("shop", "web"));
        cache.insert(&web, version("a", "5"), 5);
        cache.begin_list(&None);
        cache.mark_listed(&None, &web);
        assert!(cache.end_list(&None).is_empty());
        assert_eq!(cache.get(&web).map(|object| **object), Some(5));
    }
}
