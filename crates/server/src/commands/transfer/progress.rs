//! Tells how far it is: one line that is written over on a terminal, now and then a line elsewhere.

use std::io::{self, IsTerminal as _, Write};

/// Records between two looks on a terminal.
const REDRAWN: u64 = 2_000;
/// Records between two lines elsewhere.
const LINES: u64 = 100_000;
/// Of the bar.
const WIDTH: u64 = 30;

/// Counts records.
pub(super) struct Progress<W: Write = io::Stderr> {
    output: W,
    terminal: bool,
    what: &'static str,
    total: Option<u64>,
    done: u64,
    told: u64,
}

impl Progress {
    /// On standard error. `total` is how many records there will be, where it is known.
    pub(super) fn new(what: &'static str, total: Option<u64>) -> Self {
        let output = io::stderr();
        let terminal = output.is_terminal();
        Self { output, terminal, what, total, done: 0, told: 0 }
    }
}

impl<W: Write> Progress<W> {
    /// So many more records.
    pub(super) fn add(&mut self, records: u64) {
        self.done += records;
        if self.done - self.told >= if self.terminal { REDRAWN } else { LINES } {
            self.told = self.done;
            self.tell();
        }
    }

    /// Clears the terminal's line.
    pub(super) fn finish(mut self) {
        if self.terminal && self.told > 0 {
            // Whoever closed standard error does not want to know.
            let _ = write!(self.output, "\r\x1b[K");
            let _ = self.output.flush();
        }
    }

    fn tell(&mut self) {
        let line = self.line();
        let _ = if self.terminal { write!(self.output, "\r\x1b[K{line}") } else { writeln!(self.output, "{line}") };
        let _ = self.output.flush();
    }

    fn line(&self) -> String {
        let Self { what, done, .. } = self;
        match self.total.filter(|total| *total > 0) {
            None => format!("{what}: {done} records"),
            Some(total) => {
                let share = |of: u64| done.saturating_mul(of).checked_div(total).unwrap_or_default().min(of);
                let (percent, filled) = (share(100), usize::try_from(share(WIDTH)).unwrap_or_default());
                let bar = format!("{:<width$}", "#".repeat(filled), width = usize::try_from(WIDTH).unwrap_or_default());
                if self.terminal {
                    format!("{what} [{bar}] {percent} %, {done} of {total} records")
                } else {
                    format!("{what}: {percent} %, {done} of {total} records")
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(terminal: bool, total: Option<u64>, steps: &[u64]) -> String {
        let mut output = Vec::new();
        let mut progress = Progress { output: &mut output, terminal, what: "Import", total, done: 0, told: 0 };
        for step in steps {
            progress.add(*step);
        }
        progress.finish();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn a_terminal_shows_one_line_that_is_cleared() {
        let told = told(true, Some(4_000), &[1, 2_000, 1_000, 999]);
        assert!(told.contains("Import [###############               ] 50 %, 2001 of 4000 records"), "{told:?}");
        assert!(!told.contains('\n') && told.ends_with("\r\x1b[K"), "{told:?}");
    }

    #[test]
    fn elsewhere_lines_are_few_and_plain() {
        assert_eq!(
            told(false, Some(300_000), &[50_000; 6]),
            "Import: 33 %, 100000 of 300000 records\nImport: 66 %, 200000 of 300000 records\nImport: 100 %, 300000 of 300000 records\n"
        );
        assert_eq!(told(false, None, &[99_999]), "");
        assert_eq!(told(false, None, &[100_000]), "Import: 100000 records\n");
    }
}
