//! Sub-commands: what an argument is, by the value of others. One [`Sub`] describes one
//! dependent argument, so a syscall with several of them has several, which agree in
//! policy and waiting.

pub mod fcntl;
pub mod files;
pub mod futex;
pub mod ioctl;
pub mod ipc;
pub mod keyctl;
pub mod prctl;
pub mod processes;
pub mod ptrace;
pub mod quota;
pub mod sockopt;
#[cfg(test)]
mod tests;

use super::table::dsl::cmd;
use super::types::{Dir, Kind, Mem, Nested, Ret, SubCommand};

/// A structure with a pointer at offset `pointer` and a count of units of `scale` bytes,
/// itself of `len_bytes` bytes, at offset `len`.
pub(super) const fn nested(
    head: Kind,
    pointer: u8,
    len: u8,
    len_bytes: u8,
    scale: u32,
    buffer: Dir,
) -> Kind {
    Kind::Nested(Nested {
        head: memory(head),
        pointer,
        len,
        len_bytes,
        scale,
        buffer,
    })
}

/// The memory that a kind is.
const fn memory(kind: Kind) -> Mem {
    match kind {
        Kind::Mem(mem) => mem,
        _ => panic!("a kind that is no memory"),
    }
}

/// How many commands the groups have together.
const fn total(groups: &[&[SubCommand]]) -> usize {
    let mut sum = 0;
    let mut group = 0;
    while group < groups.len() {
        sum += groups[group].len();
        group += 1;
    }
    sum
}

/// The groups as one list in the order of (value, value2), so that they can be written in
/// the order that reads best. Two commands of the same values do not compile.
const fn merge<const N: usize>(groups: &[&[SubCommand]]) -> [SubCommand; N] {
    let mut all = [groups[0][0]; N];
    let mut len = 0;
    let mut group = 0;
    while group < groups.len() {
        let mut next = 0;
        while next < groups[group].len() {
            let command = groups[group][next];
            let mut at = len;
            while at > 0 && before(&command, &all[at - 1]) {
                all[at] = all[at - 1];
                at -= 1;
            }
            assert!(
                at == 0 || before(&all[at - 1], &command),
                "a command stands there twice"
            );
            all[at] = command;
            len += 1;
            next += 1;
        }
        group += 1;
    }
    assert!(len == N, "groups and total disagree");
    all
}

/// Whether one command stands before another.
const fn before(one: &SubCommand, other: &SubCommand) -> bool {
    one.value < other.value || one.value == other.value && one.value2 < other.value2
}

/// Groups of commands as one sorted `&'static [SubCommand]`.
macro_rules! sorted {
    ($($group:expr),+ $(,)?) => {{
        const GROUPS: &[&[$crate::model::types::SubCommand]] = &[$($group),+];
        const ALL: [$crate::model::types::SubCommand; $crate::model::sub::total(GROUPS)] =
            $crate::model::sub::merge(GROUPS);
        &ALL
    }};
}
use sorted;

/// A command on which several arguments depend.
struct Row {
    /// The command, its kind aside.
    command: SubCommand,
    /// What the dependent arguments are, in order.
    kinds: [Kind; ROW_MAX],
}

/// Dependent arguments of one syscall.
const ROW_MAX: usize = 5;

/// A command and its dependent arguments, those after the last named unused.
const fn row<const N: usize>(value: u64, name: &'static str, kinds: [Kind; N]) -> Row {
    let mut all = [Kind::Unused; ROW_MAX];
    let mut index = 0;
    while index < N {
        all[index] = kinds[index];
        index += 1;
    }
    Row {
        command: cmd(value, name, Kind::Unused),
        kinds: all,
    }
}

impl Row {
    /// It can wait.
    const fn waits(mut self) -> Self {
        self.command = self.command.waits();
        self
    }

    /// It is not run and answers this errno.
    const fn refuse(mut self, errno: i32) -> Self {
        self.command = self.command.refuse(errno);
        self
    }

    /// Its result prints so.
    const fn gives(mut self, ret: Ret) -> Self {
        self.command = self.command.gives(ret);
        self
    }
}

/// What the commands say about dependent argument `index`, the first being 0.
const fn column<const N: usize>(rows: &[Row], index: usize) -> [SubCommand; N] {
    let mut all = [rows[0].command; N];
    let mut at = 0;
    while at < N {
        all[at] = rows[at].command;
        all[at].kind = rows[at].kinds[index];
        at += 1;
    }
    all
}
