//! The table's endpoints: compact rows, since a pool can have thousands and every proxy receives all of them.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, IgnoredAny, SeqAccess, Visitor},
    ser::SerializeTuple,
};

/// The endpoints of each backend, by the backend's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// Rows in the order of (address, port, pod).
    pub backends: BTreeMap<String, Vec<EndpointRow>>,
}

/// One endpoint. In JSON an array: `[address, port, weight, zone, state, since, pod]`; a newer release may append to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointRow {
    /// Where it listens.
    pub address: IpAddr,
    /// Where it listens.
    pub port: u16,
    /// Its share of the backend, 0 to 1,000,000.
    pub weight: u32,
    /// Its zone; empty if unknown.
    pub zone: String,
    /// Whether it may get new traffic.
    pub state: EndpointState,
    /// Since when it is ready, in Unix seconds; 0: since before anybody looked.
    pub since: i64,
    /// The first 8 hexadecimal digits of its pod's UID; empty without a pod. An address is used again by another pod.
    pub pod: String,
}

/// Whether an endpoint may get new traffic. One that does not serve has no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndpointState {
    /// Ready.
    Ready,
    /// Still serving while it terminates: used when nobody is ready (KEP-1669).
    Draining,
}

impl EndpointState {
    fn letter(self) -> &'static str {
        match self {
            Self::Ready => "r",
            Self::Draining => "d",
        }
    }

    fn from_letter(letter: &str) -> Option<Self> {
        [Self::Ready, Self::Draining].into_iter().find(|state| state.letter() == letter)
    }
}

impl EndpointRow {
    /// What tells one endpoint of a backend from another: (address, port, pod).
    #[must_use]
    pub fn identity(&self) -> (IpAddr, u16, &str) {
        (self.address, self.port, &self.pod)
    }
}

impl Serialize for EndpointRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_tuple(7)?;
        row.serialize_element(&self.address)?;
        row.serialize_element(&self.port)?;
        row.serialize_element(&self.weight)?;
        row.serialize_element(&self.zone)?;
        row.serialize_element(self.state.letter())?;
        row.serialize_element(&self.since)?;
        row.serialize_element(&self.pod)?;
        row.end()
    }
}

impl<'de> Deserialize<'de> for EndpointRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(RowVisitor)
    }
}

struct RowVisitor;

impl<'de> Visitor<'de> for RowVisitor {
    type Value = EndpointRow;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an endpoint as [address, port, weight, zone, state, since, pod]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut row: A) -> Result<EndpointRow, A::Error> {
        let endpoint = EndpointRow {
            address: element(&mut row, "address")?,
            port: element(&mut row, "port")?,
            weight: element(&mut row, "weight")?,
            zone: element(&mut row, "zone")?,
            state: state(&element::<_, String>(&mut row, "state")?)?,
            since: element(&mut row, "since")?,
            pod: element(&mut row, "pod")?,
        };
        while row.next_element::<IgnoredAny>()?.is_some() {} // appended by a newer minor version
        Ok(endpoint)
    }
}

fn element<'de, A: SeqAccess<'de>, T: Deserialize<'de>>(row: &mut A, name: &str) -> Result<T, A::Error> {
    row.next_element()?.ok_or_else(|| A::Error::custom(format_args!("an endpoint without {name}")))
}

fn state<E: serde::de::Error>(letter: &str) -> Result<EndpointState, E> {
    EndpointState::from_letter(letter)
        .ok_or_else(|| E::custom(format_args!("unknown endpoint state {letter:?}, expected r or d")))
}
