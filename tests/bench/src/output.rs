//! Standard output is for results.

use std::io::{self, Write as _};

/// Prints a line, at once: a run takes minutes, and people watch.
pub(crate) fn say(line: &str) -> anyhow::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
