//! Shared by the gate's tests: a small network, a server that can be taken over, clients that
//! look at every byte, and nodes.
#![allow(clippy::cast_possible_truncation, reason = "the numbers are small")]
#![allow(dead_code, reason = "each test uses some of it")]

pub mod client;
pub mod lab;
pub mod node;
pub mod server;

/// The byte at a position of every stream in these tests.
pub fn pattern(position: u64) -> u8 {
    let mixed = position.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as u8 ^ position as u8
}

/// Bytes of a stream.
pub fn pattern_bytes(position: u64, len: usize) -> Vec<u8> {
    (position..position + len as u64).map(pattern).collect()
}
