//! Lays a trampoline out, asks for its place, and writes down what it consists of.

use super::relocate::{self, Movable};
use super::{
    Draft, INT3, Inner, PATCH_BYTES, Plan, Reason, SYSCALL, Shape, Site, TRAMPOLINE_BYTES_MAX,
    Wanted,
};

/// Bytes of `lea rcx, [rip + displacement]`, of `jmp qword ptr [address]` and of `jmp rel32`.
const LEA_BYTES: usize = 7;
const JMP_SLOT_BYTES: usize = 7;
const JMP_BYTES: usize = 5;
/// Alignment and bytes of the words behind the code.
const INFO_ALIGN: usize = 8;
const INFO_BYTES: usize = 32;

impl Draft {
    /// The end of the last instruction that is replaced, wholly or in part.
    pub(super) fn end(&self) -> u64 {
        let copied = self.tail.iter().chain(&self.head);
        let end = self.patch_at + PATCH_BYTES as u64;
        copied.map(Movable::next).fold(end, u64::max)
    }

    /// Where the copied instructions at the end go on; nowhere, if they jump elsewhere.
    fn resume(&self) -> Option<u64> {
        let last = self.tail.last()?;
        (!last.ends()).then(|| last.next())
    }

    /// Bytes of the code of the trampoline.
    fn code_len(&self) -> usize {
        let copies: usize = self
            .head
            .iter()
            .chain(&self.tail)
            .map(Movable::copy_len)
            .sum();
        let ways_out = match self.shape {
            Shape::Before => 2 * JMP_BYTES,
            Shape::Behind => SYSCALL.len() + self.resume().map_or(0, |_| JMP_BYTES),
        };
        copies + LEA_BYTES + JMP_SLOT_BYTES + ways_out
    }
}

/// Code that is being written.
struct Writer {
    at: u64,
    bytes: Vec<u8>,
    origins: Vec<(u64, u64)>,
}

impl Writer {
    fn here(&self) -> u64 {
        self.at + self.bytes.len() as u64
    }

    /// An instruction at which a thread stands at `origin`.
    fn put(&mut self, origin: u64, bytes: &[u8]) {
        self.origins.push((self.here(), origin));
        self.bytes.extend(bytes);
    }

    /// The same, one that ends with a displacement to `target`.
    fn put_relative(&mut self, origin: u64, opcode: &[u8], target: u64) -> Result<(), Reason> {
        let end = self.here() + opcode.len() as u64 + 4;
        let displacement = relocate::displacement(end, target).ok_or(Reason::OutOfReach)?;
        self.put(origin, &[opcode, &displacement].concat());
        Ok(())
    }

    fn jump(&mut self, target: u64) -> Result<(), Reason> {
        self.put_relative(target, &[0xe9], target)
    }

    fn copy(&mut self, instruction: &Movable) -> Result<(), Reason> {
        let copy = instruction.copy(self.here()).ok_or(Reason::OutOfReach)?;
        self.put(instruction.address(), &copy);
        Ok(())
    }
}

/// Finds a place for a draft's trampoline, and writes everything down.
pub(super) fn place(
    site: &Site<'_>,
    draft: &Draft,
    agent_slot: u32,
    room: &mut dyn FnMut(Wanted) -> Option<u64>,
) -> Result<Plan, Reason> {
    let original: [u8; PATCH_BYTES] = site
        .from(draft.patch_at)
        .and_then(|code| code.first_chunk())
        .copied()
        .ok_or(Reason::Unreadable)?;
    let info = draft.code_len().next_multiple_of(INFO_ALIGN);
    let len = info + INFO_BYTES;
    debug_assert!(len <= TRAMPOLINE_BYTES_MAX, "at most three are copied");
    let from = draft.patch_at + PATCH_BYTES as u64;
    let targets: Vec<u64> = draft
        .head
        .iter()
        .chain(&draft.tail)
        .filter_map(Movable::reaches_for)
        .chain(draft.resume())
        .collect();
    let wanted = Wanted::new(len, from, &draft.traps, &targets).ok_or(Reason::OutOfReach)?;
    let at = room(wanted.clone()).ok_or(Reason::NoRoom)?;
    let overlaps = at < draft.end() && draft.patch_at < at.saturating_add(len as u64);
    if !wanted.admits(at) || overlaps {
        return Err(Reason::Misplaced(at));
    }
    let patch = patch(at, from)?;
    let mut writer = Writer {
        at,
        bytes: Vec::with_capacity(len),
        origins: Vec::new(),
    };
    if let Some(head) = &draft.head {
        writer.copy(head)?;
    }
    writer.put_relative(site.address, &[0x48, 0x8d, 0x0d], at + info as u64)?;
    let slot = agent_slot.to_le_bytes();
    writer.put(site.address, &[&[0xff, 0x24, 0x25][..], &slot].concat());
    let trap = writer.here();
    match draft.shape {
        Shape::Before => writer.jump(site.address)?,
        Shape::Behind => writer.put(site.address, &SYSCALL),
    }
    let done = writer.here();
    let mut inner = Vec::new();
    for instruction in &draft.tail {
        inner.push(Inner {
            address: instruction.address(),
            copy: writer.here(),
        });
        writer.copy(instruction)?;
    }
    match draft.shape {
        Shape::Before => writer.jump(site.behind())?,
        Shape::Behind => draft.resume().map_or(Ok(()), |to| writer.jump(to))?,
    }
    let Writer {
        mut bytes, origins, ..
    } = writer;
    bytes.resize(info, INT3);
    for word in [trap, done, site.behind(), 0] {
        bytes.extend(word.to_le_bytes());
    }
    Ok(Plan {
        shape: draft.shape,
        patch_at: draft.patch_at,
        patch,
        original,
        trampoline_at: at,
        trampoline: bytes,
        trap,
        done,
        number: draft.number,
        inner,
        origins,
    })
}

fn patch(to: u64, from: u64) -> Result<[u8; PATCH_BYTES], Reason> {
    let [a, b, c, d] = relocate::displacement(from, to).ok_or(Reason::OutOfReach)?;
    Ok([0xe9, a, b, c, d])
}
