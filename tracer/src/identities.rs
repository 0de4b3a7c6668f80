//! Which device and inode a file has to the application: after a takeover those that it had where
//! the application ran before, whatever they are here.

use crate::model::capture::Call;
use std::collections::HashMap;

/// Device (as in `st_dev`) and inode.
pub type Identity = (u64, u64);

/// Marks an inode here that would look like one of there.
const OTHER: u64 = 1 << 62;

/// What files here are to the application.
#[derive(Debug, Default)]
pub struct Identities {
    shown: HashMap<Identity, Identity>,
    /// The reverse.
    real: HashMap<Identity, Identity>,
    /// Devices whose inodes are those of there under another number of the device.
    devices: HashMap<u64, u64>,
}

impl Identities {
    /// A file here is, to the application, that one.
    pub fn is(&mut self, real: Identity, shown: Identity) {
        if let Some(before) = self.real.insert(shown, real)
            && before != real
        {
            self.shown.remove(&before);
        }
        if let Some(before) = self.shown.insert(real, shown)
            && before != shown
        {
            self.real.remove(&before);
        }
    }

    /// The inodes of a device here are, to the application, those of that one.
    pub fn device_is(&mut self, real: u64, shown: u64) {
        self.devices.insert(real, shown);
    }

    /// What a file is to the application.
    #[must_use]
    pub fn shown(&self, real: Identity) -> Identity {
        if let Some(shown) = self.shown.get(&real) {
            return *shown;
        }
        if let Some(shown) = self.devices.get(&real.0) {
            return (*shown, real.1);
        }
        if self.real.contains_key(&real) {
            return (real.0, real.1 | OTHER);
        }
        real
    }
}

/// Where a syscall stores what file it tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// A `struct stat`, here.
    Stat(u64),
    /// A `struct statx`, here.
    Statx(u64),
}

/// `stx_ino`, `stx_dev_major` and `stx_dev_minor` in a `struct statx`.
const STX_INO: usize = 32;
const STX_MAJOR: usize = 136;
const STX_MINOR: usize = 140;
/// Bytes of it, and of a `struct stat`, that matter here.
const STATX_BYTES: usize = 144;
const STAT_BYTES: usize = 16;

impl Told {
    /// Where this syscall does.
    #[must_use]
    pub fn by(call: &Call) -> Option<Self> {
        match call.def.name {
            "stat" | "lstat" | "fstat" => Some(Self::Stat(call.args[1])),
            "newfstatat" => Some(Self::Stat(call.args[2])),
            "statx" => Some(Self::Statx(call.args[4])),
            _ => None,
        }
    }

    /// The address, and how many bytes matter.
    #[must_use]
    pub const fn range(self) -> (u64, usize) {
        match self {
            Self::Stat(addr) => (addr, STAT_BYTES),
            Self::Statx(addr) => (addr, STATX_BYTES),
        }
    }

    /// What the bytes say.
    #[must_use]
    pub fn read(self, bytes: &[u8]) -> Option<Identity> {
        let long = |at| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let short = |at| {
            let word = u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?);
            Some(u64::from(word))
        };
        match self {
            Self::Stat(_) => Some((long(0)?, long(8)?)),
            Self::Statx(_) => {
                let (major, minor) = (short(STX_MAJOR)?, short(STX_MINOR)?);
                // include/linux/kdev_t.h, new_encode_dev.
                let dev = (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12);
                Some((dev, long(STX_INO)?))
            }
        }
    }

    /// Makes the bytes say something else.
    pub fn write(self, bytes: &mut [u8], (dev, ino): Identity) {
        let mut put = |at: usize, value: &[u8]| {
            if let Some(slot) = bytes.get_mut(at..at + value.len()) {
                slot.copy_from_slice(value);
            }
        };
        match self {
            Self::Stat(_) => {
                put(0, &dev.to_le_bytes());
                put(8, &ino.to_le_bytes());
            }
            Self::Statx(_) => {
                let (major, minor) = ((dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & !0xff));
                put(STX_INO, &ino.to_le_bytes());
                put(STX_MAJOR, &major.to_le_bytes()[..4]);
                put(STX_MINOR, &minor.to_le_bytes()[..4]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_knows_what_tells() {
        for rule in ::agent::rules::RULES {
            let def = crate::model::lookup(rule.nr.into()).expect("a syscall");
            let call = Call { def, args: [0; 6] };
            assert_eq!(rule.tells, Told::by(&call).is_some(), "{}", def.name);
        }
    }

    #[test]
    fn no_two_files_look_alike() {
        let mut files = Identities::default();
        files.is((1, 10), (1, 20));
        files.is((1, 20), (1, 30));
        assert_eq!(files.shown((1, 10)), (1, 20));
        assert_eq!(files.shown((1, 20)), (1, 30));
        // New here, with a number that another had there.
        assert_eq!(files.shown((1, 30)), (1, 30 | OTHER));
        assert_eq!(files.shown((1, 40)), (1, 40));
        // The number is used again there.
        files.is((1, 50), (1, 20));
        assert_eq!(files.shown((1, 50)), (1, 20));
        assert_eq!(files.shown((1, 10)), (1, 10));
    }

    #[test]
    fn a_device_of_both_nodes_has_one_number() {
        let mut files = Identities::default();
        files.device_is(1, 7);
        files.is((2, 20), (1, 10));
        assert_eq!(files.shown((1, 10)), (7, 10));
        assert_eq!(files.shown((2, 20)), (1, 10));
        assert_eq!(files.shown((3, 10)), (3, 10));
    }

    #[test]
    fn both_structures() {
        for told in [Told::Stat(0), Told::Statx(0)] {
            let mut bytes = [0; 256];
            told.write(&mut bytes, (0xfe01, 77));
            assert_eq!(told.read(&bytes), Some((0xfe01, 77)));
            assert_eq!(told.read(&bytes[..8]), None);
        }
    }
}
