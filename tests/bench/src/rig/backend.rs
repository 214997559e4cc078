//! The backend as a process.

use std::time::Duration;

use evenkeel_tests::process::ChildGuard;

use super::place::Place;

/// It binds its ports in milliseconds; a busy machine may take a while.
const START: Duration = Duration::from_secs(20);

/// Runs until it is dropped.
pub(crate) struct Backend(ChildGuard);

impl Backend {
    pub(crate) fn start(place: &Place) -> anyhow::Result<Self> {
        let child = ChildGuard::spawn(place.me("backend")?)?;
        child.stdout().wait_for(START, |line| (line == "listening").then_some(()))?;
        Ok(Self(child))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}
