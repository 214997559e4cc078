//! What one exchange is: all of it follows from its number, so that both ends know what the other must have seen.

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;

/// How an endpoint answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Length,
    Chunked,
    Trailers,
    /// Until the connection ends.
    Close,
    NoContent,
    NotModified,
    /// After some 1xx.
    Informed,
    /// In small pieces.
    Dribbled,
    /// Before the request's body is read, and closing.
    Early,
    /// With an answer that nobody asked for behind it.
    Surplus,
    /// And closes then, though it did not say so.
    Closing,
    CutLength,
    CutChunks,
    /// Not at all.
    Reset,
}

/// Each as often as it stands here.
const MANNERS: [(u32, Manner); 14] = [
    (25, Manner::Length),
    (20, Manner::Chunked),
    (10, Manner::Trailers),
    (8, Manner::Close),
    (6, Manner::NoContent),
    (6, Manner::NotModified),
    (6, Manner::Informed),
    (6, Manner::Dribbled),
    (4, Manner::Early),
    (3, Manner::Surplus),
    (2, Manner::Closing),
    (2, Manner::CutLength),
    (2, Manner::CutChunks),
    (1, Manner::Reset),
];

/// An exchange.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub(super) id: u64,
    pub(super) manner: Manner,
    /// Of the request's body and of the answer's.
    pub(super) sizes: [usize; 2],
}

impl Exchange {
    pub(super) fn new(id: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(id);
        let total = MANNERS.iter().map(|(share, _)| share).sum();
        let mut place = random.u32(0..total);
        let chosen = MANNERS.iter().find(|(share, _)| place.checked_sub(*share).map(|left| place = left).is_none());
        Self { id, manner: chosen.unwrap().1, sizes: [size(&mut random), size(&mut random)] }
    }

    /// By the path of its request.
    pub(super) fn parse(target: &str) -> Self {
        Self::new(target.strip_prefix('/').and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("{target}")))
    }

    /// What the client sends, if it sends a body.
    pub(super) fn asked(&self) -> String {
        text(self.id, self.sizes[0])
    }

    /// What the endpoint answers.
    pub(super) fn answered(&self) -> String {
        match self.manner {
            Manner::NoContent | Manner::NotModified => String::new(),
            _ => text(!self.id, self.sizes[1]),
        }
    }

    pub(super) fn status(&self) -> u16 {
        match self.manner {
            Manner::NoContent => 204,
            Manner::NotModified => 304,
            _ => 200,
        }
    }

    /// Whether an answer may be missing or broken through no fault of the proxy. Who is answered while he still sends may
    /// find his connection reset.
    pub(super) fn may_fail(&self, posts: bool) -> bool {
        match self.manner {
            Manner::CutLength | Manner::CutChunks | Manner::Reset => true,
            Manner::Early => posts,
            _ => false,
        }
    }
}

/// Around the sizes of buffers, and far from them.
fn size(random: &mut fastrand::Rng) -> usize {
    match random.u32(0..20) {
        0..3 => random.usize(0..3),
        3..12 => random.usize(1..2_000),
        12..15 => random.usize(7_800..8_400),
        15..19 => random.usize(2_000..70_000),
        _ => random.usize(200_000..600_000),
    }
}

fn text(seed: u64, length: usize) -> String {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut text = Vec::with_capacity(length + 8);
    while text.len() < length {
        text.extend(random.u64(..).to_le_bytes().map(|byte| b'A' + (byte & 31)));
    }
    text.truncate(length);
    String::from_utf8(text).unwrap()
}

/// What both ends saw.
#[derive(Default)]
pub(super) struct Record {
    wrong: Mutex<Vec<String>>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
    posted: Mutex<HashSet<u64>>,
}

impl Record {
    pub(super) fn expect(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong.lock().unwrap().push(what());
        }
    }

    /// Notes a request that must not come twice.
    pub(super) fn posted(&self, id: u64) {
        self.expect(self.posted.lock().unwrap().insert(id), || format!("{id} was posted twice"));
    }

    pub(super) fn counted(&self, what: &'static str) {
        *self.counts.lock().unwrap().entry(what).or_default() += 1;
    }

    pub(super) fn count(&self, what: &str) -> u64 {
        self.counts.lock().unwrap().get(what).copied().unwrap_or_default()
    }

    /// How many exchanges came to an end, whatever it was.
    pub(super) fn done(&self) -> u64 {
        self.counts.lock().unwrap().values().sum()
    }

    pub(super) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counts.lock().unwrap().clone()
    }

    pub(super) fn wrong(&self) -> Vec<String> {
        self.wrong.lock().unwrap().iter().take(10).cloned().collect()
    }
}
