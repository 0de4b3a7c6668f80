//! Memory of another process.

use super::wait::Pid;
use crate::model::capture::Memory;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The memory that a thread sees.
#[derive(Debug, Clone, Copy)]
pub struct Remote(pub Pid);

impl Remote {
    /// Reads up to `buf.len()` bytes at `addr`; returns how many, fewer where the
    /// memory is not readable.
    #[must_use]
    pub fn read_some(&self, addr: u64, buf: &mut [u8]) -> usize {
        if buf.is_empty() {
            return 0;
        }
        let fast = self.vm_read(addr, buf);
        if fast == buf.len() {
            return fast;
        }
        // The application may not be allowed to read it (execute-only, PROT_NONE) and
        // yet the kernel wrote there before: /proc/<pid>/mem does not ask.
        let slow = self.proc_read(addr + fast as u64, &mut buf[fast..]);
        fast + slow
    }

    fn vm_read(&self, addr: u64, buf: &mut [u8]) -> usize {
        let local = libc::iovec {
            iov_base: buf.as_mut_ptr().cast(),
            iov_len: buf.len(),
        };
        let remote = libc::iovec {
            iov_base: addr as *mut libc::c_void,
            iov_len: buf.len(),
        };
        // SAFETY: `local` describes `buf`, which outlives the call; `remote` names
        // memory of the other process, which the kernel checks.
        let done = unsafe {
            libc::process_vm_readv(self.0.0, &raw const local, 1, &raw const remote, 1, 0)
        };
        usize::try_from(done).unwrap_or(0)
    }

    /// Reads several ranges with one call, which costs little more than one of them, in this
    /// order; how many bytes of each there were.
    #[must_use]
    pub fn read_parts<const N: usize>(&self, parts: [(u64, &mut [u8]); N]) -> [usize; N] {
        let lens = parts.each_ref().map(|part| part.1.len());
        let remote = parts.each_ref().map(|part| libc::iovec {
            iov_base: part.0 as *mut libc::c_void,
            iov_len: part.1.len(),
        });
        let local = parts.map(|part| libc::iovec {
            iov_base: part.1.as_mut_ptr().cast(),
            iov_len: part.1.len(),
        });
        let count = N as libc::c_ulong;
        // SAFETY: `local` describes the buffers, which outlive the call; `remote` names
        // memory of the other process, which the kernel checks.
        let done = unsafe {
            libc::process_vm_readv(self.0.0, local.as_ptr(), count, remote.as_ptr(), count, 0)
        };
        let mut left = usize::try_from(done).unwrap_or(0);
        lens.map(|len| {
            let part = left.min(len);
            left -= part;
            part
        })
    }

    fn proc_read(&self, addr: u64, buf: &mut [u8]) -> usize {
        let Ok(file) = File::open(format!("/proc/{}/mem", self.0)) else {
            return 0;
        };
        let mut done = 0;
        while done < buf.len() {
            match file.read_at(&mut buf[done..], addr + done as u64) {
                Ok(0) | Err(_) => break,
                Ok(count) => done += count,
            }
        }
        done
    }

    /// Reads exactly `buf.len()` bytes.
    pub fn read_exact(&self, addr: u64, buf: &mut [u8]) -> io::Result<()> {
        if self.read_some(addr, buf) == buf.len() {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(libc::EFAULT))
        }
    }

    /// Reads one 64-bit word.
    pub fn read_u64(&self, addr: u64) -> io::Result<u64> {
        let mut word = [0; 8];
        self.read_exact(addr, &mut word)?;
        Ok(u64::from_le_bytes(word))
    }

    /// Reads one 32-bit word.
    pub fn read_u32(&self, addr: u64) -> io::Result<u32> {
        let mut word = [0; 4];
        self.read_exact(addr, &mut word)?;
        Ok(u32::from_le_bytes(word))
    }

    /// Writes all of `data` at `addr` if the application may write there; whether it did.
    #[must_use]
    pub fn write_permitted(&self, addr: u64, data: &[u8]) -> bool {
        self.vm_write(addr, data) == data.len()
    }

    /// Writes all of `data` at `addr`, whatever the protection of the pages.
    pub fn write(&self, addr: u64, data: &[u8]) -> io::Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        let done = self.vm_write(addr, data);
        if done == data.len() {
            return Ok(());
        }
        // Read-only to the application: /proc/<pid>/mem breaks the copy-on-write.
        let file = File::options()
            .write(true)
            .open(format!("/proc/{}/mem", self.0))?;
        file.write_all_at(&data[done..], addr + done as u64)
    }

    /// Writes several pieces, each whole, whatever the protection of the pages; how many of them,
    /// the first ones, it could.
    #[must_use]
    pub fn write_pieces(&self, pieces: &[(u64, Vec<u8>)]) -> usize {
        let file = File::options()
            .write(true)
            .open(format!("/proc/{}/mem", self.0));
        let Ok(file) = file else { return 0 };
        let written = |(addr, data): &(u64, Vec<u8>)| file.write_all_at(data, *addr).is_ok();
        pieces.iter().take_while(|piece| written(piece)).count()
    }

    /// Writes many pieces, in this order, as long as the application may write there.
    pub fn write_all<'d>(&self, pieces: impl Iterator<Item = (u64, &'d [u8])>) -> io::Result<()> {
        /// `UIO_MAXIOV`
        const AT_ONCE: usize = 1024;
        let mut pieces = pieces.peekable();
        while pieces.peek().is_some() {
            let mut local = Vec::with_capacity(AT_ONCE);
            let mut remote = Vec::with_capacity(AT_ONCE);
            let mut total = 0;
            for (addr, data) in pieces.by_ref().take(AT_ONCE) {
                local.push(libc::iovec {
                    iov_base: data.as_ptr().cast_mut().cast(),
                    iov_len: data.len(),
                });
                remote.push(libc::iovec {
                    iov_base: addr as *mut libc::c_void,
                    iov_len: data.len(),
                });
                total += data.len();
            }
            let count = local.len() as libc::c_ulong;
            // SAFETY: `local` describes the pieces, which are only read and outlive the call; `remote`
            // names memory of the other process, which the kernel checks.
            let done = unsafe {
                libc::process_vm_writev(self.0.0, local.as_ptr(), count, remote.as_ptr(), count, 0)
            };
            match usize::try_from(done) {
                Ok(done) if done == total => {}
                Ok(_) => return Err(io::Error::from_raw_os_error(libc::EFAULT)),
                Err(_) => return Err(io::Error::last_os_error()),
            }
        }
        Ok(())
    }

    fn vm_write(&self, addr: u64, data: &[u8]) -> usize {
        let local = libc::iovec {
            iov_base: data.as_ptr().cast_mut().cast(),
            iov_len: data.len(),
        };
        let remote = libc::iovec {
            iov_base: addr as *mut libc::c_void,
            iov_len: data.len(),
        };
        // SAFETY: `local` describes `data`, which is only read; `remote` names memory of
        // the other process, which the kernel checks.
        let done = unsafe {
            libc::process_vm_writev(self.0.0, &raw const local, 1, &raw const remote, 1, 0)
        };
        usize::try_from(done).unwrap_or(0)
    }
}

/// A read-only view of a file that nobody is expected to change: a kept file, or a program.
pub fn map_file(file: &File) -> io::Result<memmap2::Mmap> {
    // SAFETY: the mapping is only read; should somebody truncate the file all the same,
    // the access faults, which costs this process its life but corrupts nothing.
    unsafe { memmap2::Mmap::map(file) }
}

/// The memory that a thread sees, some of which was read already.
#[derive(Debug, Clone, Copy)]
pub struct Ahead<'b> {
    /// All of it.
    pub memory: Remote,
    /// Where the part lies.
    pub addr: u64,
    /// The part.
    pub bytes: &'b [u8],
}

impl Memory for Ahead<'_> {
    fn read(&self, addr: u64, buf: &mut [u8]) -> usize {
        let known = usize::try_from(addr.wrapping_sub(self.addr))
            .ok()
            .and_then(|at| self.bytes.get(at..at.checked_add(buf.len())?));
        match known {
            Some(known) => {
                buf.copy_from_slice(known);
                buf.len()
            }
            None => self.memory.read_some(addr, buf),
        }
    }
}

impl Memory for Remote {
    fn read(&self, addr: u64, buf: &mut [u8]) -> usize {
        self.read_some(addr, buf)
    }
}
