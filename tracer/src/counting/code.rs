//! The application's code: what can be executed, without what the supervisor has written over it.

use super::cache;
use crate::agent::sites::Sites;
use crate::maps::{self, Area};
use crate::sys::mem::Remote;
use pmu::translate::{Code, PagePolicy};
use std::io;

/// Executable memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: u64,
    end: u64,
    policy: PagePolicy,
}

/// All executable memory of an address space.
#[derive(Debug, Default)]
pub struct Executable {
    spans: Vec<Span>,
}

impl Executable {
    /// What there is now.
    pub fn of(memory: Remote) -> io::Result<Self> {
        let runs = libc::PROT_EXEC.cast_unsigned();
        let areas = maps::read(memory.0)?;
        let spans = areas
            .iter()
            .filter(|area| area.prot & runs != 0 && area.name != b"[vsyscall]")
            .map(span)
            .collect();
        Ok(Self { spans })
    }

    fn at(&self, address: u64) -> Option<Span> {
        let next = self.spans.partition_point(|span| span.end <= address);
        let span = self.spans.get(next).copied()?;
        (span.start <= address).then_some(span)
    }

    /// How many of `len` bytes from an address on can be executed.
    fn run(&self, address: u64, len: usize) -> usize {
        let end = address.saturating_add(len as u64);
        let mut at = address;
        while at < end
            && let Some(span) = self.at(at)
        {
            at = span.end;
        }
        usize::try_from(at.min(end).saturating_sub(address)).unwrap_or(0)
    }
}

fn span(area: &Area) -> Span {
    let has = |right: libc::c_int| area.prot & right.cast_unsigned() != 0;
    // Without a syscall.
    let changes = area.shared || has(libc::PROT_WRITE);
    Span {
        start: area.start,
        end: area.end,
        policy: match changes {
            false => PagePolicy::Watched,
            true if has(libc::PROT_READ) => PagePolicy::Verified,
            true => PagePolicy::Stepped,
        },
    }
}

/// Whether some of the code among these mappings is executed instruction by instruction.
pub fn has_stepped_code(areas: &[Area]) -> bool {
    let runs = libc::PROT_EXEC.cast_unsigned();
    let spans = areas.iter().filter(|area| area.prot & runs != 0).map(span);
    spans
        .filter(|span| !cache::occupies(&(span.start..span.end)))
        .any(|span| span.policy == PagePolicy::Stepped)
}

/// The code of one address space, as the translator reads it.
pub struct View<'v> {
    pub memory: Remote,
    pub executable: &'v Executable,
    /// Rewritten syscalls.
    pub sites: Option<&'v Sites>,
    /// All of it is to be executed instruction by instruction.
    pub stepped: bool,
}

impl Code for View<'_> {
    fn read(&self, at: u64, into: &mut [u8]) -> usize {
        let len = self.executable.run(at, into.len());
        let read = self.memory.read_some(at, &mut into[..len]);
        if let Some(sites) = self.sites {
            sites.show_original(at, &mut into[..read]);
        }
        read
    }

    fn memory(&self, at: u64, into: &mut [u8]) -> usize {
        let len = self.executable.run(at, into.len());
        self.memory.read_some(at, &mut into[..len])
    }

    fn policy(&self, page: u64) -> PagePolicy {
        if self.stepped {
            return PagePolicy::Stepped;
        }
        let span = self.executable.at(page);
        span.map_or(PagePolicy::Watched, |span| span.policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_ends_where_nothing_can_be_executed() {
        let span = |start, end, policy| Span { start, end, policy };
        let executable = Executable {
            spans: vec![
                span(0x1000, 0x2000, PagePolicy::Watched),
                span(0x2000, 0x3000, PagePolicy::Verified),
                span(0x5000, 0x6000, PagePolicy::Stepped),
            ],
        };
        let lens = [
            (0xfff, 0),
            (0x1000, 16),
            (0x1ff8, 16),
            (0x2ff8, 8),
            (0x3000, 0),
            (0x5fff, 1),
            (u64::MAX, 0),
        ];
        for (at, len) in lens {
            assert_eq!(executable.run(at, 16), len, "{at:#x}");
        }
        let view = View {
            memory: Remote(crate::sys::wait::Pid(0)),
            executable: &executable,
            sites: None,
            stepped: false,
        };
        assert_eq!(view.policy(0x1000), PagePolicy::Watched);
        assert_eq!(view.policy(0x2000), PagePolicy::Verified);
        assert_eq!(view.policy(0x5000), PagePolicy::Stepped);
    }
}
