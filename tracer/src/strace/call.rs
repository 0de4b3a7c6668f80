//! One call: its arguments at entry, the others at exit, and the result.
//!
//! As in strace, an argument that the kernel fills prints when the call has returned, and
//! so do all after it.

use super::text::put;
use super::view::View;
use super::{args, own, results};
use crate::model::capture::Call;
use crate::model::{Dir, Kind, Mem, Shape, StructId, Syscall};

/// A call, and as much of it as is known by now.
#[derive(Debug, Clone)]
pub(super) struct Shown<'v> {
    /// The call.
    pub call: Call,
    /// Memory that it read and wrote.
    pub view: View<'v>,
    /// Its result, once it has returned.
    pub result: Option<i64>,
    /// What else is needed to print it.
    pub context: Context,
}

/// What a call's text needs that does not stand in the call.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Context {
    /// Signal mask that a handler's end restores.
    pub mask: Option<u64>,
    /// Syscall that a signal interrupted.
    pub interrupted: Option<&'static str>,
}

/// How much of a call's arguments is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Progress {
    /// As many arguments.
    done: usize,
    /// The last of them only as it was at entry.
    half: bool,
    /// Nothing is left to print.
    pub whole: bool,
}

/// When an argument prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// At entry.
    Entry,
    /// What it was at entry, and what became of it at exit.
    Both,
    /// At exit.
    Exit,
}

impl Shown<'_> {
    /// The syscall.
    pub fn def(&self) -> &'static Syscall {
        self.call.def
    }

    /// Argument `index`; 0 if there is none.
    pub fn arg(&self, index: usize) -> u64 {
        self.call.args.get(index).copied().unwrap_or(0)
    }

    /// Whether it is this sub-command.
    pub fn command_is(&self, name: &str) -> bool {
        self.call
            .command()
            .is_some_and(|command| command.name == name)
    }

    /// Whether it returned with an error, or to be restarted.
    pub fn failed(&self) -> bool {
        self.result.is_some_and(results::is_error)
    }

    /// Its result, if it returned without an error.
    pub fn done(&self) -> Option<u64> {
        self.result
            .filter(|&result| !results::is_error(result))
            .map(i64::cast_unsigned)
    }

    /// Appends the name, and the arguments that print at entry.
    pub fn enter(&self, out: &mut String) -> Progress {
        put!(out, "{}(", self.def().name);
        let order = own::order(self);
        for (done, &index) in order.iter().enumerate() {
            match when(self, index) {
                When::Exit => {
                    if done > 0 && !own::separates_at_exit(self) {
                        out.push_str(", ");
                    }
                    return Progress {
                        done,
                        half: false,
                        whole: false,
                    };
                }
                When::Entry => argument(self, out, done, index),
                When::Both => {
                    argument(self, out, done, index);
                    return Progress {
                        done: done + 1,
                        half: true,
                        whole: false,
                    };
                }
            }
        }
        Progress {
            done: order.len(),
            half: false,
            whole: true,
        }
    }

    /// Appends the arguments that print at exit, and the result.
    pub fn leave(&self, out: &mut String, progress: Progress) {
        let order = own::order(self);
        if progress.half
            && let Some(&index) = progress
                .done
                .checked_sub(1)
                .and_then(|last| order.get(last))
        {
            own::change(self, out, index);
        }
        let separated = progress.half || own::separates_at_exit(self);
        for (done, &index) in order.iter().enumerate().skip(progress.done) {
            let separator = done > 0 && (done > progress.done || separated);
            argument(self, out, usize::from(separator), index);
        }
    }
}

fn argument(shown: &Shown<'_>, out: &mut String, before: usize, index: usize) {
    if before > 0 {
        out.push_str(", ");
    }
    args::argument(shown, out, index);
}

fn when(shown: &Shown<'_>, index: usize) -> When {
    if let Some(when) = own::when(shown, index) {
        return when;
    }
    match shown.call.resolve(index).kind {
        Kind::Mem(mem) => memory(&mem),
        Kind::Nested(nested) => memory(&nested.head),
        Kind::Iovec { dir, .. } if dir != Dir::Out => When::Entry,
        Kind::Msghdr { dir: Dir::In } => When::Entry,
        Kind::Iovec { .. } | Kind::Msghdr { .. } | Kind::Mmsghdr { .. } => When::Exit,
        _ => When::Entry,
    }
}

fn memory(mem: &Mem) -> When {
    match mem.dir {
        Dir::In => When::Entry,
        Dir::Out if mem.shape != Shape::Opaque => When::Exit,
        Dir::InOut if !asks(mem) => When::Exit,
        Dir::Out | Dir::InOut => When::Entry,
    }
}

/// Whether what the kernel reads there is what prints, although the kernel writes it, too.
pub(super) fn asks(mem: &Mem) -> bool {
    const QUESTIONS: [StructId; 6] = [
        StructId::Pollfd,
        StructId::FdSet,
        StructId::Timeval,
        StructId::Timespec,
        StructId::Offset,
        StructId::CapHeader,
    ];
    mem.dir == Dir::InOut
        && match mem.shape {
            Shape::Struct(of) | Shape::Array(of) => QUESTIONS.contains(&of),
            Shape::Opaque => true,
            Shape::Bytes | Shape::Text => false,
        }
}
