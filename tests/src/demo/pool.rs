//! The pool's file: what the demo must know of it, and the edits that it makes itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use evenkeel_crds::file::{self, FileProblem};

/// The pool that the demo runs on, if the user names no other.
pub(crate) const EXAMPLE: &str = include_str!("../../../examples/demo/pool.yaml");

/// A pool as the proxy understands the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pool {
    pub(crate) bind_port: u16,
    pub(crate) revision: String,
    pub(crate) backends: Vec<Backend>,
}

/// A backend of the pool.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Backend {
    pub(crate) name: String,
    pub(crate) weight: u32,
    pub(crate) endpoints: Vec<SocketAddr>,
}

impl Pool {
    /// Reads the text of a file, just as the proxy does.
    pub(crate) fn read(text: &str) -> Result<Self, Vec<FileProblem>> {
        let table = file::table(text, None, 0)?;
        let endpoints = |name: &str| {
            let rows = table.endpoints.backends.get(name).into_iter().flatten();
            rows.map(|row| SocketAddr::new(row.address, row.port)).collect()
        };
        let policy = &table.policy;
        let backends = policy.backends.iter().map(|backend| Backend {
            name: backend.name.clone(),
            weight: backend.weight,
            endpoints: endpoints(&backend.name),
        });
        Ok(Self {
            bind_port: policy.listener.bind_port,
            revision: policy.revision.clone(),
            backends: backends.collect(),
        })
    }
}

/// The text with other port numbers; comments and layout stay, since people are to edit it.
pub(crate) fn with_ports(text: &str, ports: &BTreeMap<u16, u16>) -> String {
    edit(text, "port:", |port| Some(ports.get(&port.parse().ok()?)?.to_string()))
}

/// The text with other weights, in the order of the backends. They are text, so that they can be wrong.
pub(crate) fn with_weights(text: &str, weights: &[&str]) -> String {
    let mut weights = weights.iter();
    edit(text, "weight:", |_| weights.next().map(ToString::to_string))
}

/// Replaces the value on each line that is nothing but this key and a value.
fn edit(text: &str, key: &str, mut replace: impl FnMut(&str) -> Option<String>) -> String {
    let lines = text.lines().map(|line| {
        let trimmed = line.trim_start();
        match trimmed.strip_prefix(key).and_then(|value| replace(value.trim())) {
            Some(new) => format!("{}{key} {new}\n", &line[..line.len() - trimmed.len()]),
            None => format!("{line}\n"),
        }
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(pool: &Pool) -> Vec<u32> {
        pool.backends.iter().map(|backend| backend.weight).collect()
    }

    #[test]
    fn the_example_has_three_backends_at_70_30_0() {
        let pool = Pool::read(EXAMPLE).unwrap();
        assert_eq!((pool.bind_port, weights(&pool)), (8080, vec![70, 30, 0]));
        let endpoints = pool.backends.iter().flat_map(|backend| &backend.endpoints).map(ToString::to_string);
        assert_eq!(endpoints.collect::<Vec<_>>(), ["127.0.0.1:9101", "127.0.0.1:9102", "127.0.0.1:9103"]);
    }

    #[test]
    fn edits_change_values_and_nothing_else() {
        let edited = with_ports(EXAMPLE, &BTreeMap::from([(8080, 9102), (9102, 4000)]));
        let pool = Pool::read(&edited).unwrap();
        assert_eq!((pool.bind_port, pool.backends[1].endpoints[0].port()), (9102, 4000));
        let back = with_ports(&edited, &BTreeMap::from([(9102, 8080), (4000, 9102)]));
        assert_eq!(back, EXAMPLE);
        let pool = Pool::read(&with_weights(EXAMPLE, &["20", "80", "0"])).unwrap();
        assert_eq!(weights(&pool), [20, 80, 0]);
        let problems = Pool::read(&with_weights(EXAMPLE, &["20", "-80", "0"])).unwrap_err();
        assert_eq!(problems[0].field.as_deref(), Some("spec.backends[1].weight"));
    }
}
