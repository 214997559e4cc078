//! Who is connected to the admin port: so many of one peer and so many in all, the oldest giving way to the newest.
//!
//! A probe takes milliseconds. Were places taken until somebody leaves, a few idle connections of any pod of the cluster would
//! make the kubelet's probes wait, and so take the pod out of its Services.

use std::net::IpAddr;

use tokio::task::AbortHandle;

/// Of one peer: a node's kubelet, a scraper, or somebody who means harm.
const MAX_PER_PEER: usize = 16;
/// Probes, scrapes and a few people.
const MAX: usize = 64;

/// The open connections, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Guests {
    open: Vec<(IpAddr, AbortHandle)>,
}

impl Guests {
    /// Takes one more in; for that, the oldest of the same peer, or of all, may have to go.
    pub(super) fn welcome(&mut self, peer: IpAddr, connection: AbortHandle) {
        self.open.retain(|(_, connection)| !connection.is_finished());
        let of_peer = self.open.iter().filter(|(other, _)| *other == peer).count();
        let leaves = match () {
            () if of_peer >= MAX_PER_PEER => self.open.iter().position(|(other, _)| *other == peer),
            () if self.open.len() >= MAX => Some(0),
            () => None,
        };
        if let Some(leaves) = leaves {
            self.open.remove(leaves).1.abort();
        }
        self.open.push((peer, connection));
    }

    /// Sends the oldest away.
    pub(super) fn see_off_oldest(&mut self) {
        self.open.retain(|(_, connection)| !connection.is_finished());
        if !self.open.is_empty() {
            self.open.remove(0).1.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::task::{JoinHandle, yield_now};

    use super::*;

    async fn enter(guests: &mut Guests, peer: u8) -> JoinHandle<()> {
        let connection = tokio::spawn(std::future::pending());
        guests.welcome(Ipv4Addr::new(10, 0, 0, peer).into(), connection.abort_handle());
        yield_now().await;
        connection
    }

    #[tokio::test]
    async fn a_peer_with_many_connections_loses_its_own_oldest() {
        let mut guests = Guests::default();
        let other = enter(&mut guests, 1).await;
        let mut crowd = Vec::new();
        for _ in 0..MAX_PER_PEER + 2 {
            crowd.push(enter(&mut guests, 2).await);
        }
        let ended: Vec<_> = crowd.iter().map(JoinHandle::is_finished).collect();
        assert_eq!(ended.iter().filter(|ended| **ended).count(), 2);
        assert!(ended[0] && ended[1] && !other.is_finished());
    }

    #[tokio::test]
    async fn when_all_places_are_taken_the_oldest_goes() {
        let mut guests = Guests::default();
        let mut all = Vec::new();
        for number in 0..=MAX {
            all.push(enter(&mut guests, u8::try_from(number).expect("few")).await);
        }
        let ended: Vec<_> = all.iter().map(JoinHandle::is_finished).collect();
        assert_eq!(ended.iter().position(|ended| *ended), Some(0));
        assert_eq!(ended.iter().filter(|ended| **ended).count(), 1);
    }

    #[tokio::test]
    async fn who_has_left_takes_no_place() {
        let mut guests = Guests::default();
        let stays = enter(&mut guests, 1).await;
        for _ in 0..2 * MAX {
            let leaves = enter(&mut guests, 2).await;
            leaves.abort();
            yield_now().await;
        }
        assert!(!stays.is_finished());
        assert!(guests.open.len() <= 2);
    }
}
