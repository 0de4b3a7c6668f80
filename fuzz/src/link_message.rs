//! Any bytes as messages of the link: nothing may panic, hang, or take memory that the bytes do
//! not justify, and what is a message must be one again when it is written.
//!
//! The first byte says whether lengths and checksums are made right first: nothing behind them
//! would ever be reached otherwise. They are computed here from `docs/LINK.md` alone.

use standby::link::{BODY_BYTES_MAX, decode, encode};

const HEAD: usize = 8;
const REPAIR: u8 = 0x80;

/// What became of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(dead_code, reason = "the fuzzer only wants it to be computed")]
pub enum Outcome {
    Nothing,
    Incomplete,
    Refused,
    Understood,
}

/// Runs one input.
pub fn run(data: &[u8]) -> Outcome {
    let Some((&mode, rest)) = data.split_first() else {
        return Outcome::Nothing;
    };
    let mut bytes = rest.to_vec();
    if mode & REPAIR != 0 {
        repair(&mut bytes);
    }
    let mut left = &bytes[..];
    let mut outcome = Outcome::Nothing;
    while !left.is_empty() {
        match decode(left) {
            Ok(Some((message, len))) => {
                assert!((HEAD..=HEAD + BODY_BYTES_MAX).contains(&len) && len <= left.len());
                let mut again = Vec::new();
                encode(&mut again, &message).expect("it was read");
                let (same, again_len) = decode(&again).expect("it was written").expect("whole");
                assert!(same == message && again_len == again.len());
                // Less is not enough, and more changes nothing.
                assert_eq!(decode(&left[..len - 1]), Ok(None));
                left = &left[len..];
                outcome = Outcome::Understood;
            }
            Ok(None) => return Outcome::Incomplete,
            Err(_) => return Outcome::Refused,
        }
    }
    outcome
}

/// Makes lengths that reach too far shorter, and all checksums right.
fn repair(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(len) = bytes.get(at..at + 4) {
        let len = u32::from_le_bytes([len[0], len[1], len[2], len[3]]) as usize;
        let left = bytes.len() - at;
        let Some(room) = left.checked_sub(HEAD) else {
            return;
        };
        let len = len.min(room).min(BODY_BYTES_MAX);
        let len_bytes = u32::try_from(len)
            .expect("it is below the limit")
            .to_le_bytes();
        bytes[at..at + 4].copy_from_slice(&len_bytes);
        let body = &bytes[at + HEAD..at + HEAD + len];
        let crc = crc32c::crc32c_append(crc32c::crc32c(&len_bytes), body);
        bytes[at + 4..at + HEAD].copy_from_slice(&crc.to_le_bytes());
        at += HEAD + len;
    }
}
