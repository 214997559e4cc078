//! A test has a short form, which runs every time, and a long one, which `tests/run long` asks for.

/// What differs between the two.
pub(crate) struct Form<T> {
    pub(crate) short: T,
    pub(crate) long: T,
}

impl<T> Form<T> {
    /// What was asked for.
    pub(crate) fn chosen(self) -> T {
        if std::env::var_os("EVENKEEL_LONG_TESTS").is_some() { self.long } else { self.short }
    }
}
