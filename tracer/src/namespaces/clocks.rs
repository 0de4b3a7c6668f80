//! What a time namespace adds to clocks.

use std::io;

const SECOND_NS: i128 = 1_000_000_000;

/// Nanoseconds to add to clocks that count from the start of the machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClockOffsets {
    /// To `CLOCK_MONOTONIC`, and to its raw and coarse variants.
    pub monotonic_ns: i128,
    /// To `CLOCK_BOOTTIME`.
    pub boottime_ns: i128,
}

impl ClockOffsets {
    /// What is added to this clock.
    #[must_use]
    pub const fn of(&self, clock: i32) -> i128 {
        match clock {
            libc::CLOCK_MONOTONIC | libc::CLOCK_MONOTONIC_RAW | libc::CLOCK_MONOTONIC_COARSE => {
                self.monotonic_ns
            }
            libc::CLOCK_BOOTTIME => self.boottime_ns,
            _ => 0,
        }
    }

    /// Adds it to a clock's seconds and nanoseconds.
    #[must_use]
    pub fn apply(&self, clock: i32, (seconds, nanoseconds): (i64, i64)) -> (i64, i64) {
        let offset = self.of(clock);
        if offset == 0 {
            return (seconds, nanoseconds);
        }
        let ns = i128::from(seconds) * SECOND_NS + i128::from(nanoseconds) + offset;
        let word = |value: i128| i64::try_from(value).unwrap_or(i64::MAX);
        (
            word(ns.div_euclid(SECOND_NS)),
            word(ns.rem_euclid(SECOND_NS)),
        )
    }

    /// Those of a process's time namespace (time_namespaces(7)). The kernel counts them from
    /// the machine's clocks, not from another namespace's.
    pub(crate) fn of_process(pid: &str) -> io::Result<Self> {
        std::fs::read_to_string(format!("/proc/{pid}/timens_offsets")).map(|text| parse(&text))
    }

    /// What the kernel is told so that the clocks show this beyond the calling process's; nothing
    /// if they show the same.
    pub(super) fn lines(&self) -> io::Result<Vec<u8>> {
        if *self == Self::default() {
            return Ok(Vec::new());
        }
        let own = Self::of_process("self")?;
        let line = |name, ns: i128| {
            let (seconds, rest) = (ns.div_euclid(SECOND_NS), ns.rem_euclid(SECOND_NS));
            format!("{name} {seconds} {rest}\n")
        };
        Ok([
            line("monotonic", own.monotonic_ns + self.monotonic_ns),
            line("boottime", own.boottime_ns + self.boottime_ns),
        ]
        .concat()
        .into_bytes())
    }
}

fn parse(text: &str) -> ClockOffsets {
    let offset = |name| {
        let mut fields = text
            .lines()
            .map(str::split_ascii_whitespace)
            .find_map(|mut fields| (fields.next() == Some(name)).then_some(fields))
            .into_iter()
            .flatten()
            .map(|field| field.parse::<i128>().unwrap_or(0));
        let mut next = || fields.next().unwrap_or(0);
        next() * SECOND_NS + next()
    };
    ClockOffsets {
        monotonic_ns: offset("monotonic"),
        boottime_ns: offset("boottime"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_understood() {
        let found = parse("monotonic     -3 500000000\nboottime    7         0\n");
        assert_eq!(found.monotonic_ns, -2_500_000_000);
        assert_eq!(found.boottime_ns, 7_000_000_000);
        assert_eq!(parse("nonsense"), ClockOffsets::default());
    }

    #[test]
    fn offsets_are_added_where_they_belong() {
        let offsets = ClockOffsets {
            monotonic_ns: -1_500_000_000,
            boottime_ns: 2_700_000_000,
        };
        let at = (10, 400_000_000);
        assert_eq!(offsets.apply(libc::CLOCK_MONOTONIC, at), (8, 900_000_000));
        assert_eq!(offsets.apply(libc::CLOCK_BOOTTIME, at), (13, 100_000_000));
        assert_eq!(offsets.apply(libc::CLOCK_REALTIME, at), at);
    }
}
