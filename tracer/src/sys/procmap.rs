//! `PROCMAP_QUERY`: one area of a process's memory map, without all the others (Linux 6.11; `linux/fs.h`).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// `_IOWR('f', 17, struct procmap_query)`
const PROCMAP_QUERY: libc::c_ulong = 0xc068_6611;
const READABLE: u64 = 1;
const WRITABLE: u64 = 2;
const EXECUTABLE: u64 = 4;
const SHARED: u64 = 8;

/// `struct procmap_query`
#[repr(C)]
#[derive(Debug, Default)]
struct Query {
    size: u64,
    flags: u64,
    addr: u64,
    start: u64,
    end: u64,
    vma_flags: u64,
    page_size: u64,
    offset: u64,
    inode: u64,
    dev_major: u32,
    dev_minor: u32,
    name_size: u32,
    build_id_size: u32,
    name_addr: u64,
    build_id_addr: u64,
}

const _: () = assert!(size_of::<Query>() == 104);

/// What the kernel tells of an area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub start: u64,
    pub end: u64,
    /// `PROT_` bits.
    pub prot: i32,
    pub shared: bool,
    pub offset: u64,
    pub device: (u32, u32),
    pub inode: u64,
    pub name: Vec<u8>,
}

/// The area that has an address, by an open `/proc/<pid>/maps`. An error of the kernel's own: it cannot tell (`ENOTTY`: it is older),
/// or has no room for the name.
pub fn covering(maps: &File, addr: u64) -> io::Result<Option<Found>> {
    let mut name = [0u8; libc::PATH_MAX as usize];
    let mut query = Query {
        size: size_of::<Query>() as u64,
        addr,
        name_size: u32::try_from(name.len()).unwrap_or(0),
        name_addr: name.as_mut_ptr() as u64,
        ..Query::default()
    };
    // SAFETY: the kernel fills the structure, whose size it is told, and at most `name_size` bytes at `name_addr`; both
    // outlive the call.
    let done = unsafe { libc::ioctl(maps.as_raw_fd(), PROCMAP_QUERY, &raw mut query) };
    if done == -1 {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            Some(libc::ENOENT) => Ok(None),
            _ => Err(error),
        };
    }
    // With the zero at its end; without one, nothing.
    let len = usize::try_from(query.name_size)
        .unwrap_or(0)
        .saturating_sub(1);
    let bit = |flag: u64, prot: i32| if query.vma_flags & flag == 0 { 0 } else { prot };
    Ok(Some(Found {
        start: query.start,
        end: query.end,
        prot: bit(READABLE, libc::PROT_READ)
            | bit(WRITABLE, libc::PROT_WRITE)
            | bit(EXECUTABLE, libc::PROT_EXEC),
        shared: query.vma_flags & SHARED != 0,
        offset: query.offset,
        device: (query.dev_major, query.dev_minor),
        inode: query.inode,
        name: name.get(..len).unwrap_or_default().to_vec(),
    }))
}
