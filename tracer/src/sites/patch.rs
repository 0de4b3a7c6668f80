//! Plans how a `syscall` instruction is replaced by a jump to a *trampoline*, from where the
//! agent serves the call without a stop. It decides and computes only: it writes nothing, and
//! what it cannot prove to be harmless it refuses.
//!
//! Two shapes ([`Shape`]):
//!
//! - *Before*: the one instruction in front of the `syscall` is at least as long as a jump, and
//!   gives its place; typically it is the `mov eax, number`. The `syscall` stays, so whoever
//!   jumps to it, or waits in it, notices nothing. That the instruction is one is proven by
//!   following the control flow from the start of the function.
//! - *Behind*: the jump begins where the `syscall` does, and also takes the place of
//!   instructions behind it, which are copied into the trampoline. Somebody may be about to
//!   execute one of these: a thread that waits in this very `syscall` goes on behind it, and
//!   others may jump there. So the place of the trampoline is chosen such that the byte of the
//!   jump at every such address is an `int3`: the supervisor moves who executes it to the copy.
//!
//! A trampoline (`info` is aligned to 8 bytes):
//!
//! ```text
//! entry:  Before: the copied instruction
//!         lea rcx, [rip + info]
//!         jmp qword ptr [agent_slot]
//! trap:   Before: jmp site                   Behind: syscall
//! done:   Before: jmp site + 2               Behind: the copied instructions
//!                                                    jmp to what follows them
//! info:   trap, done, site + 2, 0            (64 bits each)
//! ```
//!
//! The agent is entered with all registers as at the `syscall` except `rcx`, which the `syscall`
//! destroys anyway, as it does `r11`. Nothing is on the stack. It leaves to `trap`, with all
//! registers but `rcx` as they were, for a call that it does not serve; otherwise to `done`, with
//! those that the `syscall` would have left: `rcx` is the third word of `info`, `r11` the flags.
//!
//! What the supervisor has to do:
//!
//! - Sites can be so near to each other that both would replace the same bytes. A plan that
//!   [`Plan::conflicts`] with one that is in place is to be dropped.
//! - Every thread is to be stopped while the jump is written, the trampoline being there
//!   already. Wherever it is stopped, between two instructions or in the kernel, it goes on well.
//! - An `int3` executed at one of [`Plan::inner`] (`rip` is one more) is no trap of the
//!   application: the thread goes on at [`Plan::relocated`]. One at another address inside
//!   [`Plan::patched`] stood there in the original, and is the application's.
//! - Wherever the application or the journal is shown an instruction pointer inside a
//!   trampoline, it is the one that [`Plan::seen`] says. Inside a trampoline of the shape
//!   *Behind* the `syscall` leaves its own end in `rcx`; there `site + 2` belongs.
//! - The kernel restarts an interrupted call by moving the thread back by two bytes. Both
//!   `syscall`s are still there for that, except where a thread was waiting in the one that a
//!   *Behind* replaced: it enters the trampoline, with the number that the kernel put into
//!   `rax`, which may be that of `restart_syscall`.
//! - Where [`Plan::number`] is known, a call with another number has come to the site by
//!   another way than was proven, and the site is better left alone.

mod boundary;
mod refused;
mod relocate;
mod room;
mod trampoline;

pub use refused::{Reason, Refused};
pub use room::{Region, Wanted};

use relocate::Movable;
use std::ops::Range;

/// Bytes of the jump that is written, `jmp rel32`.
pub const PATCH_BYTES: usize = 5;
/// Bytes of the longest trampoline.
pub const TRAMPOLINE_BYTES_MAX: usize = 80;
/// Bytes of a `syscall`.
const SYSCALL_BYTES: u64 = 2;
const SYSCALL: [u8; 2] = [0x0f, 0x05];
const INT3: u8 = 0xcc;
/// The end of what an application can have mapped.
const ADDRESS_END: u64 = 1 << 47;
/// By these bytes in front of a `syscall`, unwinders and debuggers know the frame of a signal:
/// they read the code. `mov eax, 15` and `mov rax, 15`.
const SIGNAL_RETURNS: [&[u8]; 2] = [&[0xb8, 0x0f, 0, 0, 0], &[0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0]];

/// A `syscall` instruction, and what is known of its surroundings.
#[derive(Debug, Clone)]
pub struct Site<'a> {
    /// Address of the `syscall`.
    pub address: u64,
    /// Code around it, as it was before anything was replaced in it: see [`Plan::restore`]. What
    /// is not in here is not readable.
    pub bytes: &'a [u8],
    /// Address of the first of `bytes`.
    pub bytes_at: u64,
    /// The function in which it stands, if it is certain that one begins there. Its end is no
    /// more than how far it is looked at.
    pub function: Option<Range<u64>>,
}

impl<'a> Site<'a> {
    /// The code from an address to the end of what is readable.
    fn from(&self, address: u64) -> Option<&'a [u8]> {
        let offset = usize::try_from(address.checked_sub(self.bytes_at)?).ok()?;
        self.bytes.get(offset..)
    }

    /// Address of what follows the `syscall`.
    fn behind(&self) -> u64 {
        self.address + SYSCALL_BYTES
    }
}

/// Whose place the jump takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// That of the instruction in front of the `syscall`.
    Before,
    /// That of the `syscall` and of instructions behind it.
    Behind,
}

/// An address that somebody may jump to, inside what is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inner {
    /// The address; an `int3` is there now.
    pub address: u64,
    /// Where the copy of its instruction is.
    pub copy: u64,
}

/// What is to be written where, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Which of the shapes it is.
    pub shape: Shape,
    /// Address of the jump.
    pub patch_at: u64,
    /// The jump.
    pub patch: [u8; PATCH_BYTES],
    /// What it replaces.
    pub original: [u8; PATCH_BYTES],
    /// Address of the trampoline.
    pub trampoline_at: u64,
    /// The trampoline; it must be there before the jump is.
    pub trampoline: Vec<u8>,
    /// Where in it the agent goes for a call that it does not serve.
    pub trap: u64,
    /// Where in it the agent goes when it has served the call.
    pub done: u64,
    /// The system call's number, where the code says it right in front of the `syscall`.
    pub number: Option<u32>,
    /// All addresses inside what is replaced that somebody may jump to.
    pub inner: Vec<Inner>,
    /// For each instruction of the trampoline, in ascending order, its address and the
    /// application's address that a thread there stands at: it can be moved there, and goes on
    /// as if nothing had been replaced. On its way to the agent `rcx` is no longer what it was,
    /// but the `syscall` to come destroys it.
    pub origins: Vec<(u64, u64)>,
}

impl Plan {
    /// The addresses of what is replaced.
    #[must_use]
    pub fn patched(&self) -> Range<u64> {
        self.patch_at..self.patch_at + PATCH_BYTES as u64
    }

    /// Whether both would replace the same bytes.
    #[must_use]
    pub fn conflicts(&self, other: &Self) -> bool {
        let (one, other) = (self.patched(), other.patched());
        one.start < other.end && other.start < one.end
    }

    /// Undoes the replacement in a copy of the code, the first byte of which is that at
    /// `bytes_at`.
    pub fn restore(&self, bytes_at: u64, bytes: &mut [u8]) {
        for (address, original) in self.patched().zip(self.original) {
            let offset = address.checked_sub(bytes_at);
            let offset = offset.and_then(|offset| usize::try_from(offset).ok());
            if let Some(byte) = offset.and_then(|offset| bytes.get_mut(offset)) {
                *byte = original;
            }
        }
    }

    /// The application's address that a thread at `address` in the trampoline stands at. None:
    /// no instruction of the trampoline begins there.
    #[must_use]
    pub fn seen(&self, address: u64) -> Option<u64> {
        let found = self
            .origins
            .binary_search_by_key(&address, |(there, _)| *there)
            .ok()?;
        self.origins.get(found).map(|(_, origin)| *origin)
    }

    /// Where a thread goes on that executed the `int3` at `address`. None: that `int3` is not
    /// this plan's.
    #[must_use]
    pub fn relocated(&self, address: u64) -> Option<u64> {
        let inner = self.inner.iter().find(|inner| inner.address == address)?;
        Some(inner.copy)
    }
}

/// What one shape replaces, before its trampoline has a place.
struct Draft {
    shape: Shape,
    patch_at: u64,
    /// Copied to the start of the trampoline.
    head: Option<Movable>,
    /// Copied to its end.
    tail: Vec<Movable>,
    /// Addresses inside the patch at which its byte must be an `int3`.
    traps: Vec<u64>,
    number: Option<u32>,
}

/// Plans a site. `agent_slot` is the address of the 64-bit word that holds the address of the
/// agent's entry. `room` is asked for the place of the trampoline, once for each shape tried; an
/// address that it gives is used, unless the plan is refused as [`Reason::Misplaced`].
pub fn plan(
    site: &Site<'_>,
    agent_slot: u32,
    room: &mut dyn FnMut(Wanted) -> Option<u64>,
) -> Result<Plan, Refused> {
    if i32::try_from(agent_slot).is_err() {
        return Err(Refused::AgentSlot);
    }
    let end = site.bytes_at.checked_add(site.bytes.len() as u64);
    if end.is_none_or(|end| end > ADDRESS_END) {
        return Err(Refused::Address);
    }
    if !site
        .from(site.address)
        .is_some_and(|code| code.starts_with(&SYSCALL))
    {
        return Err(Refused::NoSyscall);
    }
    if returns_from_signal(site) {
        return Err(Refused::SignalReturn);
    }
    let walk = boundary::walk(site);
    let mut try_one = |draft: Result<Draft, Reason>| {
        let draft = draft?;
        if let Ok(walk) = &walk {
            walk.not_entered(&draft)?;
        }
        trampoline::place(site, &draft, agent_slot, room)
    };
    let before = match try_one(before(site, &walk)) {
        Ok(plan) => return Ok(plan),
        Err(reason) => reason,
    };
    try_one(behind(site)).map_err(|behind| Refused::Neither { before, behind })
}

fn returns_from_signal(site: &Site<'_>) -> bool {
    let before = site
        .address
        .checked_sub(site.bytes_at)
        .and_then(|len| usize::try_from(len).ok())
        .and_then(|len| site.bytes.get(..len))
        .unwrap_or_default();
    SIGNAL_RETURNS.iter().any(|code| before.ends_with(code))
}

fn before(site: &Site<'_>, walk: &Result<boundary::Walk, Reason>) -> Result<Draft, Reason> {
    let patch_at = walk.as_ref().map_err(|reason| *reason)?.before(site)?;
    if site.address - patch_at < PATCH_BYTES as u64 {
        return Err(Reason::TooShort);
    }
    let head = relocate::movable(site, patch_at)?;
    if head.transfers() {
        return Err(Reason::NotMovable(patch_at));
    }
    Ok(Draft {
        shape: Shape::Before,
        patch_at,
        number: head.loads_eax(),
        head: Some(head),
        tail: Vec::new(),
        traps: Vec::new(),
    })
}

fn behind(site: &Site<'_>) -> Result<Draft, Reason> {
    let end = site.address + PATCH_BYTES as u64;
    let mut tail: Vec<Movable> = Vec::new();
    let mut traps = Vec::new();
    let mut at = site.behind();
    let mut ended = false;
    while at < end {
        traps.push(at);
        if ended && site.from(at).and_then(<[u8]>::first) == Some(&INT3) {
            // It stays.
            at += 1;
            continue;
        }
        let copied = relocate::movable(site, at)?;
        // Constants may lie among the code, and somebody may read them. Filling is none.
        if ended && !copied.fills() {
            return Err(Reason::NotCode(at));
        }
        ended |= copied.ends();
        at = copied.next();
        tail.push(copied);
    }
    if site
        .from(site.address)
        .is_none_or(|code| code.len() < PATCH_BYTES)
    {
        return Err(Reason::Unreadable);
    }
    let inside = |target: u64| target > site.address && target < at && !traps.contains(&target);
    let target = tail
        .iter()
        .filter_map(Movable::jumps_to)
        .find(|to| inside(*to));
    match target {
        Some(target) => Err(Reason::Entered(target)),
        None => Ok(Draft {
            shape: Shape::Behind,
            patch_at: site.address,
            head: None,
            tail,
            traps,
            number: None,
        }),
    }
}

#[cfg(test)]
mod checks;
#[cfg(test)]
mod execution;
#[cfg(test)]
mod survey;
#[cfg(test)]
mod tests;
