//! Bugs that a test asks for: what must never happen has to be seen to be survived. A release has nothing of it.

/// What a test writes where a request is to panic, in a process that was started with `EVENKEEL_TEST_MISHAPS` set.
const REQUEST: &str = "evenkeel-test-mishap";
/// The first backend's name where control is to panic.
pub(crate) const CONTROL: &str = "evenkeel-test-control";
/// The first backend's name where a worker is to panic, and not a request of it.
pub(crate) const WORKER: &str = "evenkeel-test-worker";

/// Panics if a test asked for it, in the process and in these bytes of a request or answer.
pub(crate) fn may_happen<'a>(bytes: impl FnOnce() -> &'a [u8]) {
    may_strike(REQUEST, bytes);
}

/// Panics if a test asked for it, in the process and in these bytes, by that word.
#[cfg(debug_assertions)]
pub(crate) fn may_strike<'a>(word: &str, bytes: impl FnOnce() -> &'a [u8]) {
    static ASKED: std::sync::LazyLock<bool> =
        std::sync::LazyLock::new(|| std::env::var_os("EVENKEEL_TEST_MISHAPS").is_some());
    assert!(!*ASKED || !bytes().windows(word.len()).any(|window| window == word.as_bytes()), "a test asked for it");
}

/// Does nothing.
#[cfg(not(debug_assertions))]
pub(crate) fn may_strike<'a>(_: &str, _: impl FnOnce() -> &'a [u8]) {}
