//! The translator against the oracle: random programs and real code, executed natively step by step and
//! through the code cache.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(dead_code, reason = "some modules are shared with the benchmark")]

mod anywhere;
mod asm;
mod cached;
mod checked;
mod exec;
mod instructions;
mod machine;
mod oracle;
mod program;
mod random;
mod real;
mod strategy;
mod sys;
mod uncounted;
mod work;
