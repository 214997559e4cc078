//! Bugs that a test asks for: what must never happen has to be seen to be survived. A release has nothing of it.

/// What a test writes where a request is to panic, in a process that was started with `EVENKEEL_TEST_MISHAPS` set.
#[cfg(debug_assertions)]
const WORD: &[u8] = b"evenkeel-test-mishap";

/// Panics if a test asked for it, in the process and in these bytes.
#[cfg(debug_assertions)]
pub(crate) fn may_happen<'a>(bytes: impl FnOnce() -> &'a [u8]) {
    static ASKED: std::sync::LazyLock<bool> =
        std::sync::LazyLock::new(|| std::env::var_os("EVENKEEL_TEST_MISHAPS").is_some());
    assert!(!*ASKED || !bytes().windows(WORD.len()).any(|window| window == WORD), "a test asked for it");
}

/// Does nothing.
#[cfg(not(debug_assertions))]
pub(crate) fn may_happen<'a>(_: impl FnOnce() -> &'a [u8]) {}
