//! Why a site is not planned.

/// Why a site stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refused {
    /// There is no `syscall` at the address, or it is not readable.
    #[error("no syscall instruction is readable there")]
    NoSyscall,
    /// The address is none of an application.
    #[error("it lies where no application has memory")]
    Address,
    /// The agent's slot is out of an absolute operand's reach.
    #[error("the agent's slot does not lie below 2 GiB")]
    AgentSlot,
    /// Unwinders know the frame of a signal by the bytes of this site.
    #[error("it ends signal handlers, and unwinders read its code")]
    SignalReturn,
    /// Neither shape is possible.
    #[error("in front of it: {before}; behind it: {behind}")]
    Neither {
        /// Why not [`Shape::Before`].
        before: Reason,
        /// Why not [`Shape::Behind`].
        behind: Reason,
    },
}

/// Why a shape is not possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Reason {
    /// Nothing says where its function starts.
    #[error("where its function starts is not known")]
    FunctionUnknown,
    /// The function is not readable as a whole.
    #[error("not all of its function is readable")]
    FunctionUnreadable,
    /// The function is too long.
    #[error("its function is longer than is looked at")]
    FunctionTooLong,
    /// Control flow, as far as it is known, does not come to the site.
    #[error("the known control flow of its function does not get to it")]
    NotArrivedAt,
    /// Control flow does not come to the site from in front of it.
    #[error("its function does not get to it from an instruction in front")]
    NothingBefore,
    /// The instruction is shorter than a jump.
    #[error("the instruction is shorter than a jump")]
    TooShort,
    /// Not everything that would be replaced is readable.
    #[error("not all code that would be replaced is readable")]
    Unreadable,
    /// The instruction might do something else at another place.
    #[error("the instruction at {0:#x} is not known to do the same elsewhere")]
    NotMovable(u64),
    /// Somebody jumps into the midst of an instruction.
    #[error("a jump leads to {0:#x}, into the midst of what would be replaced")]
    Entered(u64),
    /// What follows an unconditional jump may be data.
    #[error("what lies at {0:#x} may be no code")]
    NotCode(u64),
    /// There is no room for a trampoline.
    #[error("there is no room for its trampoline where it would have to be")]
    NoRoom,
    /// The room given is not what was asked for.
    #[error("room was given at {0:#x}, where the trampoline cannot be")]
    Misplaced(u64),
    /// What the trampoline refers to cannot be reached from any one place.
    #[error("what its instructions refer to is out of reach for a trampoline")]
    OutOfReach,
}
