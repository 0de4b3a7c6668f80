//! What the query commands print on standard output: buffered, as tables or as JSON, and
//! never with characters from a recording that a terminal would obey.

use anyhow::Context;
use serde::Serialize;
use std::borrow::Cow;
use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::Path;

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

    /// Prints `text`, made [harmless](shown), and ends the line.
    pub fn line(&mut self, text: &str) -> anyhow::Result<()> {
        self.0
            .write_all(shown(text).as_bytes())
            .and_then(|()| self.0.write_all(b"\n"))
            .context(STDOUT)
    }

    /// Prints bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.0.write_all(bytes).context(STDOUT)
    }

    /// Prints JSON on one line.
    pub fn json_line<T: Serialize>(&mut self, value: &T) -> anyhow::Result<()> {
        let text = serde_json::to_string(value)?;
        self.bytes(shown_json(&text).as_bytes())?;
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
    let text = serde_json::to_string_pretty(&Versioned::new(body))?;
    let mut out = Stdout::lock();
    out.bytes(shown_json(&text).as_bytes())?;
    out.bytes(b"\n")?;
    out.flush()
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
        let harmless = |cell: String| match shown(&cell) {
            Cow::Borrowed(_) => cell,
            Cow::Owned(shown) => shown,
        };
        self.rows.push(cells.into_iter().map(harmless).collect());
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

/// Names and values, one pair a line. A value of several lines, or none, may be given as
/// several pairs with the same name.
pub fn fields(out: &mut Stdout, fields: &[(&str, String)]) -> anyhow::Result<()> {
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut last = "";
    for (name, value) in fields {
        let label = if *name == last { "" } else { name };
        out.line(&format!("{label:<width$}  {value}"))?;
        last = name;
    }
    Ok(())
}

/// Characters that move a cursor, change colours or the direction of writing.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// `text` on one line, with escapes for whatever a terminal would obey.
pub fn shown(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) {
            escape(&mut out, c);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Appends `c` as bash and others read it in `$'…'`.
fn escape(out: &mut String, c: char) {
    let code = u32::from(c);
    match c {
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        '\r' => out.push_str("\\r"),
        _ if code < 0x80 => out.push_str(&format!("\\x{code:02x}")),
        _ if code < 0x1_0000 => out.push_str(&format!("\\u{code:04x}")),
        _ => out.push_str(&format!("\\U{code:08x}")),
    }
}

/// JSON in which escapes stand for what a terminal would obey. Such characters occur in
/// JSON only inside strings, and the newlines of its layout.
fn shown_json(text: &str) -> Cow<'_, str> {
    let escaped = |c: char| is_unsafe(c) && c != '\n';
    if !text.chars().any(escaped) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if escaped(c) {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// A path as text. Of one that is no UTF-8, there is no better text.
pub fn lossy(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// `text`, cut where it is longer than people read.
pub fn brief(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// `count` things.
pub fn plural(count: u64, what: &str) -> String {
    let ending = match what {
        _ if count == 1 => "",
        _ if what.ends_with("ch") || what.ends_with('s') => "es",
        _ => "s",
    };
    format!("{count} {what}{ending}")
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
    if !arg.chars().any(is_unsafe) {
        return format!("'{}'", arg.replace('\'', r"'\''"));
    }
    let mut out = String::from("$'");
    for c in arg.chars() {
        match c {
            '\'' | '\\' => out.extend(['\\', c]),
            _ if is_unsafe(c) => escape(&mut out, c),
            _ => out.push(c),
        }
    }
    out.push('\'');
    out
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
    /// Of a process that has not ended, or of which that is not known.
    pub const fn none() -> Self {
        Self {
            exit_code: None,
            signal: None,
        }
    }

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
        assert_eq!(
            command_line(&["\u{1b}[31m\u{9b}\\é"]),
            r"$'\x1b[31m\u009b\\é'"
        );
    }

    #[test]
    fn nothing_shown_moves_a_cursor() {
        assert_eq!(shown("plain é"), "plain é");
        assert_eq!(shown("a\x1b[2J\u{202e}b\r"), r"a\x1b[2J\u202eb\r");
        assert_eq!(
            shown_json("{\n\"a\": \"\u{9b}\u{7f}\"\n}"),
            "{\n\"a\": \"\\u009b\\u007f\"\n}"
        );
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(
            (brief("abc", 3), brief("abcd", 3)),
            ("abc".into(), "ab…".into())
        );
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
