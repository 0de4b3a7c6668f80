//! Which kept files the events of a frame name: a copy needs them before it needs the frame.

use super::cursor::{names_files, records};
use crate::{Event, record};

/// The number of [`Event::File`], with which its records begin.
const FILE_VARIANT: u8 = 11;

/// A kept file that an event names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRef {
    /// XXH3-128 of its content.
    pub hash: u128,
    /// Bytes.
    pub size: u64,
    /// Where the application found it.
    pub path: Vec<u8>,
}

/// The kept files that the records of `frame` name. `None` if it is no good frame.
pub(super) fn named(frame: &[u8]) -> Option<Vec<KeptRef>> {
    if !names_files(frame)? {
        return Some(Vec::new());
    }
    let records = records(frame)?;
    let mut rest = &records[..];
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (body, end) = record::split(rest)?;
        let record = &rest[body..end];
        if record.first() == Some(&FILE_VARIANT)
            && let Event::File(file) = record::decode(record).ok()?
        {
            found.push(KeptRef {
                hash: file.hash,
                size: file.size,
                path: file.path.to_vec(),
            });
        }
        rest = &rest[end..];
    }
    Some(found)
}
