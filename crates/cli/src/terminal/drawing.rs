//! The last line of a terminal, redrawn in place.

use console::Term;
use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Time between two drawings, at least.
const BETWEEN_DRAWINGS: Duration = Duration::from_millis(125);
/// Columns that a line leaves free: a terminal shows `^C` behind the cursor, which must not wrap.
const FREE: usize = 3;
/// Columns of a terminal that does not tell its width.
const COLUMNS: usize = 80;

/// The last line of standard error, if that is a terminal. It is cleared when it is dropped.
pub(super) struct Drawing {
    /// True if there is a terminal to draw on.
    pub shown: bool,
    /// The time of the drawing that is on the terminal.
    drawn: Cell<Option<Instant>>,
}

impl Drawing {
    /// An empty line; nothing is drawn if `quiet`.
    pub(super) fn new(quiet: bool) -> Self {
        Self { shown: !quiet && std::io::stderr().is_terminal(), drawn: Cell::new(None) }
    }

    /// Draws a line in place of the last one, unless that was a moment ago.
    pub(super) fn draw(&self, line: impl FnOnce() -> String) {
        let now = Instant::now();
        let drawn_lately = self.drawn.get().is_some_and(|drawn| now.duration_since(drawn) < BETWEEN_DRAWINGS);
        if self.shown && !drawn_lately {
            self.clear();
            // A terminal that is gone must not stop the work.
            let _ = write!(std::io::stderr(), "{}", line());
            self.drawn.set(Some(now));
        }
    }

    /// Clears the line, if something is drawn.
    pub(super) fn clear(&self) {
        if self.drawn.get().is_some() {
            self.clear_always();
        }
    }

    /// Clears the line, whatever is there.
    pub(super) fn clear_always(&self) {
        self.drawn.set(None);
        if self.shown {
            let _ = Term::stderr().clear_line();
        }
    }
}

impl Drop for Drawing {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Columns that a line may have.
pub(super) fn columns() -> usize {
    let width = Term::stderr().size_checked().map_or(COLUMNS, |(_, columns)| columns.into());
    width.saturating_sub(FREE).max(1)
}
