//! The terminal while a table is redrawn on it: taken over at the start, given back at the end, however that comes.

use std::env;
use std::io::{self, IsTerminal as _, Stdout, Write as _};

use rustix::termios::tcgetwinsize;

/// A second screen, so that the first one is as it was afterwards; no cursor; long lines are cut instead of wrapped.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
const HOME: &str = "\x1b[H";
const CLEAR_LINE_END: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// A terminal that was taken over.
#[derive(Debug)]
pub(crate) struct Screen {
    out: Stdout,
}

impl Screen {
    /// Takes the terminal over. None if standard output is none, or one that can only print lines.
    pub(crate) fn take() -> io::Result<Option<Self>> {
        let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        if dumb || !io::stdout().is_terminal() {
            return Ok(None);
        }
        let mut screen = Self { out: io::stdout() };
        screen.write(ENTER)?;
        Ok(Some(screen))
    }

    /// Columns and rows.
    pub(crate) fn size() -> (usize, usize) {
        // A terminal that does not know its size says 0.
        let known = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        known.map_or((80, 24), |size| (size.ws_col.into(), size.ws_row.into()))
    }

    /// Shows these lines and nothing else, as many as there is room for.
    pub(crate) fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        let rows = lines.iter().take(Self::size().1);
        let rows: Vec<_> = rows.map(|line| format!("{line}{CLEAR_LINE_END}")).collect();
        self.write(&format!("{HOME}{}{CLEAR_BELOW}", rows.join("\r\n")))
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.write(LEAVE); // the terminal may be gone
    }
}
