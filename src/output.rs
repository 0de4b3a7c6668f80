//! What the query commands print on standard output: buffered, as tables or as JSON.

use anyhow::Context;
use serde::Serialize;
use std::io::{self, BufWriter, StdoutLock, Write};

/// Raised when the meaning of a field in any JSON output changes.
pub const SCHEMA_VERSION: u32 = 1;

const STDOUT: &str = "cannot write to standard output";

/// A JSON document with its version.
#[derive(Debug, Serialize)]
pub struct Versioned<T> {
    schema_version: u32,
    #[serde(flatten)]
    body: T,
}

impl<T> Versioned<T> {
    /// `body`, in the current version.
    pub const fn new(body: T) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            body,
        }
    }
}

/// Standard output with a buffer. [`Stdout::finish`] ends it.
#[derive(Debug)]
pub struct Stdout(BufWriter<StdoutLock<'static>>);

impl Stdout {
    /// Takes standard output.
    pub fn lock() -> Self {
        Self(BufWriter::with_capacity(64 << 10, io::stdout().lock()))
    }

    /// Prints `text` and ends the line.
    pub fn line(&mut self, text: &str) -> anyhow::Result<()> {
        self.0
            .write_all(text.as_bytes())
            .and_then(|()| self.0.write_all(b"\n"))
            .context(STDOUT)
    }

    /// Prints bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.0.write_all(bytes).context(STDOUT)
    }

    /// Prints JSON on one line.
    pub fn json_line<T: Serialize>(&mut self, value: &T) -> anyhow::Result<()> {
        let text = serde_json::to_vec(value)?;
        self.bytes(&text)?;
        self.bytes(b"\n")
    }

    /// Hands over everything printed so far.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        self.0.flush().context(STDOUT)
    }
}

/// Prints all of `bytes`.
pub fn write_all(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = Stdout::lock();
    out.bytes(bytes)?;
    out.flush()
}

/// Prints `body` as a JSON document.
pub fn json<T: Serialize>(body: T) -> anyhow::Result<()> {
    let mut text = serde_json::to_vec_pretty(&Versioned::new(body))?;
    text.push(b'\n');
    write_all(&text)
}

/// Rows with aligned columns.
#[derive(Debug)]
pub struct Table {
    right: &'static [bool],
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings; `right` says which columns are numbers.
    pub fn new(headings: &[&str], right: &'static [bool]) -> Self {
        let mut table = Self {
            right,
            rows: Vec::new(),
        };
        table.row(headings.iter().map(|&heading| heading.to_owned()).collect());
        table
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Prints it.
    pub fn print(&self, out: &mut Stdout) -> anyhow::Result<()> {
        let columns = self.right.len();
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = widths.get(column).copied().unwrap_or(0);
                if column > 0 {
                    line.push_str("  ");
                }
                if self.right.get(column).copied().unwrap_or(false) {
                    line.push_str(&format!("{cell:>width$}"));
                } else {
                    line.push_str(&format!("{cell:<width$}"));
                }
            }
            out.line(line.trim_end())?;
        }
        Ok(())
    }
}

/// A point in time, in UTC.
pub fn time(unix_ns: u64) -> String {
    let seconds = unix_ns / 1_000_000_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Year, month and day of a day counted from 1970-01-01, by the Gregorian calendar. Years
/// are counted from March, so that the leap day comes last.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_400_YEARS: u64 = 146_097;
    /// From 0000-03-01 to 1970-01-01.
    const DAYS_BEFORE: u64 = 719_468;
    let days = days + DAYS_BEFORE;
    let (era, day) = (days / DAYS_400_YEARS, days % DAYS_400_YEARS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + later, month, day_of_month)
}

/// A span of time.
pub fn span(ns: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    let seconds = ns as f64 / 1e9;
    if seconds < 100.0 {
        return format!("{seconds:.1}s");
    }
    let whole = ns / 1_000_000_000;
    if whole < 3600 {
        format!("{}m{:02}s", whole / 60, whole % 60)
    } else {
        format!("{}h{:02}m", whole / 3600, whole / 60 % 60)
    }
}

/// A number of bytes.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A command line as a shell would take it, with nothing in it that moves a cursor.
pub fn command_line<S: AsRef<str>>(args: &[S]) -> String {
    let quoted: Vec<String> = args.iter().map(|arg| quote(arg.as_ref())).collect();
    quoted.join(" ")
}

fn quote(arg: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%^".contains(c);
    if !arg.is_empty() && arg.chars().all(plain) {
        return arg.to_owned();
    }
    if arg.chars().any(char::is_control) {
        let escaped: String = arg
            .chars()
            .flat_map(|c| {
                if c == '\'' {
                    vec!['\\', '\'']
                } else {
                    c.escape_default().collect()
                }
            })
            .collect();
        return format!("$'{escaped}'");
    }
    format!("'{}'", arg.replace('\'', r"'\''"))
}

/// How a process with this wait status ended.
pub fn ending(wait_status: i32) -> String {
    if libc::WIFSIGNALED(wait_status) {
        let dumped = if libc::WCOREDUMP(wait_status) {
            ", core dumped"
        } else {
            ""
        };
        format!("signal {}{dumped}", libc::WTERMSIG(wait_status))
    } else {
        format!("exit {}", libc::WEXITSTATUS(wait_status))
    }
}

/// How a process ended, for JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ending {
    /// Its exit code, if it exited.
    exit_code: Option<i32>,
    /// The signal that it died of.
    signal: Option<i32>,
}

impl Ending {
    /// What a wait status says.
    pub fn of(wait_status: i32) -> Self {
        if libc::WIFSIGNALED(wait_status) {
            Self {
                exit_code: None,
                signal: Some(libc::WTERMSIG(wait_status)),
            }
        } else {
            Self {
                exit_code: Some(libc::WEXITSTATUS(wait_status)),
                signal: None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_calendar_times() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (951_868_799, "2000-02-29 23:59:59"),
            (951_868_800, "2000-03-01 00:00:00"),
            (1_735_689_599, "2024-12-31 23:59:59"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ] {
            assert_eq!(time(seconds * 1_000_000_000), expected);
        }
        // The last that can be said.
        assert_eq!(time(u64::MAX), "2554-07-21 23:34:33");
    }

    #[test]
    fn sizes_and_spans_are_short() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1024 * 1024 - 1, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
        for (ns, expected) in [
            (0, "0.0s"),
            (99_900_000_000, "99.9s"),
            (100_000_000_000, "1m40s"),
            (7_260_000_000_000, "2h01m"),
        ] {
            assert_eq!(span(ns), expected);
        }
    }

    #[test]
    fn command_lines_can_be_pasted() {
        assert_eq!(command_line(&["sh", "-c", "a | b"]), "sh -c 'a | b'");
        assert_eq!(command_line(&["echo", "", "it's"]), r"echo '' 'it'\''s'");
        assert_eq!(command_line(&["x", "a\nb'"]), r"x $'a\nb\''");
    }

    #[test]
    fn endings_are_told_apart() {
        assert_eq!(
            (ending(3 << 8), ending(9), ending(0x8b)),
            (
                "exit 3".into(),
                "signal 9".into(),
                "signal 11, core dumped".into()
            )
        );
    }
}
