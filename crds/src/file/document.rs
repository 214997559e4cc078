//! A YAML document as plain data, with the line of everything in it.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;
use serde_yaml::{Error, Spanned};

/// How much aliases may add to a file: some lists of endpoints, but no tower of lists of lists ("billion laughs").
const MAX_REPLAYED: usize = 20_000;

/// How deep values may stand in each other. Twice as deep as `managedFields`, which `kubectl get -o yaml` shows; the parser
/// recurses, and in a debug build 60 levels were too much for a thread's stack of 2 MiB.
const MAX_DEPTH: usize = 24;

/// A document of a file.
pub(super) struct Document {
    /// Where it begins.
    pub(super) line: u32,
    root: Node,
}

/// A value, and for its members the line on which each begins.
enum Node {
    Map(Vec<(String, u32, Node)>),
    List(Vec<(u32, Node)>),
    Scalar(Value),
}

impl Document {
    /// The documents of a file but the empty ones.
    pub(super) fn all(text: &str) -> Result<Vec<Self>, Error> {
        let limits = serde_yaml::alias_limits! { max_total_replayed_events: MAX_REPLAYED };
        let budget = serde_yaml::budget! { max_depth: MAX_DEPTH };
        let options = serde_yaml::options! { alias_limits: limits, budget: budget };
        let documents: Vec<Spanned<Node>> = serde_yaml::from_multiple_with_options(text, options)?;
        Ok(documents.into_iter().map(|root| Self { line: line_of(&root), root: root.value }).collect())
    }

    /// The line of a field such as `spec.backends[1].weight`; of the nearest that encloses it if it is not there.
    pub(super) fn line_of(&self, field: &str) -> u32 {
        let mut line = self.line;
        let mut node = &self.root;
        for step in steps(field) {
            let Some((found, child)) = node.child(step) else { break };
            line = found;
            node = child;
        }
        line
    }

    /// The document without its lines.
    pub(super) fn to_json(&self) -> Value {
        self.root.to_json()
    }
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// `spec.backends[1].weight` as `spec`, `backends`, 1, `weight`.
fn steps(field: &str) -> impl Iterator<Item = Step<'_>> {
    field.split(['.', '[']).map(|step| match step.strip_suffix(']').and_then(|index| index.parse().ok()) {
        Some(index) => Step::Index(index),
        None => Step::Key(step),
    })
}

impl Node {
    fn child(&self, step: Step) -> Option<(u32, &Node)> {
        match (self, step) {
            (Node::Map(members), Step::Key(key)) => {
                members.iter().find(|(name, ..)| name == key).map(|(_, line, node)| (*line, node))
            }
            (Node::List(items), Step::Index(index)) => items.get(index).map(|(line, node)| (*line, node)),
            _ => None,
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Node::Map(members) => members.iter().map(|(key, _, node)| (key.clone(), node.to_json())).collect(),
            Node::List(items) => items.iter().map(|(_, node)| node.to_json()).collect(),
            Node::Scalar(value) => value.clone(),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

fn line_of<T>(spanned: &Spanned<T>) -> u32 {
    u32::try_from(spanned.referenced.line()).unwrap_or(u32::MAX)
}

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut members = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let line = line_of(&key);
            members.push((key.value, line, map.next_value()?));
        }
        Ok(Node::Map(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element::<Spanned<Node>>()? {
            items.push((line_of(&item), item.value));
        }
        Ok(Node::List(items))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Scalar(text.into()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }
}
