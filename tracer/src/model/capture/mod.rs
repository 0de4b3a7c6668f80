//! What a syscall reads and writes, worked out from the table for one call with its
//! arguments: generic code that knows no syscall by name.
//!
//! At entry [`Call::enter`] collects what the kernel will read, and a *plan* of what it
//! may write; at exit [`Call::outs`] turns plan and result into ranges. Everything that
//! the program could change in between (lengths, buffer lists) is remembered at entry.
//!
//! The order of the collected inputs is that of the arguments. Within an argument:
//!
//! - a string, a structure or a buffer: one input;
//! - an array of strings: the pointers (null pointer included), then each string;
//! - an `iovec` array: the array, then, if they are read, each buffer;
//! - a `msghdr`: itself; the address, if it is read; the `iovec` array; the buffers and
//!   the control data, if they are read;
//! - an array of `mmsghdr`: the same for each entry;
//! - a nested structure: itself; the buffer, if it is read.
//!
//! Null pointers and empty ranges give no input, unreadable memory a shorter one or none.

mod enter;
mod exit;
mod memory;
#[cfg(test)]
mod tests;

use super::types::{Block, Kind, Policy, Ret, Sub, SubCommand, Syscall, Unknown};
pub use memory::Memory;
use thiserror::Error;

/// Greatest number of bytes that one syscall moves (the kernel's `MAX_RW_COUNT`).
pub const BYTES_MAX: u64 = 0x7fff_f000;
/// Greatest number of `iovec` or `mmsghdr` entries that the kernel takes (`UIO_MAXIOV`).
const VECTORS_MAX: u64 = 1024;
/// How many bytes of a bulk buffer an input shows.
pub const SHOWN_BYTES: usize = 32;
/// How many elements of an array an input shows.
pub const SHOWN_ELEMENTS: usize = 32;
/// How many bytes of a structure an input shows.
pub const SHOWN_STRUCT_BYTES: usize = 4096;

/// A syscall with its arguments.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// Which syscall.
    pub def: &'static Syscall,
    /// Its arguments; those that it does not take are ignored.
    pub args: [u64; 6],
}

/// What must be remembered from a syscall's entry until its exit.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    plans: Vec<exit::Plan>,
}

/// Memory of the calling thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Range {
    /// First address.
    pub addr: u64,
    /// Bytes.
    pub len: u64,
}

/// Why a call cannot be captured.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CaptureError {
    /// This version does not know what the sub-command reads and writes.
    #[error("{syscall}: unknown {selector} {command:#x}{}", second(*.command2))]
    UnknownSub {
        /// The syscall.
        syscall: &'static str,
        /// The argument that selects the sub-command.
        selector: &'static str,
        /// Its value.
        command: u64,
        /// Value of the second selecting argument, if there is one.
        command2: Option<u64>,
    },
    /// What the sub-command does cannot be recorded.
    #[error("{syscall}: {command} cannot be recorded")]
    UnsupportedSub {
        /// The syscall.
        syscall: &'static str,
        /// Name of the sub-command.
        command: &'static str,
    },
}

fn second(command: Option<u64>) -> String {
    command
        .map(|value| format!(", {value:#x}"))
        .unwrap_or_default()
}

/// What an argument is, once the arguments that select it are known.
#[derive(Debug, Clone, Copy)]
pub struct Resolved {
    /// What it is: never [`Kind::Sub`].
    pub kind: Kind,
    /// The sub-command, if the argument depends on one and it is known.
    pub command: Option<&'static SubCommand>,
    /// What the recorder does with it.
    pub policy: Policy,
    /// Whether it can wait.
    pub block: Block,
}

impl Call {
    /// What argument `index` is in this call. Whatever an argument is that the syscall does
    /// not take, it is unused.
    #[must_use]
    pub fn resolve(&self, index: usize) -> Resolved {
        let kind = self
            .def
            .args
            .get(index)
            .map_or(Kind::Unused, |arg| arg.kind);
        let mut found = Resolved {
            kind,
            command: None,
            policy: Policy::Record,
            block: Block::Never,
        };
        // A sub-command's argument may depend on a further one: deeper than this none goes,
        // and the table's tests say so.
        for _ in 0..SUB_DEPTH_MAX {
            let Kind::Sub(sub) = found.kind else {
                return found;
            };
            found = self.resolve_sub(sub, &found);
        }
        found
    }

    fn resolve_sub(&self, sub: &'static Sub, outer: &Resolved) -> Resolved {
        let (value, value2) = self.selectors(sub);
        let key = (value, value2.unwrap_or(0));
        let found = sub
            .commands
            .binary_search_by_key(&key, |cmd| (cmd.value, cmd.value2));
        let (kind, command, policy, block) = match found.ok().map(|at| &sub.commands[at]) {
            Some(command) => (command.kind, Some(command), command.policy, command.block),
            None => match sub.unknown {
                Unknown::Stop => (Kind::Unused, None, Policy::Unsupported, Block::Never),
                Unknown::Errno(errno) => (Kind::Unused, None, Policy::Refuse(errno), Block::Never),
                // Nobody knows whether it waits. Believing that it does costs little.
                Unknown::As(kind) => (*kind, outer.command, Policy::Record, Block::May),
            },
        };
        Resolved {
            kind,
            command,
            policy: stricter(outer.policy, policy),
            block: either(outer.block, block),
        }
    }

    /// The values that select from `sub`. All of the kernel's selecting arguments are
    /// 32-bit numbers: it does not look at the upper half of the register.
    fn selectors(&self, sub: &Sub) -> (u64, Option<u64>) {
        let value = |index: u8| self.arg(index) & u64::from(u32::MAX);
        (value(sub.selector) & sub.mask, sub.selector2.map(value))
    }

    fn arg(&self, index: u8) -> u64 {
        self.args.get(usize::from(index)).copied().unwrap_or(0)
    }

    /// The argument that is a count, as wide as the kernel takes it: negative ones are 0.
    /// An argument that the kernel takes as an `int`: it looks at the lower half only.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "as the kernel does")]
    pub const fn int(&self, index: usize) -> i32 {
        self.args[index] as i32
    }

    fn count(&self, index: u8) -> u64 {
        let value = self.arg(index);
        match self.def.args.get(usize::from(index)).map(|arg| arg.kind) {
            Some(Kind::Int) => {
                let low = value & u64::from(u32::MAX);
                if low > i32::MAX as u64 { 0 } else { low }
            }
            Some(Kind::Uint) => value & u64::from(u32::MAX),
            _ => value,
        }
    }

    /// The sub-command, if the syscall has any and this one is known.
    #[must_use]
    pub fn command(&self) -> Option<&'static SubCommand> {
        (0..self.def.args.len()).find_map(|index| self.resolve(index).command)
    }

    /// How the result prints; never [`Ret::Sub`].
    #[must_use]
    pub fn ret(&self) -> Ret {
        match (self.def.ret, self.command()) {
            (Ret::Sub, Some(SubCommand { ret: Ret::Sub, .. }) | None) => Ret::Int,
            (Ret::Sub, Some(command)) => command.ret,
            (ret, _) => ret,
        }
    }

    /// What the recorder does with the call: the stricter of what syscall and sub-command
    /// say. An unknown sub-command that the table has no answer for is unsupported.
    #[must_use]
    pub fn policy(&self) -> Policy {
        (0..self.def.args.len())
            .map(|index| self.resolve(index).policy)
            .fold(self.def.policy, stricter)
    }

    /// Whether the call can wait, be it by the syscall or by the sub-command.
    #[must_use]
    pub fn block(&self) -> Block {
        (0..self.def.args.len())
            .map(|index| self.resolve(index).block)
            .fold(self.def.block, either)
    }

    /// The error, if a sub-command stops the recording.
    fn check_sub(&self, index: usize, resolved: &Resolved) -> Result<(), CaptureError> {
        if resolved.policy != Policy::Unsupported {
            return Ok(());
        }
        if let Some(command) = resolved.command {
            return Err(CaptureError::UnsupportedSub {
                syscall: self.def.name,
                command: command.name,
            });
        }
        let Some(Kind::Sub(sub)) = self.def.args.get(index).map(|arg| arg.kind) else {
            return Ok(());
        };
        let (command, command2) = self.selectors(sub);
        Err(CaptureError::UnknownSub {
            syscall: self.def.name,
            selector: self
                .def
                .args
                .get(usize::from(sub.selector))
                .map_or("", |arg| arg.name),
            command,
            command2,
        })
    }
}

/// How deep a sub-command's argument may depend on further ones.
pub(super) const SUB_DEPTH_MAX: usize = 3;

const fn stricter(a: Policy, b: Policy) -> Policy {
    match (a, b) {
        (Policy::Unsupported, _) | (_, Policy::Unsupported) => Policy::Unsupported,
        (Policy::Refuse(_), _) => a,
        (Policy::Record, _) => b,
    }
}

const fn either(a: Block, b: Block) -> Block {
    match (a, b) {
        (Block::Never, Block::Never) => Block::Never,
        _ => Block::May,
    }
}
