//! A test has a short form, which runs every time, and a long one, which `tests/run long` asks for.

/// What differs between the two.
#[derive(Clone, Copy, Debug)]
pub struct Form<T> {
    /// Every time.
    pub short: T,
    /// When there is time.
    pub long: T,
}

impl<T> Form<T> {
    /// What was asked for.
    #[must_use]
    pub fn chosen(self) -> T {
        if std::env::var_os("EVENKEEL_LONG_TESTS").is_some() { self.long } else { self.short }
    }
}
