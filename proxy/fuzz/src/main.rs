//! libFuzzer's way in: `EVENKEEL_FUZZ` names the target, `evenkeel_proxy::fuzzing` says what must hold.
#![no_main]
#![allow(clippy::panic, reason = "libFuzzer calls, and nobody handles errors")]

use std::sync::OnceLock;

use evenkeel_proxy::fuzzing::Target;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    static TARGET: OnceLock<Target> = OnceLock::new();
    let named = || std::env::var("EVENKEEL_FUZZ").unwrap_or_default();
    TARGET.get_or_init(|| named().parse().unwrap_or_else(|error| panic!("EVENKEEL_FUZZ: {error}"))).run(bytes);
});
