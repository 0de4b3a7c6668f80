//! What the nodes tell each other, several times in the time that it takes to give a node up for
//! lost: their whole state, every time, so that no message needs to arrive.

use super::record::{Epoch, NODE_BYTES_MAX, NodeId, Session};
use crate::clock::Time;

/// Version of the encoding. Nodes of different versions do not understand each other.
pub const BEAT_VERSION: u8 = 1;
const FIXED_BYTES: usize = 1 + 2 + 11 * 8 + 1;
/// No encoded beat is longer.
pub const BEAT_BYTES_MAX: usize = FIXED_BYTES + NODE_BYTES_MAX;

/// What a node claims, as bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(u16);

impl Flags {
    /// It has the right to be active.
    pub const ACTIVE: Self = Self(1);
    /// It will not go active for the agreed span from now on.
    pub const PROMISE: Self = Self(1 << 1);
    /// It lets nothing out any more, and waits for the other to take over.
    pub const RESIGNED: Self = Self(1 << 2);
    /// It will never take over.
    pub const RENOUNCED: Self = Self(1 << 3);
    /// The application has ended by itself.
    pub const ENDED: Self = Self(1 << 4);
    /// A switchover: it lets nothing in any more; the other is to tell when it has everything.
    pub const PREPARE: Self = Self(1 << 5);
    /// The answer: it has replayed all up to the position that was asked for.
    pub const READY: Self = Self(1 << 6);
    /// Its replay has diverged.
    pub const DIVERGED: Self = Self(1 << 7);
    const ALL: u16 = (1 << 8) - 1;

    /// Whether all of `flags` are set.
    #[must_use]
    pub const fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// With `flags` set too, if `on`.
    #[must_use]
    pub const fn and(self, flags: Self, on: bool) -> Self {
        if on { Self(self.0 | flags.0) } else { self }
    }
}

/// A node's state, as it tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// Its name.
    pub node: NodeId,
    /// What it claims.
    pub flags: Flags,
    /// The right that it has, or knows of.
    pub epoch: Epoch,
    /// Of an active node: the run that may take over, by the witness's record.
    pub standby: Option<Session>,
    /// How often the record had changed.
    pub change: u64,
    /// An active node's journal; a standby's copy of it, or, if ready, the position it was asked for.
    pub position: u64,
    /// How far the standby's replay is.
    pub applied: u64,
    /// The sender's clock at the sending, or before.
    pub sent: Time,
    /// [`Beat::sent`] of the latest beat that the sender had received on this path.
    pub echo: Time,
    /// How long it has kept that, in nanoseconds.
    pub held_ns: u64,
}

/// Who speaks to whom, and for the how manieth time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// The run that speaks.
    pub from: Session,
    /// The run that it speaks to; 0 if it knows none yet.
    pub to: Session,
    /// Never twice the same from one run.
    pub number: u64,
}

/// Why bytes are no beat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadBeat {
    /// Too short, too long, or a field that cannot be.
    #[error("a heartbeat is malformed")]
    Malformed,
    /// The other node runs another ftrun.
    #[error(
        "the other node's heartbeats have version {0}, ours {BEAT_VERSION}: run the same ftrun on both"
    )]
    Version(u8),
}

/// Encodes: version, flags, eleven numbers, the name's length, the name. Little-endian.
#[must_use]
pub fn encode(envelope: Envelope, beat: &Beat) -> Vec<u8> {
    let mut out = Vec::with_capacity(BEAT_BYTES_MAX);
    out.push(BEAT_VERSION);
    out.extend_from_slice(&beat.flags.0.to_le_bytes());
    for number in [
        envelope.from.0,
        envelope.to.0,
        envelope.number,
        beat.epoch.0,
        beat.standby.map_or(0, |session| session.0),
        beat.change,
        beat.position,
        beat.applied,
        beat.sent.0,
        beat.echo.0,
        beat.held_ns,
    ] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    let name = beat.node.as_str().as_bytes();
    out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(name);
    out
}

/// Decodes one beat that fills `bytes`.
pub fn decode(bytes: &[u8]) -> Result<(Envelope, Beat), BadBeat> {
    let mut rest = bytes;
    let [version] = take::<1>(&mut rest)?;
    if version != BEAT_VERSION {
        return Err(BadBeat::Version(version));
    }
    let flags = u16::from_le_bytes(take(&mut rest)?);
    if flags & !Flags::ALL != 0 {
        return Err(BadBeat::Malformed);
    }
    let mut number = || Ok::<u64, BadBeat>(u64::from_le_bytes(take(&mut rest)?));
    let envelope = Envelope {
        from: Session(number()?),
        to: Session(number()?),
        number: number()?,
    };
    let epoch = Epoch(number()?);
    let standby = match number()? {
        0 => None,
        session => Some(Session(session)),
    };
    let (change, position, applied) = (number()?, number()?, number()?);
    let (sent, echo, held_ns) = (Time(number()?), Time(number()?), number()?);
    let [length] = take::<1>(&mut rest)?;
    if envelope.from.0 == 0 || rest.len() != usize::from(length) {
        return Err(BadBeat::Malformed);
    }
    let name = std::str::from_utf8(rest).map_err(|_| BadBeat::Malformed)?;
    let beat = Beat {
        node: NodeId::new(name).map_err(|_| BadBeat::Malformed)?,
        flags: Flags(flags),
        epoch,
        standby,
        change,
        position,
        applied,
        sent,
        echo,
        held_ns,
    };
    Ok((envelope, beat))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], BadBeat> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(BadBeat::Malformed)?;
    *rest = tail;
    Ok(*head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> (Envelope, Beat) {
        let envelope = Envelope {
            from: Session(1),
            to: Session(2),
            number: 3,
        };
        let beat = Beat {
            node: NodeId::new("node-b").unwrap(),
            flags: Flags::ACTIVE.and(Flags::PREPARE, true),
            epoch: Epoch(4),
            standby: Some(Session(5)),
            change: 6,
            position: 7,
            applied: 8,
            sent: Time(9),
            echo: Time(10),
            held_ns: 11,
        };
        (envelope, beat)
    }

    #[test]
    fn a_beat_survives_its_encoding() {
        let (envelope, beat) = sample();
        let bytes = encode(envelope, &beat);
        assert!(bytes.len() <= BEAT_BYTES_MAX);
        assert_eq!(decode(&bytes), Ok((envelope, beat)));
    }

    #[test]
    fn what_is_no_beat_is_refused() {
        let (envelope, beat) = sample();
        let good = encode(envelope, &beat);
        for length in 0..good.len() {
            assert!(decode(&good[..length]).is_err(), "{length} bytes");
        }
        let mut long = good.clone();
        long.push(b'x');
        assert_eq!(decode(&long), Err(BadBeat::Malformed));
        let mut other = good.clone();
        other[0] = 9;
        assert_eq!(decode(&other), Err(BadBeat::Version(9)));
        let mut flags = good;
        flags[2] = 0x80;
        assert_eq!(decode(&flags), Err(BadBeat::Malformed));
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }
    }
}
