//! `/proc/<pid>/maps`, parsed.

use crate::sys::wait::Pid;
use std::io;

/// One line of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Area {
    /// First address.
    pub start: u64,
    /// Address after the last.
    pub end: u64,
    /// `PROT_` bits.
    pub prot: u32,
    /// `MAP_SHARED` rather than `MAP_PRIVATE`.
    pub shared: bool,
    /// Offset in the file.
    pub offset: u64,
    /// Device number of the file, as `major << 32 | minor`.
    pub dev: u64,
    /// Inode of the file; 0: none.
    pub inode: u64,
    /// Path, or a name in brackets.
    pub name: Vec<u8>,
}

impl Area {
    /// Bytes.
    #[must_use]
    #[allow(
        clippy::len_without_is_empty,
        reason = "the kernel shows no empty area"
    )]
    pub const fn len(&self) -> u64 {
        self.end - self.start
    }
}

/// Reads the map of a process.
pub fn read(pid: Pid) -> io::Result<Vec<Area>> {
    let text = std::fs::read(format!("/proc/{pid}/maps"))?;
    text.split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            parse(line).ok_or_else(|| io::Error::other("unreadable line in /proc/<pid>/maps"))
        })
        .collect()
}

/// The numbers of the descriptors of a process.
#[must_use]
pub fn descriptors(pid: Pid) -> Vec<i32> {
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

fn parse(line: &[u8]) -> Option<Area> {
    // The path may contain anything, spaces included: split off five fields only.
    let mut rest = line;
    let mut field = || {
        let end = rest
            .iter()
            .position(|&byte| byte == b' ')
            .unwrap_or(rest.len());
        let (head, tail) = rest.split_at(end);
        rest = tail.trim_ascii_start();
        std::str::from_utf8(head).ok()
    };
    let (start, end) = field()?.split_once('-')?;
    let perms = field()?.as_bytes();
    let offset = field()?;
    let (major, minor) = field()?.split_once(':')?;
    let inode = field()?;
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let bit = |index: usize, letter: u8, value: i32| {
        if perms.get(index) == Some(&letter) {
            value.unsigned_abs()
        } else {
            0
        }
    };
    Some(Area {
        start: hex(start)?,
        end: hex(end)?,
        prot: bit(0, b'r', libc::PROT_READ)
            | bit(1, b'w', libc::PROT_WRITE)
            | bit(2, b'x', libc::PROT_EXEC),
        shared: perms.get(3) == Some(&b's'),
        offset: hex(offset)?,
        dev: hex(major)? << 32 | hex(minor)?,
        inode: inode.parse().ok()?,
        name: rest.to_vec(),
    })
}

/// Device numbers in `/proc/<pid>/maps` against those of `stat`.
#[must_use]
pub fn same_device(in_maps: u64, in_stat: u64) -> bool {
    in_maps == u64::from(libc::major(in_stat)) << 32 | u64::from(libc::minor(in_stat))
}

/// The inode of the socket that a descriptor of a process is.
pub fn socket(process: Pid, fd: i32) -> Option<u64> {
    let link = std::fs::read_link(format!("/proc/{process}/fd/{fd}")).ok()?;
    let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
    inode.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_parse() {
        let area =
            parse(b"7f0000001000-7f0000003000 r-xs 00002000 fe:01 4242   /a path/with  spaces")
                .expect("parses");
        assert_eq!(area.len(), 0x2000);
        assert_eq!(area.prot, 5);
        assert!(area.shared);
        assert_eq!(
            (area.offset, area.dev, area.inode),
            (0x2000, 0xfe_0000_0001, 4242)
        );
        assert_eq!(area.name, b"/a path/with  spaces");
        assert_eq!(
            parse(b"00400000-00401000 ---p 00000000 00:00 0")
                .expect("parses")
                .name,
            b""
        );
        assert_eq!(parse(b"nonsense"), None);
    }

    #[test]
    fn the_own_map_is_readable() {
        let pid = Pid(i32::try_from(std::process::id()).expect("a pid"));
        assert!(
            read(pid)
                .expect("readable")
                .iter()
                .any(|area| area.name == b"[stack]")
        );
    }
}
