//! Strings as strace quotes them, and the macro that everything here writes with.

/// Appends formatted text to a `String`, which cannot fail.
macro_rules! put {
    ($out:expr, $($format:tt)+) => {{
        use std::fmt::Write as _;
        let _: &mut String = $out;
        let _ = write!($out, $($format)+);
    }};
}
pub(super) use put;

/// How many bytes of a string, and how many elements of an array, are shown.
pub(super) const SHOWN_MAX: usize = 32;

/// Appends `bytes` in quotes.
pub(super) fn quoted(out: &mut String, bytes: &[u8]) {
    out.push('"');
    for (index, &byte) in bytes.iter().enumerate() {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x0c => out.push_str("\\f"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x0b => out.push_str("\\v"),
            b' '..=b'~' => out.push(char::from(byte)),
            // A digit that follows must not be taken for a part of the number.
            _ if matches!(bytes.get(index + 1), Some(b'0'..=b'7')) => put!(out, "\\{byte:03o}"),
            _ => put!(out, "\\{byte:o}"),
        }
    }
    out.push('"');
}

/// Appends `bytes` in quotes, each as a hexadecimal number.
pub(super) fn hexadecimal(out: &mut String, bytes: &[u8]) {
    out.push('"');
    for byte in bytes {
        put!(out, "\\x{byte:02x}");
    }
    out.push('"');
}

/// Appends the beginning of a buffer of `len` bytes, of which `bytes` are known.
pub(super) fn buffer(out: &mut String, bytes: &[u8], len: u64, quote: fn(&mut String, &[u8])) {
    quote(out, &bytes[..bytes.len().min(SHOWN_MAX)]);
    if len > SHOWN_MAX as u64 {
        out.push_str("...");
    }
}

/// Appends the string that ends at the first NUL; `max` bytes at most.
pub(super) fn string(out: &mut String, bytes: &[u8], max: usize) {
    let end = bytes
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(bytes.len());
    quoted(out, &bytes[..end.min(max)]);
    if end > max {
        out.push_str("...");
    }
}

/// Appends what `each` appends for the items, with `separator` between.
pub(super) fn joined<T>(
    out: &mut String,
    separator: &str,
    items: impl IntoIterator<Item = T>,
    mut each: impl FnMut(&mut String, T),
) {
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push_str(separator);
        }
        each(out, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(bytes: &[u8]) -> String {
        let mut out = String::new();
        quoted(&mut out, bytes);
        out
    }

    #[test]
    fn escapes() {
        assert_eq!(
            show(b"a\x001\x018\x029\x03\"\\\n\r\t\x0b\x0c\x1b\x7f\x80end"),
            r#""a\0001\18\29\3\"\\\n\r\t\v\f\33\177\200end""#
        );
        assert_eq!(show(b"\x000\x007\x008\0"), r#""\0000\0007\08\0""#);
        assert_eq!(show(b""), r#""""#);
    }

    #[test]
    fn long_strings_are_cut() {
        let mut out = String::new();
        buffer(&mut out, &[b'z'; 32], 100, quoted);
        assert_eq!(out, format!("\"{}\"...", "z".repeat(32)));
        out.clear();
        buffer(&mut out, &[b'z'; 32], 32, quoted);
        assert_eq!(out, format!("\"{}\"", "z".repeat(32)));
        out.clear();
        string(&mut out, b"name\0rest", 32);
        assert_eq!(out, "\"name\"");
        out.clear();
        hexadecimal(&mut out, b"\x00\xff");
        assert_eq!(out, r#""\x00\xff""#);
    }
}
