//! The translator against the oracle: random programs and real code, executed natively step by step and
//! through the code cache.

mod anywhere;
mod asm;
mod cached;
mod exec;
mod machine;
mod oracle;
mod program;
mod random;
mod real;
mod strategy;
mod sys;
mod work;
