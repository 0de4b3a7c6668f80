//! Heartbeats over UDP: authentic, and none counts twice.
//!
//! A tag proves that a holder of the key wrote it. Each run draws a secret of its own and tells it to the other
//! over the link, which is encrypted and mutually authenticated; before the link was up once, there is nothing
//! to be said on another way either. A beat counts only if it names the receiver's own
//! run, which its writer can know only from that run itself: what was recorded earlier names another. Each
//! beat has a number, and each number counts once, whatever way it comes.

use super::beat::{self, BEAT_BYTES_MAX, BadBeat, Beat, Envelope};
use super::record::Session;
use crate::clock::Time;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{hkdf, hmac};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Bytes of a tag.
pub const TAG_BYTES: usize = 32;
/// No datagram is longer.
pub const DATAGRAM_BYTES_MAX: usize = BEAT_BYTES_MAX + TAG_BYTES;
const LABEL: &[u8] = b"ftrun heartbeat 1";
/// Numbers that may be late: some seconds of two ways, one much slower than the other.
const WINDOW: u64 = 1024;
/// Runs of the other node that are remembered.
const SESSIONS_MAX: usize = 64;

/// Bytes of a run's secret.
pub const SECRET_BYTES: usize = 32;
/// Secrets of the other node's runs that are kept: the present one and one before.
const PEER_KEYS_MAX: usize = 2;

/// A key that authenticates heartbeats.
#[derive(Debug, Clone)]
pub struct Key(hmac::Key);

impl Key {
    /// Derives it; the secret itself authenticates nothing here.
    #[must_use]
    pub fn derive(secret: &[u8]) -> Option<Self> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]);
        let key = salt.extract(secret);
        let okm = key.expand(&[LABEL], hmac::HMAC_SHA256).ok()?;
        Some(Self(okm.into()))
    }

    /// Appends the tag.
    #[must_use]
    pub fn seal(&self, mut message: Vec<u8>) -> Vec<u8> {
        let tag = hmac::sign(&self.0, &message);
        message.extend_from_slice(tag.as_ref());
        message
    }

    /// The message, if its tag is right.
    #[must_use]
    pub fn open<'a>(&self, datagram: &'a [u8]) -> Option<&'a [u8]> {
        let length = datagram.len().checked_sub(TAG_BYTES)?;
        let (message, tag) = datagram.split_at_checked(length)?;
        hmac::verify(&self.0, message, tag).ok()?;
        Some(message)
    }
}

/// Our own key, and the other node's.
#[derive(Debug)]
pub struct Keyring {
    secret: [u8; SECRET_BYTES],
    own: Key,
    peers: Mutex<VecDeque<Key>>,
}

impl Keyring {
    /// With a new secret; none if the system has no random numbers.
    #[must_use]
    pub fn new() -> Option<Self> {
        let mut secret = [0; SECRET_BYTES];
        SystemRandom::new().fill(&mut secret).ok()?;
        Some(Self {
            own: Key::derive(&secret)?,
            secret,
            peers: Mutex::default(),
        })
    }

    /// What the other node has to be told, over the link only.
    #[must_use]
    pub const fn secret(&self) -> &[u8; SECRET_BYTES] {
        &self.secret
    }

    /// What the other node told.
    pub fn learn(&self, secret: &[u8]) {
        if let Some(key) = Key::derive(secret).filter(|_| secret.len() == SECRET_BYTES) {
            let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
            peers.push_front(key);
            peers.truncate(PEER_KEYS_MAX);
        }
    }

    /// Appends our tag.
    #[must_use]
    pub fn seal(&self, message: Vec<u8>) -> Vec<u8> {
        self.own.seal(message)
    }

    /// The message, if the other node wrote it.
    #[must_use]
    pub fn open<'a>(&self, datagram: &'a [u8]) -> Option<&'a [u8]> {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.iter().find_map(|key| key.open(datagram))
    }
}

/// A random number for a [`Session`]; none if the system has no random numbers.
#[must_use]
pub fn new_session() -> Option<Session> {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).ok()?;
    // 0 means "none".
    Some(Session(u64::from_le_bytes(bytes).max(1)))
}

/// What a message is to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// For this run, and new.
    Live(Session, Beat),
    /// From a run that does not know this one yet. Nothing that it says counts.
    Hello,
    /// Seen before, too late, or our own.
    Stale,
}

#[derive(Debug)]
struct Seen {
    session: Session,
    top: u64,
    bits: [u64; (WINDOW / 64) as usize],
}

impl Seen {
    fn is_new(&mut self, number: u64) -> bool {
        if number > self.top {
            // Whatever falls out of the window is forgotten, and refused as too late.
            let ahead = (number - self.top).min(WINDOW);
            for step in 1..=ahead {
                self.set((self.top.saturating_add(step)) % WINDOW, false);
            }
            self.top = number;
        } else if self.top - number >= WINDOW {
            return false;
        }
        let place = number % WINDOW;
        let new = !self.get(place);
        self.set(place, true);
        new
    }

    fn get(&self, place: u64) -> bool {
        self.word(place)
            .is_some_and(|word| word >> (place % 64) & 1 == 1)
    }

    fn word(&self, place: u64) -> Option<u64> {
        self.bits.get(usize::try_from(place / 64).ok()?).copied()
    }

    fn set(&mut self, place: u64, on: bool) {
        let Some(word) = usize::try_from(place / 64)
            .ok()
            .and_then(|index| self.bits.get_mut(index))
        else {
            return;
        };
        let bit = 1 << (place % 64);
        *word = if on { *word | bit } else { *word & !bit };
    }
}

/// Tells live beats from others, and addresses our own.
#[derive(Debug)]
pub struct Guard {
    own: Session,
    number: u64,
    peer: Session,
    live_at: Time,
    seen: VecDeque<Seen>,
}

impl Guard {
    /// For this run.
    #[must_use]
    pub fn new(own: Session) -> Self {
        Self {
            own,
            number: 0,
            peer: Session(0),
            live_at: Time::NEVER,
            seen: VecDeque::new(),
        }
    }

    /// Encodes a beat for the other node.
    pub fn pack(&mut self, beat: &Beat) -> Vec<u8> {
        self.number = self.number.saturating_add(1);
        let envelope = Envelope {
            from: self.own,
            to: self.peer,
            number: self.number,
        };
        beat::encode(envelope, beat)
    }

    /// Takes an authentic message. `patience`: how long a run that was heard is not replaced by one
    /// that only introduces itself.
    pub fn unpack(
        &mut self,
        now: Time,
        patience: Duration,
        message: &[u8],
    ) -> Result<Opened, BadBeat> {
        let (envelope, beat) = beat::decode(message)?;
        if envelope.from == self.own {
            return Ok(Opened::Stale);
        }
        if envelope.to != self.own {
            if now.since(self.live_at) > patience || self.peer.0 == 0 {
                self.peer = envelope.from;
            }
            return Ok(Opened::Hello);
        }
        if !self.seen_of(envelope.from).is_new(envelope.number) {
            return Ok(Opened::Stale);
        }
        self.peer = envelope.from;
        self.live_at = now;
        Ok(Opened::Live(envelope.from, beat))
    }

    fn seen_of(&mut self, session: Session) -> &mut Seen {
        let index = match self.seen.iter().position(|seen| seen.session == session) {
            Some(index) => index,
            None => {
                if self.seen.len() >= SESSIONS_MAX {
                    self.seen.pop_front();
                }
                self.seen.push_back(Seen {
                    session,
                    top: 0,
                    bits: [0; (WINDOW / 64) as usize],
                });
                self.seen.len() - 1
            }
        };
        &mut self.seen[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::beat::Flags;
    use crate::role::record::{Epoch, NodeId};

    const PATIENCE: Duration = Duration::from_millis(150);

    fn beat() -> Beat {
        Beat {
            node: NodeId::new("a").unwrap(),
            flags: Flags::ACTIVE,
            epoch: Epoch(1),
            standby: None,
            change: 1,
            position: 2,
            applied: 3,
            sent: Time(4),
            echo: Time(5),
            held_ns: 6,
        }
    }

    fn live(opened: Result<Opened, BadBeat>) -> bool {
        matches!(opened, Ok(Opened::Live(..)))
    }

    #[test]
    fn only_the_right_key_opens_and_every_bit_counts() {
        let key = Key::derive(b"secret").unwrap();
        let sealed = key.seal(b"message".to_vec());
        assert_eq!(key.open(&sealed), Some(&b"message"[..]));
        assert_eq!(Key::derive(b"other").unwrap().open(&sealed), None);
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.open(&changed), None, "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert_eq!(key.open(&sealed[..length]), None);
        }
    }

    #[test]
    fn a_node_knows_only_the_keys_that_it_was_told() {
        let (a, b) = (Keyring::new().unwrap(), Keyring::new().unwrap());
        let sealed = a.seal(b"message".to_vec());
        assert_eq!(b.open(&sealed), None, "not told yet");
        b.learn(&a.secret()[1..]);
        assert_eq!(b.open(&sealed), None, "no secret");
        b.learn(a.secret());
        assert_eq!(b.open(&sealed), Some(&b"message"[..]));
        assert_eq!(a.open(&sealed), None, "our own, reflected");
        for _ in 0..PEER_KEYS_MAX {
            b.learn(Keyring::new().unwrap().secret());
        }
        assert_eq!(b.open(&sealed), None, "a run of long ago");
    }

    #[test]
    fn two_runs_meet_and_nothing_counts_twice() {
        let (mut a, mut b) = (Guard::new(Session(1)), Guard::new(Session(2)));
        let hello = a.pack(&beat());
        assert_eq!(b.unpack(Time(0), PATIENCE, &hello), Ok(Opened::Hello));
        let first = b.pack(&beat());
        assert!(live(a.unpack(Time(0), PATIENCE, &first)));
        assert_eq!(
            a.unpack(Time(0), PATIENCE, &first),
            Ok(Opened::Stale),
            "replayed"
        );
        let answer = a.pack(&beat());
        assert_eq!(
            a.unpack(Time(0), PATIENCE, &answer),
            Ok(Opened::Stale),
            "our own, reflected"
        );
        assert!(live(b.unpack(Time(0), PATIENCE, &answer)));
        // A new run of b: what was meant for the old one is nothing to it.
        let mut again = Guard::new(Session(3));
        assert_eq!(again.unpack(Time(0), PATIENCE, &answer), Ok(Opened::Hello));
    }

    #[test]
    fn late_ones_count_within_a_window() {
        let (mut a, mut b) = (Guard::new(Session(1)), Guard::new(Session(2)));
        let hello = b.pack(&beat());
        assert_eq!(a.unpack(Time(0), PATIENCE, &hello), Ok(Opened::Hello));
        let all: Vec<_> = (0..3000).map(|_| a.pack(&beat())).collect();
        assert!(live(b.unpack(Time(0), PATIENCE, &all[1500])));
        assert!(live(b.unpack(Time(0), PATIENCE, &all[1000])));
        assert_eq!(b.unpack(Time(0), PATIENCE, &all[1000]), Ok(Opened::Stale));
        assert_eq!(
            b.unpack(Time(0), PATIENCE, &all[400]),
            Ok(Opened::Stale),
            "too late"
        );
        assert!(live(b.unpack(Time(0), PATIENCE, &all[2999])));
        assert_eq!(b.unpack(Time(0), PATIENCE, &all[1500]), Ok(Opened::Stale));
        assert!(live(b.unpack(Time(0), PATIENCE, &all[2998])));
    }

    #[test]
    fn an_old_greeting_does_not_replace_a_live_run() {
        let (mut a, mut b) = (Guard::new(Session(1)), Guard::new(Session(2)));
        let old = Guard::new(Session(9)).pack(&beat());
        let hello = b.pack(&beat());
        a.unpack(Time(0), PATIENCE, &hello).unwrap();
        let first = a.pack(&beat());
        assert!(live(b.unpack(Time(0), PATIENCE, &first)));
        let answer = b.pack(&beat());
        assert!(live(a.unpack(Time(1), PATIENCE, &answer)));
        assert_eq!(a.unpack(Time(2), PATIENCE, &old), Ok(Opened::Hello));
        let next = a.pack(&beat());
        assert!(
            live(b.unpack(Time(2), PATIENCE, &next)),
            "it still speaks to b"
        );
    }
}
