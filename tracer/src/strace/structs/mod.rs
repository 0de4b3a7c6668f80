//! How structures print: one file per topic. What is not described here prints as an address.

mod files;
mod ipc;
mod net;
mod processes;
mod terminals;
mod time;

pub(super) use files::file_mode;
pub(super) use ipc::message_text;
pub(super) use net::interface;
pub(super) use processes::capabilities;
pub(super) use time::date;

use super::fields::{Field, Is, all};
use super::signals;
use super::text::joined;
use super::view::number;
use crate::model::StructId;

/// How a structure prints.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// A number or the like; behind a pointer it stands in brackets.
    Scalar(Is),
    /// All of its fields.
    Fields(&'static [Field]),
    /// Its first fields; the rest is not of interest to most.
    Some(&'static [Field]),
    /// In its own way.
    Own(fn(&mut String, &[u8])),
}

/// How this structure prints; `None` if that is not known.
pub(super) fn form(of: StructId) -> Option<Form> {
    scalar(of)
        .or_else(|| time::form(of))
        .or_else(|| files::form(of))
        .or_else(|| processes::form(of))
        .or_else(|| ipc::form(of))
        .or_else(|| net::form(of))
        .or_else(|| terminals::form(of))
}

/// Appends the structure that these bytes are.
pub(super) fn value(out: &mut String, of: StructId, bytes: &[u8]) {
    match form(of) {
        Some(Form::Scalar(is)) => is.show(out, bytes),
        Some(Form::Fields(fields)) => braces(out, |out| all(out, fields, bytes)),
        Some(Form::Some(fields)) => braces(out, |out| {
            all(out, fields, bytes);
            out.push_str(", ...");
        }),
        Some(Form::Own(show)) => show(out, bytes),
        None => out.push_str("..."),
    }
}

/// Appends the structure as it prints behind a pointer.
pub(super) fn behind(out: &mut String, of: StructId, bytes: &[u8]) {
    if let Some(Form::Scalar(_)) = form(of) {
        out.push('[');
        value(out, of, bytes);
        out.push(']');
    } else {
        value(out, of, bytes);
    }
}

/// Appends what `inside` appends, in braces.
pub(super) fn braces(out: &mut String, inside: impl FnOnce(&mut String)) {
    out.push('{');
    inside(out);
    out.push('}');
}

/// All fields of a structure.
macro_rules! fields {
    ($($field:expr),* $(,)?) => {
        $crate::strace::structs::Form::Fields(const { &[$($field),*] })
    };
}
use fields;

/// The first fields of a structure.
macro_rules! some_fields {
    ($($field:expr),* $(,)?) => {
        $crate::strace::structs::Form::Some(const { &[$($field),*] })
    };
}
use some_fields;

fn scalar(of: StructId) -> Option<Form> {
    let is = match of {
        StructId::Byte => Is::Unsigned(1),
        StructId::Ushort => Is::Unsigned(2),
        StructId::Int
        | StructId::Socklen
        | StructId::Fd
        | StructId::Pid
        | StructId::TimerId
        | StructId::SchedParam => Is::Signed(4),
        StructId::Uint => Is::Unsigned(4),
        StructId::HexInt => Is::Hex(4),
        StructId::Long | StructId::Offset => Is::Signed(8),
        StructId::Ulong => Is::Unsigned(8),
        StructId::HexLong => Is::Hex(8),
        StructId::Mode => Is::Octal(4),
        StructId::Pointer => Is::Address,
        StructId::Uid | StructId::Gid => Is::Id,
        StructId::Signal => Is::Signal,
        StructId::Time => Is::Own(8, time::instant),
        StructId::WaitStatus => Is::Own(4, |out, bytes| {
            signals::wait_status(out, super::scalars::int(number(bytes, 0, 4)));
        }),
        StructId::FdSet | StructId::CpuMask => return Some(Form::Own(bit_numbers)),
        StructId::NodeMask => return Some(Form::Own(words)),
        StructId::Sigset => return Some(Form::Own(signals::set)),
        _ => return None,
    };
    Some(Form::Scalar(is))
}

/// The numbers of the bits that are set.
pub(super) fn bit_numbers(out: &mut String, bytes: &[u8]) {
    let set = bytes.iter().enumerate().flat_map(|(index, byte)| {
        (0..8usize)
            .filter(move |bit| byte & 1 << bit != 0)
            .map(move |bit| index * 8 + bit)
    });
    out.push('[');
    joined(out, " ", set, |out, bit| super::text::put!(out, "{bit}"));
    out.push(']');
}

/// 64-bit words with all their digits.
fn words(out: &mut String, bytes: &[u8]) {
    out.push('[');
    joined(out, ", ", bytes.chunks(8), |out, word| {
        super::text::put!(out, "{:#018x}", number(word, 0, 8));
    });
    out.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `of` prints for these numbers: offset, width, value.
    pub(super) fn show(of: StructId, numbers: &[(usize, usize, u64)]) -> String {
        let mut bytes = vec![0; of.size() as usize];
        for &(at, width, value) in numbers {
            bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        }
        let mut out = String::new();
        behind(&mut out, of, &bytes);
        out
    }

    #[test]
    fn fields_lie_within_their_structures() {
        for &of in StructId::ALL {
            let Some(Form::Fields(fields) | Form::Some(fields)) = form(of) else {
                continue;
            };
            let whole = vec![0; of.size() as usize];
            for field in fields {
                let mut out = String::from("{");
                field.show(&mut out, &whole);
                assert!(out.len() > 1, "{}: {} lies outside", of.name(), field.name);
            }
        }
    }

    #[test]
    fn numbers_stand_in_brackets() {
        assert_eq!(show(StructId::Int, &[(0, 4, u64::MAX)]), "[-1]");
        assert_eq!(show(StructId::Signal, &[(0, 4, 15)]), "[SIGTERM]");
        assert_eq!(show(StructId::HexLong, &[(0, 8, 0x7f00)]), "[0x7f00]");
        assert_eq!(show(StructId::CpuMask, &[(0, 8, 0b1011)]), "[0 1 3]");
        assert_eq!(
            show(StructId::NodeMask, &[(0, 8, 1)]),
            "[0x0000000000000001]"
        );
        assert_eq!(
            show(StructId::WaitStatus, &[(0, 4, 0)]),
            "[{WIFEXITED(s) && WEXITSTATUS(s) == 0}]"
        );
    }

    #[test]
    fn short_structures_end_where_they_end() {
        let mut out = String::new();
        value(&mut out, StructId::Timespec, &1u64.to_le_bytes());
        assert_eq!(out, "{tv_sec=1}");
        out.clear();
        value(&mut out, StructId::Int, &[]);
        assert_eq!(out, "");
    }

    #[test]
    fn nothing_panics_on_short_bytes() {
        for &of in StructId::ALL {
            for len in [0, 1, 2, 3, 4, 7, 8, 12, 16, 17, 30, 64] {
                let mut out = String::new();
                value(&mut out, of, &vec![0xa5; len]);
            }
        }
    }
}
