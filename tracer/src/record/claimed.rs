//! Which memory calls are about to change, and which of these changes would reach the pages that ftrun claims
//! in every address space.
//! What the kernel itself turns down is no such change.

use crate::advice;
use crate::agent::inside;
use crate::layout::{self, touches_page as touches};
use crate::model::Handler;
use crate::model::capture::Call;

/// Where addresses of applications end.
pub(super) const TASK_SIZE: u64 = 0x7fff_ffff_f000;

/// What `call` would do to the claimed pages, in words, if it would.
pub(super) fn change(call: &Call) -> Option<&'static str> {
    let [addr, len, third, flags, to, ..] = call.args;
    let bit = |flag: i32| u64::from(flag.cast_unsigned());
    let fixed = flags & bit(libc::MREMAP_FIXED) != 0;
    match call.def.handler {
        Handler::Munmap if reaches(addr, len) => Some(CHANGE),
        Handler::Mprotect if is_range(addr, len) && touches(addr, len) => Some(CHANGE),
        Handler::Mmap if replaces(flags) && reaches(addr, len) => Some(MAPPING),
        Handler::Mremap if reaches(addr, len) => Some(CHANGE),
        Handler::Mremap if fixed && reaches(to, third) => Some(MAPPING),
        Handler::Madvise if discards(call) && is_range(addr, len) && touches(addr, len) => {
            Some(CHANGE)
        }
        _ => None,
    }
}

const CHANGE: &str = "a change of the page that ftrun claims at 0x70000000";
const MAPPING: &str = "a mapping over the page that ftrun claims at 0x70000000";

/// Whether the kernel would map or unmap this range, and claimed pages are in it.
const fn reaches(start: u64, len: u64) -> bool {
    let inside = start < TASK_SIZE && len <= TASK_SIZE - start;
    inside && is_range(start, len) && touches(start, len)
}

/// Whether it is one: that is all that calls ask for which do not map.
const fn is_range(start: u64, len: u64) -> bool {
    let aligned = start & (layout::KERNEL_PAGE - 1) == 0;
    aligned && len > 0 && start.checked_add(layout::page_up(len)).is_some()
}

fn discards(call: &Call) -> bool {
    advice::discards(call.int(2))
}

/// Whether a mapping goes over whatever is there. (`MAP_FIXED_NOREPLACE` implies the other
/// bit's meaning but not this: it fails where something is.)
pub(super) const fn replaces(flags: u64) -> bool {
    let fixed = libc::MAP_FIXED.cast_unsigned() as u64;
    let no_replace = libc::MAP_FIXED_NOREPLACE.cast_unsigned() as u64;
    flags & (fixed | no_replace) == fixed
}

/// The addresses whose memory a call is going to replace, take away, discard, or make writable.
pub(super) fn remaps(call: &Call) -> [Option<std::ops::Range<u64>>; 2] {
    let [addr, len, prot, flags, to, ..] = call.args;
    let bit = |flag: i32| u64::from(flag.cast_unsigned());
    let range = |at: u64, len: u64| Some(at..at.saturating_add(layout::page_up(len)));
    let there = range(addr, len);
    match call.def.name {
        "munmap" => [there, None],
        "mremap" if flags & bit(libc::MREMAP_FIXED) != 0 => [there, range(to, prot)],
        "mremap" => [there, None],
        "mmap" if replaces(flags) => [there, None],
        // How much it attaches is not known here.
        "shmat" if prot & bit(libc::SHM_REMAP) != 0 => [Some(len..u64::MAX), None],
        "mprotect" | "pkey_mprotect" => {
            let writes = prot & bit(libc::PROT_WRITE) != 0;
            [
                there.filter(|range| writes || inside::occupies(range)),
                None,
            ]
        }
        "madvise" if discards(call) => [there, None],
        _ => [None, None],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{AGENT_DATA, CLAIMED, KERNEL_PAGE, PAGE};
    use crate::model;

    const FIXED: u64 = (libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
    const MOVED: u64 = (libc::MREMAP_FIXED | libc::MREMAP_MAYMOVE) as u64;
    const DONTNEED: u64 = libc::MADV_DONTNEED as u64;

    fn changes(name: &str, args: [u64; 4], to: u64) -> bool {
        let def = model::by_name(name).expect("a syscall");
        let args = [args[0], args[1], args[2], args[3], to, 0];
        change(&Call { def, args }).is_some()
    }

    #[test]
    fn what_reaches_the_pages_is_found() {
        let page = KERNEL_PAGE;
        assert!(changes("munmap", [PAGE, 1, 0, 0], 0));
        assert!(changes("munmap", [CLAIMED, 1, 0, 0], 0));
        assert!(changes("munmap", [0, TASK_SIZE, 0, 0], 0));
        assert!(changes("mprotect", [AGENT_DATA, page, 0, 0], 0));
        assert!(changes("mprotect", [page, TASK_SIZE, 0, 0], 0));
        assert!(changes("pkey_mprotect", [AGENT_DATA, page, 0, 0], 0));
        assert!(changes("mmap", [PAGE, page, 0, FIXED], 0));
        assert!(changes("mremap", [PAGE, page, page, 0], 0));
        assert!(changes("mremap", [page, page, page, MOVED], PAGE));
        assert!(changes("madvise", [PAGE, page, DONTNEED, 0], 0));
    }

    #[test]
    fn what_the_kernel_turns_down_or_leaves_alone_is_not() {
        let page = KERNEL_PAGE;
        assert!(!changes("munmap", [CLAIMED - page, page, 0, 0], 0));
        assert!(!changes("munmap", [PAGE + 1, page, 0, 0], 0));
        assert!(!changes("munmap", [0, 0, 0, 0], 0));
        assert!(!changes("munmap", [0, u64::MAX, 0, 0], 0));
        assert!(!changes("munmap", [page, TASK_SIZE, 0, 0], 0));
        assert!(!changes("mprotect", [page, u64::MAX - 1, 0, 0], 0));
        assert!(!changes("mmap", [PAGE, page, 0, 0], 0));
        assert!(!changes("mmap", [0, u64::MAX - page, 0, FIXED], 0));
        assert!(!changes("mremap", [page, page, page, 0], PAGE));
        assert!(!changes("madvise", [PAGE, page, 0, 0], 0));
    }
}
