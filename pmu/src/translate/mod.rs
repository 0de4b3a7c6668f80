//! The translator: the software counter of conditional branches.
//!
//! Application code runs from a *code cache*. It is translated block by block; each block that ends with
//! a conditional branch counts it. [`Translator`] says what to write into the cache and at which address
//! a thread is to go on; an *embedder* (which owns the thread and its memory) does that, waits until the
//! thread comes out through the gate, and asks again. Nothing here touches a thread or memory.
//!
//! `docs/TRANSLATOR.md` describes the cache, the exits and the data area; the parts:
//!
//! | module | what it does |
//! |---|---|
//! | `source`, `block`, `insn`, `prefixes` | decode application code into blocks of instructions that can be moved |
//! | `count` | decides where in a block its branch is counted |
//! | `check` | stops a thread at an address, by its registers |
//! | `verify` | compares code that may change with what a block was made of |
//! | `piece`, `emit`, `indirect`, `routines` | generate code, and with it the state map |
//! | `layout`, `store`, `table`, `writes` | the cache's memory: what is where, what is free, what is to be written |
//! | `state`, `data` | from a stopped thread's registers back to the application's |
//! | `translator`, `blocks` | what the embedder drives; blocks, their links and their invalidation |
//! | `stepped`, `uncounted` | which instructions count, and where none does |

mod block;
mod blocks;
mod check;
mod count;
mod data;
mod emit;
mod gpr;
mod indirect;
mod insn;
mod layout;
mod piece;
mod prefixes;
mod routines;
mod source;
mod state;
mod stepped;
mod store;
mod table;
mod translator;
mod uncounted;
mod verify;
mod writes;

pub use block::Special;
pub use check::{Check, WORDS_MAX, Word};
pub use count::Counting;
pub use data::Data;
pub use layout::{
    CODE_BYTES_MAX, CODE_BYTES_MIN, DATA_BYTES, DATA_READ_BYTES, Layout, LayoutError,
};
pub use routines::GATE_SYSCALL;
pub use source::{Code, PagePolicy};
pub use state::{AppState, Roll};
pub use stepped::{INSTRUCTION_BYTES_MAX, Step, step};
pub use translator::{Exit, Options, Statistics, TranslateError, Translator};
pub use writes::{Write, Writes};
