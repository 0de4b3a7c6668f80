//! How structures are described: which field stands where, and what it is.

use super::scalars::{address, choice, device, flags, hex, id, octal, signal};
use super::structs;
use super::text::{joined, put, quoted, string};
use super::view::{number, signed};
use crate::model::{Names, StructId};

/// One field.
#[derive(Clone, Copy)]
pub(super) struct Field {
    /// Its name.
    pub name: &'static str,
    /// Where it stands.
    pub at: usize,
    /// What it is.
    pub is: Is,
}

/// What a field is. Numbers are followed by their width in bytes.
#[derive(Clone, Copy)]
pub(super) enum Is {
    /// Signed number.
    Signed(usize),
    /// Unsigned number.
    Unsigned(usize),
    /// Hexadecimal number.
    Hex(usize),
    /// Permission bits.
    Octal(usize),
    /// Bit set.
    Flags(usize, &'static Names),
    /// One of several values.
    Choice(usize, &'static Names),
    /// Pointer that is not followed.
    Address,
    /// User or group id.
    Id,
    /// Signal number, 32 bits.
    Signal,
    /// Device number, 32 or 64 bits.
    Device(usize),
    /// Structure.
    Struct(StructId),
    /// As many structures.
    Array(StructId, usize),
    /// String of at most so many bytes.
    Text(usize),
    /// So many bytes, as a string with escapes.
    Bytes(usize),
    /// So many bytes that print in an own way.
    Own(usize, fn(&mut String, &[u8])),
}

impl Is {
    /// Bytes that it takes.
    fn len(self) -> usize {
        match self {
            Self::Signed(width)
            | Self::Unsigned(width)
            | Self::Hex(width)
            | Self::Octal(width)
            | Self::Device(width)
            | Self::Flags(width, _)
            | Self::Choice(width, _) => width,
            Self::Address => 8,
            Self::Id | Self::Signal => 4,
            Self::Struct(of) => of.size() as usize,
            Self::Array(of, count) => of.size() as usize * count,
            Self::Text(len) | Self::Bytes(len) | Self::Own(len, _) => len,
        }
    }

    /// Appends the value that stands at the beginning of `bytes`; nothing if they are too few.
    pub fn show(self, out: &mut String, bytes: &[u8]) {
        let Some(bytes) = bytes.get(..self.len()) else {
            return;
        };
        let value = |width| number(bytes, 0, width);
        match self {
            Self::Signed(width) => put!(out, "{}", signed(bytes, 0, width)),
            Self::Unsigned(width) => put!(out, "{}", value(width)),
            Self::Hex(width) => hex(out, value(width)),
            Self::Octal(width) => octal(out, value(width)),
            Self::Flags(width, names) => flags(out, names, value(width)),
            Self::Choice(width, names) => choice(out, names, value(width)),
            Self::Address => address(out, value(8)),
            Self::Id => id(out, value(4)),
            Self::Signal => signal(out, value(4)),
            Self::Device(width) => device(out, value(width)),
            Self::Struct(of) => structs::value(out, of, bytes),
            Self::Array(of, _) => {
                out.push('[');
                let elements = bytes.chunks_exact(of.size() as usize);
                joined(out, ", ", elements, |out, bytes| {
                    structs::value(out, of, bytes)
                });
                out.push(']');
            }
            Self::Text(len) => string(out, bytes, len),
            Self::Bytes(_) => quoted(out, bytes),
            Self::Own(_, show) => show(out, bytes),
        }
    }
}

/// Appends `name=`, with a comma before it unless it is the first.
pub(super) fn name(out: &mut String, name: &str) {
    if !out.ends_with('{') {
        out.push_str(", ");
    }
    put!(out, "{name}=");
}

impl Field {
    /// Appends name and value from a structure of these bytes; nothing if it ends before.
    pub fn show(&self, out: &mut String, bytes: &[u8]) {
        if let Some(bytes) = bytes.get(self.at..self.at + self.is.len()) {
            name(out, self.name);
            self.is.show(out, bytes);
        }
    }
}

/// Appends all of `fields`, without braces.
pub(super) fn all(out: &mut String, fields: &[Field], bytes: &[u8]) {
    for field in fields {
        field.show(out, bytes);
    }
}

/// A field.
pub(super) const fn field(name: &'static str, at: usize, is: Is) -> Field {
    Field { name, at, is }
}

/// Signed 32-bit number.
pub(super) const fn int(name: &'static str, at: usize) -> Field {
    field(name, at, Is::Signed(4))
}

/// Signed 64-bit number.
pub(super) const fn long(name: &'static str, at: usize) -> Field {
    field(name, at, Is::Signed(8))
}

/// Unsigned 16-bit number.
pub(super) const fn ushort(name: &'static str, at: usize) -> Field {
    field(name, at, Is::Unsigned(2))
}

/// Unsigned 32-bit number.
pub(super) const fn uint(name: &'static str, at: usize) -> Field {
    field(name, at, Is::Unsigned(4))
}

/// Unsigned 64-bit number.
pub(super) const fn ulong(name: &'static str, at: usize) -> Field {
    field(name, at, Is::Unsigned(8))
}

/// Hexadecimal 32-bit number.
pub(super) const fn xint(name: &'static str, at: usize) -> Field {
    field(name, at, Is::Hex(4))
}

/// Hexadecimal 64-bit number.
pub(super) const fn xlong(name: &'static str, at: usize) -> Field {
    field(name, at, Is::Hex(8))
}

/// Structure.
pub(super) const fn nested(name: &'static str, at: usize, of: StructId) -> Field {
    field(name, at, Is::Struct(of))
}

/// Pointer.
pub(super) const fn pointer(name: &'static str, at: usize) -> Field {
    field(name, at, Is::Address)
}
