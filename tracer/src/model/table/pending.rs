//! Sub-commands that have no table yet.

use crate::model::types::{Sub, Unknown};

macro_rules! pending {
    ($($module:ident: $($name:ident = $selector:literal),*;)*) => {
        $(pub mod $module {
            use super::super::dsl::sub_by;
            use super::{Sub, Unknown};
            $(pub static $name: Sub = sub_by($selector, &[]).otherwise(Unknown::As(&crate::model::types::Kind::Addr));)*
        })*
    };
}

pending! {
    ioctl: ARG = 1;
    fcntl: ARG = 1;
    sockopt: SET = 1, GET = 1;
    ipc: SHMCTL = 1, SEMCTL = 2, MSGCTL = 1;
    ptrace: ADDR = 0, DATA = 0;
    prctl: ARG2 = 0, ARG3 = 0, ARG4 = 0, ARG5 = 0, ARCH = 0;
    quota: ADDR = 0;
}
