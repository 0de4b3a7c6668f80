//! What the printer remembers of each thread between events.

use super::call::{Context, Progress, Shown};
use super::view::{Piece, View};
use crate::model::capture::Call;
use crate::model::{self, Handler, Syscall};
use journal::{Args, Bytes, Enter, In, Leave, Out, Write};

/// Bytes that are remembered of one output that was sent ahead.
const HEAD_BYTES_MAX: usize = 4096;
/// Outputs that are remembered for one call.
const KEPT_MAX: usize = 2048;
/// Handlers that can be in progress in one thread, as far as is remembered.
const FRAMES_MAX: usize = 64;

/// One thread.
#[derive(Debug, Default)]
pub(super) struct Task {
    /// The call that it is in.
    pub pending: Option<Pending>,
    /// Outputs of that call, sent ahead.
    pub kept: Vec<Kept>,
    /// The handlers in progress: where their frames are, and the masks in them.
    frames: Vec<(u64, u64)>,
    /// The call that a signal interrupted, if it may be resumed.
    pub interrupted: Option<&'static str>,
}

/// A call that has not returned.
#[derive(Debug)]
pub(super) struct Pending {
    /// Its entry.
    pub enter: Enter<'static>,
    /// What has been printed of it.
    pub begun: Begun,
}

/// What has been printed of a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    /// How much of its arguments.
    pub progress: Progress,
    /// What it needs to print.
    pub context: Context,
    /// Whether it is shown at all.
    pub shown: bool,
}

/// The beginning of an output.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    addr: u64,
    len: u64,
    bytes: Vec<u8>,
}

impl Task {
    /// A thread that this one created: it has the same stack before it.
    pub fn child(&self) -> Self {
        Self {
            frames: self.frames.clone(),
            ..Self::default()
        }
    }

    /// Another program runs now.
    pub fn replaced(&mut self) {
        self.frames.clear();
        self.interrupted = None;
    }

    /// Remembers the beginning of an output.
    pub fn keep(&mut self, out: &Out<'_>) {
        if self.kept.len() < KEPT_MAX {
            let bytes = out.data[..out.data.len().min(HEAD_BYTES_MAX)].to_vec();
            self.kept.push(Kept {
                addr: out.addr,
                len: out.data.len() as u64,
                bytes,
            });
        }
    }

    /// Remembers what the kernel stored.
    pub fn keep_write(&mut self, write: &Write<'_>) {
        self.keep(&Out {
            addr: write.addr,
            data: Bytes::from(&write.data[..]),
        });
    }

    /// A handler was entered. Those whose frames lay below were left without returning.
    pub fn handler(&mut self, addr: u64, frame: &[u8]) {
        self.frames.retain(|(other, _)| *other > addr);
        if self.frames.len() < FRAMES_MAX {
            self.frames.push((addr, super::signals::frame_mask(frame)));
        }
    }

    /// What a call of this thread needs to print. The end of a handler takes its frame away.
    pub fn context(&mut self, nr: u32) -> Context {
        let handler = model::lookup(nr).map_or(Handler::None, |def| def.handler);
        Context {
            mask: (handler == Handler::Sigreturn)
                .then(|| self.frames.pop())
                .flatten()
                .map(|(_, mask)| mask),
            interrupted: (handler == Handler::Restart)
                .then_some(self.interrupted)
                .flatten(),
        }
    }
}

/// A call as it can be shown; `None` for a number that no syscall has.
pub(super) fn shown<'v>(
    enter: &'v Enter<'_>,
    leave: Option<&'v Leave<'_>>,
    kept: &'v [Kept],
    context: Context,
) -> Option<Shown<'v>> {
    let def: &'static Syscall = model::lookup(enter.nr)?;
    let mut view = View::new(&enter.ins);
    view.wrote(kept.iter().map(|kept| Piece {
        addr: kept.addr,
        len: kept.len,
        bytes: &kept.bytes,
    }));
    if let Some(leave) = leave {
        view.wrote(leave.outs.iter().map(Piece::from));
    }
    let call = Call {
        def,
        args: enter.args.to_array(),
    };
    Some(Shown {
        call,
        view,
        result: leave.map(|leave| leave.result),
        context,
    })
}

/// The same entry, owned.
pub(super) fn owned(enter: &Enter<'_>) -> Enter<'static> {
    let ins = enter
        .ins
        .iter()
        .map(|input| In {
            addr: input.addr,
            len: input.len,
            sum: input.sum,
            head: input.head.to_vec().into(),
        })
        .collect();
    Enter {
        nr: enter.nr,
        args: Args::new(enter.args.to_array(), enter.args.as_slice().len()),
        ip: enter.ip,
        signature: enter.signature,
        ins,
    }
}
