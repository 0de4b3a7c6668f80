//! Advice (`madvise`) that failed in the midst of its range, at memory for which it cannot be given:
//! how far it has been followed. What makes the kernel turn it down may not be there in replay, such
//! as locked memory.

use super::error::{RecordError, Step, Stumble};
use crate::advice::{self, MADV_DONTNEED_LOCKED, MADV_GUARD_INSTALL, MADV_GUARD_REMOVE};
use crate::layout;
use crate::maps::{self, Advisable};
use crate::model::Handler;
use crate::model::capture::Call;
use crate::sys::wait::Pid;
use journal::Effect;

/// What the failed `call` of a stopped thread did all the same, if it is advice that failed in the
/// midst of a range.
pub(super) fn followed(tid: Pid, call: &Call, result: i64) -> Step<Option<Effect<'static>>> {
    let [start, len, ..] = call.args;
    let refused = [libc::EINVAL, libc::EACCES].map(|error| -i64::from(error));
    if call.def.handler != Handler::Madvise
        || !refused.contains(&result)
        || !advice::matters(advice::performed(call.int(2)))
        || !start.is_multiple_of(layout::KERNEL_PAGE)
    {
        return Ok(None);
    }
    let end = start.saturating_add(layout::page_up(len));
    let failed = |error: std::io::Error| match error.raw_os_error() {
        Some(libc::ENOENT | libc::ESRCH) => Stumble::Gone,
        _ => RecordError::os("reading the memory map")(error).into(),
    };
    let areas = maps::read(tid).map_err(failed)?;
    let inside = |area: &&maps::Area| area.start < end && start < area.end;
    if areas.iter().filter(inside).count() < 2 {
        // It failed at the first.
        return Ok(None);
    }
    let areas = maps::advisable(tid).map_err(failed)?;
    let refuses = areas
        .iter()
        .filter(|found| found.area.start < end && start < found.area.end)
        .find(|found| is_refused(call.int(2), found));
    Ok(refuses
        .map(|found| found.area.start)
        .filter(|&end| end > start)
        .map(|end| Effect::Advised { end }))
}

/// Whether the kernel turns down advice for an area. (mm/madvise.c)
fn is_refused(advice: i32, found: &Advisable) -> bool {
    let any = |flags: &[&str]| flags.iter().any(|flag| found.has(flag));
    let is_file = found.area.inode != 0;
    let shared = found.area.shared;
    match advice {
        // Recorded calls with MADV_FREE are made with the other.
        libc::MADV_DONTNEED | libc::MADV_FREE => any(&["lo", "pf"]),
        MADV_DONTNEED_LOCKED => any(&["pf"]),
        libc::MADV_REMOVE => any(&["lo"]) || !is_file || !shared,
        libc::MADV_DOFORK => any(&["io"]),
        libc::MADV_WIPEONFORK => is_file || shared,
        libc::MADV_KEEPONFORK => any(&["dp"]),
        MADV_GUARD_INSTALL => any(&["lo", "ht"]) || any(&SPECIAL),
        MADV_GUARD_REMOVE => any(&["ht"]) || any(&SPECIAL),
        _ => false,
    }
}

/// Flags of memory that is not what it is elsewhere (`VM_SPECIAL`).
const SPECIAL: [&str; 4] = ["io", "de", "pf", "mm"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maps::Area;

    #[test]
    fn what_refuses_advice() {
        let cases: &[(i32, &str, bool, u64, bool)] = &[
            (libc::MADV_DONTNEED, "rd wr mr", false, 0, false),
            (libc::MADV_DONTNEED, "rd wr lo", false, 0, true),
            (libc::MADV_FREE, "rd lo", false, 0, true),
            (MADV_DONTNEED_LOCKED, "rd wr lo", false, 0, false),
            (MADV_DONTNEED_LOCKED, "rd io pf", false, 0, true),
            (MADV_GUARD_INSTALL, "rd wr lo", false, 0, true),
            (MADV_GUARD_INSTALL, "rd wr", false, 7, false),
            (MADV_GUARD_REMOVE, "rd wr lo", false, 0, false),
            (MADV_GUARD_REMOVE, "rd de", false, 0, true),
            (libc::MADV_REMOVE, "rd wr sh", true, 7, false),
            (libc::MADV_REMOVE, "rd wr", false, 7, true),
            (libc::MADV_WIPEONFORK, "rd wr", false, 0, false),
            (libc::MADV_WIPEONFORK, "rd wr", false, 7, true),
            (libc::MADV_WILLNEED, "lo io pf", false, 0, false),
        ];
        for &(advice, flags, shared, inode, refused) in cases {
            let area = Area {
                shared,
                inode,
                ..Area::default()
            };
            let flags = flags.to_owned();
            let found = Advisable { area, flags };
            assert_eq!(is_refused(advice, &found), refused, "{advice} {found:?}");
        }
    }
}
