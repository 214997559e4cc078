//! On which line of a YAML document each field stands.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_yaml::Spanned;

/// The lines of a document's fields.
pub(super) struct Lines(Node);

/// A value, and for its members the line on which each begins.
enum Node {
    Map(Vec<(String, u32, Node)>),
    List(Vec<(u32, Node)>),
    Scalar(String),
}

impl Lines {
    pub(super) fn of(text: &str) -> Result<Self, serde_yaml::Error> {
        serde_yaml::from_str(text).map(Self)
    }

    /// The line of a field such as `spec.backends[1].weight`; of the nearest that encloses it if it is not there.
    pub(super) fn line(&self, field: &str) -> Option<u32> {
        let mut line = None;
        let mut node = &self.0;
        for step in steps(field) {
            let Some((found, child)) = node.child(step) else { break };
            line = Some(found);
            node = child;
        }
        line
    }

    /// The text of a scalar field.
    pub(super) fn value(&self, field: &str) -> Option<&str> {
        match steps(field).try_fold(&self.0, |node, step| Some(node.child(step)?.1))? {
            Node::Scalar(text) => Some(text),
            _ => None,
        }
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
}

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Node::deserialize(deserializer).map(Self)
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
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(String::new()))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(String::new()))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }
}
