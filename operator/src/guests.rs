//! Connections of strangers, of which there is room for so many. Nobody waits for a place: when there is none, the peer that has
//! the most of them loses the one that has been idle longest. So one that opens hundreds harms himself.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;

/// Who is connected.
#[derive(Debug)]
pub(crate) struct Guests {
    most: usize,
    most_bytes: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Counts whatever happens: a clock for what is older.
    turn: u64,
    all: HashMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    peer: IpAddr,
    /// The turn of its last sign of life.
    since: u64,
    /// What it sent is being answered: it is let be.
    is_busy: bool,
    /// What of a large body is in memory.
    bytes: usize,
    ended: CancellationToken,
}

/// A connection that has a place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Guest {
    guests: Arc<Guests>,
    id: u64,
    ended: CancellationToken,
}

/// A question that is being answered, until it is dropped.
#[derive(Debug)]
pub(crate) struct Busy<'a>(&'a Guest);

impl Guests {
    /// Room for so many connections, and for so many bytes of large bodies.
    pub(crate) fn new(most: usize, most_bytes: usize) -> Arc<Self> {
        Arc::new(Self { most, most_bytes, state: Mutex::default() })
    }

    /// A place for a new connection; none if all others are being answered.
    pub(crate) fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Guest> {
        let mut state = self.state();
        while state.all.len() >= self.most {
            let victim = state.victim(|_| 1)?;
            state.end(victim);
        }
        state.turn += 1;
        let (id, ended) = (state.turn, CancellationToken::new());
        let entry = Entry { peer: peer.to_canonical(), since: id, is_busy: false, bytes: 0, ended: ended.clone() };
        state.all.insert(id, entry);
        Some(Guest { guests: Arc::clone(self), id, ended })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner) // each change is whole
    }
}

impl State {
    /// Of the peer that takes the most, by that measure, the connection that takes part in it and has been idle longest.
    fn victim(&self, takes: impl Fn(&Entry) -> usize) -> Option<u64> {
        let mut peers: HashMap<IpAddr, usize> = HashMap::new();
        for entry in self.all.values().filter(|entry| !entry.is_busy) {
            *peers.entry(entry.peer).or_default() += takes(entry);
        }
        let candidates = self.all.iter().filter(|(_, entry)| !entry.is_busy && takes(entry) > 0);
        let worst = candidates.max_by_key(|(_, entry)| (peers.get(&entry.peer), entry.peer, u64::MAX - entry.since));
        worst.map(|(id, _)| *id)
    }

    fn end(&mut self, id: u64) {
        if let Some(entry) = self.all.remove(&id) {
            entry.ended.cancel();
        }
    }
}

impl Guest {
    /// Waits until another needs the place.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Takes room for so many bytes more, from others if need be; whether there is any.
    pub(crate) fn hold(&self, bytes: usize) -> bool {
        let mut state = self.guests.state();
        match state.all.get_mut(&self.id) {
            Some(entry) => entry.bytes += bytes,
            None => return false,
        }
        while state.all.values().map(|entry| entry.bytes).sum::<usize>() > self.guests.most_bytes {
            match state.victim(|entry| entry.bytes) {
                Some(victim) if victim != self.id => state.end(victim),
                _ => {
                    state.all.entry(self.id).and_modify(|entry| entry.bytes = 0);
                    return false;
                }
            }
        }
        true
    }

    /// All that belongs to a question is there, and it is being answered.
    pub(crate) fn busy(&self) -> Busy<'_> {
        self.guests.state().all.entry(self.id).and_modify(|entry| entry.is_busy = true);
        Busy(self)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut state = self.0.guests.state();
        state.turn += 1;
        let since = state.turn;
        if let Some(entry) = state.all.get_mut(&self.0.id) {
            (entry.is_busy, entry.bytes, entry.since) = (false, 0, since);
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.guests.state().all.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn ended(guests: &[Guest]) -> Vec<usize> {
        let ended = guests.iter().enumerate().filter(|(_, guest)| guest.ended.is_cancelled());
        ended.map(|(index, _)| index).collect()
    }

    #[test]
    fn who_has_most_places_loses_the_one_that_was_idle_longest() {
        let guests = Guests::new(4, 0);
        let mut all: Vec<_> = [1, 2, 2, 2].map(|last| guests.admit(peer(last)).expect("a place")).into();
        drop(all[1].busy()); // it has just been answered
        all.push(guests.admit(peer(3)).expect("the place of another"));
        assert_eq!(ended(&all), [2], "not the oldest of all, and not the one that was answered");
        all.push(guests.admit("::ffff:10.0.0.2".parse().expect("an address")).expect("the place of another"));
        assert_eq!(ended(&all), [2, 3], "however it writes its address");
        assert_eq!(guests.state().all.len(), 4);
        drop(all);
        assert!(guests.state().all.is_empty());
    }

    #[test]
    fn who_is_being_answered_is_let_be() {
        let guests = Guests::new(2, 0);
        let [one, two] = [1, 1].map(|last| guests.admit(peer(last)).expect("a place"));
        let (_one, answering) = (one.busy(), two.busy());
        assert!(guests.admit(peer(2)).is_none());
        drop(answering);
        assert!(guests.admit(peer(2)).is_some());
        assert!(two.ended.is_cancelled() && !one.ended.is_cancelled());
    }

    #[test]
    fn who_stalls_with_the_most_bytes_loses_them() {
        let guests = Guests::new(9, 100);
        let all = [1, 2, 2, 3].map(|last| guests.admit(peer(last)).expect("a place"));
        assert!(all[0].hold(30) && all[1].hold(30) && all[2].hold(30));
        assert!(all[3].hold(20), "another's room");
        assert_eq!(ended(&all), [1], "the peer with the most bytes, its older one");
        assert!(!all[3].hold(90), "its own would be next");
        assert!(all[3].hold(20), "it may begin again");
        let _busy = all.each_ref().map(Guest::busy);
        assert!(!all[3].hold(90) && ended(&all) == [1], "what is being answered has its room");
    }
}
