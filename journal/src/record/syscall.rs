//! Encodes syscalls that do nothing but read and write memory, which almost all events are, as
//! postcard does, in a fraction of the time: numbers are put together in a register. The tests compare
//! both.

use crate::event::{Enter, Leave};
use crate::{Event, RECORD_BYTES_MAX};

/// The variant of [`Event::Syscall`].
const SYSCALL: u8 = 2;
/// Larger data takes longer than its numbers.
const DATA_BYTES_MAX: usize = 64 << 10;
const _: () = assert!(DATA_BYTES_MAX * 4 < RECORD_BYTES_MAX);
/// More pieces of memory than almost any syscall has.
const PIECES_MAX: usize = 64;

/// Appends the encoding of `event`, if it is one of those; whether it is.
#[inline]
pub(super) fn encode(buffer: &mut Vec<u8>, event: &Event<'_>) -> bool {
    let Event::Syscall(enter, leave) = event else {
        return false;
    };
    if !leave.effects.is_empty() || !is_small(enter, leave) {
        return false;
    }
    buffer.push(SYSCALL);
    number(buffer, enter.nr.into());
    let args = enter.args.as_slice();
    length(buffer, args.len());
    for arg in args {
        number(buffer, *arg);
    }
    number(buffer, enter.ip);
    number(buffer, enter.signature.0.into());
    length(buffer, enter.ins.len());
    for input in &enter.ins {
        number(buffer, input.addr);
        number(buffer, input.len);
        number(buffer, input.sum.into());
        bytes(buffer, &input.head);
    }
    number(buffer, zigzag(leave.result));
    length(buffer, leave.outs.len());
    for out in &leave.outs {
        number(buffer, out.addr);
        bytes(buffer, &out.data);
    }
    length(buffer, leave.effects.len());
    true
}

fn is_small(enter: &Enter<'_>, leave: &Leave<'_>) -> bool {
    let (ins, outs) = (&enter.ins, &leave.outs);
    ins.len() <= PIECES_MAX
        && outs.len() <= PIECES_MAX
        && ins.iter().map(|input| input.head.len()).sum::<usize>() <= DATA_BYTES_MAX
        && outs.iter().map(|out| out.data.len()).sum::<usize>() <= DATA_BYTES_MAX
}

#[inline]
fn bytes(buffer: &mut Vec<u8>, bytes: &[u8]) {
    length(buffer, bytes.len());
    buffer.extend_from_slice(bytes);
}

#[inline]
fn length(buffer: &mut Vec<u8>, len: usize) {
    number(buffer, len as u64);
}

/// Numbers of either sign: those near zero are short.
const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// Seven bits a byte, low ones first, the top bit set on all but the last.
#[inline]
fn number(buffer: &mut Vec<u8>, value: u64) {
    const SHORT_BITS: u32 = 56;
    if value < 0x80 {
        buffer.push(value.to_le_bytes()[0]);
        return;
    }
    let bits = u64::BITS - value.leading_zeros();
    if bits > SHORT_BITS {
        long_number(buffer, value);
        return;
    }
    let len = bits.div_ceil(7);
    let more = 0x8080_8080_8080_8080 & ((1 << (8 * (len - 1))) - 1);
    let end = buffer.len() + len as usize;
    buffer.extend_from_slice(&(spread(value) | more).to_le_bytes());
    buffer.truncate(end);
}

/// Seven of the lower 56 bits to a byte.
const fn spread(value: u64) -> u64 {
    let halves = (value & 0x0fff_ffff) | ((value & 0x00ff_ffff_f000_0000) << 4);
    let quarters = (halves & 0x0000_3fff_0000_3fff) | ((halves & 0x0fff_c000_0fff_c000) << 2);
    (quarters & 0x007f_007f_007f_007f) | ((quarters & 0x3f80_3f80_3f80_3f80) << 1)
}

#[cold]
fn long_number(buffer: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        buffer.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    buffer.push(value.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Args, Bytes, In, Out};
    use pmu::Signature;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Of any number of bits.
    fn numbers() -> impl Strategy<Value = u64> {
        (any::<u64>(), 0u32..64).prop_map(|(value, shift)| value >> shift)
    }

    fn data() -> impl Strategy<Value = Bytes<'static>> {
        vec(any::<u8>(), 0..300).prop_map(Bytes::from)
    }

    fn input() -> impl Strategy<Value = In<'static>> {
        (numbers(), numbers(), any::<u32>(), data()).prop_map(|(addr, len, sum, head)| In {
            addr,
            len,
            sum,
            head,
        })
    }

    fn output() -> impl Strategy<Value = Out<'static>> {
        (numbers(), data()).prop_map(|(addr, data)| Out { addr, data })
    }

    #[test]
    fn numbers_are_as_postcard_has_them() {
        let powers = (0..64).map(|bit| 1u64 << bit);
        for value in powers.flat_map(|power| [power - 1, power, power + 1]) {
            for value in [value, u64::MAX - value] {
                let mut buffer = vec![9];
                number(&mut buffer, value);
                assert_eq!(buffer.remove(0), 9);
                assert_eq!(Ok(buffer), postcard::to_stdvec(&value), "{value:#x}");
                let signed = value.cast_signed();
                let mut buffer = Vec::new();
                number(&mut buffer, zigzag(signed));
                assert_eq!(Ok(buffer), postcard::to_stdvec(&signed), "{signed}");
            }
        }
    }

    #[test]
    fn what_is_large_is_left_to_postcard() {
        let mut leave = Leave {
            result: 0,
            outs: vec![Out {
                addr: 1,
                data: vec![0; DATA_BYTES_MAX + 1].into(),
            }],
            effects: Vec::new(),
        };
        let enter = Enter {
            nr: 0,
            args: Args::default(),
            ip: 0,
            signature: Signature(0),
            ins: Vec::new(),
        };
        let mut buffer = Vec::new();
        assert!(!encode(
            &mut buffer,
            &Event::Syscall(enter.clone(), leave.clone())
        ));
        leave.outs = vec![
            Out::clone(&Out {
                addr: 1,
                data: Bytes::default()
            });
            PIECES_MAX + 1
        ];
        assert!(!encode(&mut buffer, &Event::Syscall(enter, leave)));
        assert!(buffer.is_empty());
    }

    proptest! {
        #[test]
        fn syscalls_are_as_postcard_has_them(
            nr: u32,
            args in vec(numbers(), 0..=6),
            ip in numbers(),
            signature: u32,
            ins in vec(input(), 0..4),
            (result, shift) in (any::<i64>(), 0u32..64),
            outs in vec(output(), 0..4),
        ) {
            let mut values = [0; 6];
            values[..args.len()].copy_from_slice(&args);
            let enter = Enter {
                nr,
                args: Args::new(values, args.len()),
                ip,
                signature: Signature(signature),
                ins,
            };
            let leave = Leave { result: result >> shift, outs, effects: Vec::new() };
            let event = Event::Syscall(enter, leave);
            let mut buffer = Vec::new();
            prop_assert!(encode(&mut buffer, &event));
            prop_assert_eq!(Ok(buffer), postcard::to_stdvec(&event));
        }
    }
}
