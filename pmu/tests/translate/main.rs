//! The translator against the oracle: random programs and real code, executed natively step by step and
//! through the code cache.

mod anywhere;
mod asm;
mod cached;
mod machine;
mod oracle;
mod program;
mod random;
mod strategy;
mod sys;
