//! `/proc/<pid>/maps`, parsed.

use crate::sys::procmap;
use crate::sys::wait::Pid;
use std::fs::File;
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

/// The area of a process that has an address.
pub fn covering(pid: Pid, addr: u64) -> io::Result<Option<Area>> {
    let file = File::open(format!("/proc/{pid}/maps"))?;
    if let Ok(found) = procmap::covering(&file, addr) {
        return Ok(found.map(|found| Area {
            start: found.start,
            end: found.end,
            prot: found.prot.cast_unsigned(),
            shared: found.shared,
            offset: found.offset,
            dev: u64::from(found.device.0) << 32 | u64::from(found.device.1),
            inode: found.inode,
            name: found.name,
        }));
    }
    // The kernel is older than Linux 6.11.
    let areas = read(pid)?.into_iter();
    Ok(areas
        .rev()
        .find(|area| (area.start..area.end).contains(&addr)))
}

/// An area, and what the kernel tells of it beyond that: as much as decides which advice
/// (`madvise`) it takes for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advisable {
    /// The area.
    pub area: Area,
    /// The kernel's names for what it is (`VmFlags`), of two letters each.
    pub flags: String,
}

impl Advisable {
    /// Whether it is what the kernel calls so.
    #[must_use]
    pub fn has(&self, flag: &str) -> bool {
        self.flags.split_ascii_whitespace().any(|has| has == flag)
    }
}

/// Reads the map of a process with all that the kernel tells of it. It looks at every page for that.
pub fn advisable(pid: Pid) -> io::Result<Vec<Advisable>> {
    let text = std::fs::read(format!("/proc/{pid}/smaps"))?;
    parse_advisable(&text).ok_or_else(|| io::Error::other("unreadable line in /proc/<pid>/smaps"))
}

fn parse_advisable(text: &[u8]) -> Option<Vec<Advisable>> {
    let mut found = Vec::new();
    let mut area = None;
    for line in text.split(|&byte| byte == b'\n') {
        let first = line.split(|&byte| byte == b' ').next().unwrap_or(line);
        if let Some(flags) = line.strip_prefix(b"VmFlags:") {
            let flags = String::from_utf8_lossy(flags).into_owned();
            let area = area.take()?;
            found.push(Advisable { area, flags });
        } else if !line.is_empty() && !first.ends_with(b":") {
            let before = area.replace(parse(line)?);
            if before.is_some() {
                return None;
            }
        }
    }
    area.is_none().then_some(found)
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

    /// However it is asked, each area is the same.
    #[test]
    fn one_area_is_told_as_all_are() {
        let own = Pid(std::process::id().cast_signed());
        let file = File::open("/proc/self/maps").expect("opens");
        let areas = read(own).expect("reads");
        let mut same = 0;
        for area in areas.iter().filter(|area| area.name != b"[vsyscall]") {
            let found = covering(own, area.start).expect("tells");
            // Other tests map and unmap meanwhile.
            same += usize::from(found.as_ref() == Some(area));
            if area.name == b"[stack]" || area.name == b"[vdso]" {
                let last = covering(own, area.end - 1).expect("tells");
                assert_eq!(last.as_ref().map(|area| &area.name), Some(&area.name));
            }
        }
        assert!(same * 2 > areas.len(), "{same} of {}", areas.len());
        assert_eq!(covering(own, 0).expect("tells"), None);
        // Whether this kernel can tell it so.
        match procmap::covering(&file, 0) {
            Ok(found) => assert_eq!(found, None),
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::ENOTTY)),
        }
    }

    #[test]
    fn flags_belong_to_their_areas() {
        let text = b"1000-2000 rw-p 00000000 00:00 0 /a: b\nSize:   4 kB\nVmFlags: rd wr lo \n\
            3000-5000 r--p 00000000 00:00 0 \nSize:  8 kB\nTHPeligible:    0\nVmFlags: rd \n";
        let found = parse_advisable(text).expect("parses");
        let has: Vec<_> = found
            .iter()
            .map(|found| (found.area.start, found.has("lo"), found.has("rd")))
            .collect();
        assert_eq!(has, [(0x1000, true, true), (0x3000, false, true)]);
        for bad in [
            &b"1000-2000 rw-p 00000000 00:00 0\nSize: 4 kB\n"[..],
            b"VmFlags: rd\n",
            b"1000-2000 rw-p 00000000 00:00 0\n3000-4000 rw-p 00000000 00:00 0\nVmFlags: rd\n",
            b"what is this\n",
        ] {
            assert_eq!(parse_advisable(bad), None);
        }
        let own = advisable(Pid(std::process::id().cast_signed())).expect("reads");
        assert!(own.iter().any(|found| found.has("ex")));
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
