//! Parts that the process cannot do without: a panic of one of them ends the process, so that it is started anew. Without
//! that it would go on, half of it dead, and look healthy.

use tokio::sync::watch;

/// Whether all of them live.
#[derive(Debug, Default)]
pub(crate) struct Vital(watch::Sender<Option<&'static str>>);

/// What such a part holds for as long as it lives.
#[derive(Debug)]
pub(crate) struct Part {
    name: &'static str,
    lost: watch::Sender<Option<&'static str>>,
}

impl Vital {
    /// For a part to hold.
    #[must_use]
    pub(crate) fn part(&self, name: &'static str) -> Part {
        Part { name, lost: self.0.clone() }
    }

    /// Waits for the panic of a part; which it was.
    pub(crate) async fn lost(&self) -> &'static str {
        let mut lost = self.0.subscribe();
        loop {
            if let Some(name) = *lost.borrow_and_update() {
                return name;
            }
            if lost.changed().await.is_err() {
                std::future::pending::<()>().await; // not while `self` is there
            }
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The first alone: what a worker has goes with it.
            self.lost.send_if_modified(|lost| {
                let is_first = lost.is_none();
                lost.get_or_insert(self.name);
                is_first
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_panic_is_a_loss() {
        let vital = Vital::default();
        let (ends, panics) = (vital.part("one that ends"), vital.part("one that panics"));
        tokio::spawn(async move { drop(ends) }).await.expect("no panic");
        let patience = std::time::Duration::from_secs(1);
        assert!(tokio::time::timeout(patience, vital.lost()).await.is_err());
        let panicked = tokio::spawn(async move {
            let _held = panics;
            panic!("a test asked for it");
        });
        panicked.await.expect_err("a panic");
        assert_eq!(vital.lost().await, "one that panics");
    }
}
