//! Bodies of questions, read within bounds: of one, and of all that are in memory.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;

use super::review::Trouble;
use crate::guests::Guest;

/// The longest that a body may take.
const BODY: Duration = Duration::from_secs(3);
/// The API server takes 3 MiB from its clients, and adds little.
pub(super) const LARGEST_BODY: usize = 4 << 20;
/// Almost every pod. Of what is larger, the sum is bounded.
const SMALL_BODY: usize = 16 << 10;
/// For two of the largest, or hundreds that are merely large.
pub(super) const ROOM: usize = 2 * LARGEST_BODY;

/// Reads a body; says what is wrong with it.
pub(super) async fn read(body: Incoming, guest: &Guest) -> Result<Vec<u8>, Trouble> {
    let late = || Trouble::Unreadable(format!("it did not come within {BODY:?}"));
    timeout(BODY, read_all(body, guest)).await.unwrap_or_else(|_| Err(late()))
}

async fn read_all(mut body: Incoming, guest: &Guest) -> Result<Vec<u8>, Trouble> {
    let (mut bytes, mut held) = (Vec::new(), 0);
    if body.size_hint().lower() > LARGEST_BODY as u64 {
        return Err(too_large());
    }
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Trouble::Unreadable(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        let length = bytes.len() + data.len();
        if length > LARGEST_BODY {
            return Err(too_large());
        }
        // What has come counts, not what was announced: who stalls holds no more than he sent.
        if length > SMALL_BODY {
            if !guest.hold(length - held) {
                return Err(Trouble::Busy);
            }
            held = length;
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn too_large() -> Trouble {
    Trouble::Unreadable(format!("it has more than {LARGEST_BODY} bytes"))
}
