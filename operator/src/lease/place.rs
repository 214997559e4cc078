//! Where the Lease lies, and under which name this process stands for election.

use evenkeel_crds::names;

use crate::options::LeaseOptions;

/// Where the Lease lies, and under which name this process stands for election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The namespace of the Lease.
    pub namespace: String,
    /// The name of the Lease.
    pub name: &'static str,
    /// The name of this process.
    pub identity: String,
}

impl Place {
    /// As the options say; `own` is the namespace of the pod that this is. None if neither names a namespace.
    #[must_use]
    pub fn new(options: &LeaseOptions, own: Option<&str>) -> Option<Self> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let namespace = given(&options.namespace).or_else(|| own.map(str::to_owned))?;
        let base = given(&options.identity).unwrap_or_else(host_name);
        // A container that is started again is another candidate: what its predecessor held, it must not take for its own.
        Some(Self { namespace, name: names::OPERATOR, identity: format!("{base}_{:016x}", fastrand::u64(..)) })
    }
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(namespace: &str, identity: &str) -> LeaseOptions {
        LeaseOptions { namespace: Some(namespace.into()), identity: Some(identity.into()) }
    }

    #[test]
    fn the_namespace_is_the_one_that_is_named_or_the_pods_own() {
        let namespace = |named: &str, own| Place::new(&options(named, "a"), own).map(|place| place.namespace);
        assert_eq!(namespace("here", Some("there")).as_deref(), Some("here"));
        assert_eq!(namespace("", Some("there")).as_deref(), Some("there"), "an empty variable names nothing");
        assert_eq!(namespace("", None), None);
    }

    #[test]
    fn two_processes_of_one_name_are_two_candidates() {
        let [first, second] = [(); 2].map(|()| Place::new(&options("n", "pod"), None).expect("a place").identity);
        assert!(first.starts_with("pod_") && first != second, "{first}, {second}");
        let unnamed = Place::new(&options("n", ""), None).expect("a place").identity;
        assert!(!unnamed.starts_with('_'), "the host's name: {unnamed}");
    }
}
