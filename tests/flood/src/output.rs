//! The one place that prints.

/// One line for whoever runs it.
#[allow(clippy::print_stdout, reason = "a command-line program")]
pub(crate) fn line(text: &str) {
    println!("{text}");
}
