//! Room for one more descriptor where there is none: idle connections to endpoints make it, this worker's, then the others'.

use std::time::Duration;

use tokio::time::timeout;

use super::Worker;
use crate::waits::TICK;

/// Other workers hear of it with their next tick, which may be late.
const PATIENCE: Duration = TICK.saturating_mul(3);

impl Worker {
    /// Closes idle connections, if there are any, within a time limit. False: nobody had one.
    pub(crate) async fn make_room(&self, limit: Duration) -> bool {
        if self.idle.shed() {
            return true;
        }
        let freed = self.shared.room.ask();
        timeout(limit.min(PATIENCE), freed).await.is_ok()
    }

    /// Closes idle connections if another worker asked for it since the last look.
    pub(super) fn help_out(&self) {
        let asked = self.shared.room.asked();
        if self.asked.replace(asked) != asked && self.idle.shed() {
            self.shared.room.tell();
        }
    }
}
