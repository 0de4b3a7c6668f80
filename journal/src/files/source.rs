//! What is to be kept, read once: hashed, and copied as it is hashed.

use super::copy;
use crate::sys;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use xxhash_rust::xxh3::Xxh3;

/// What holes are hashed as.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Gets each piece that is read, and where in the file it is.
type Visit<'a> = &'a mut dyn FnMut(&[u8], u64) -> io::Result<()>;

/// A file whose content is wanted.
pub(super) struct Source<'f> {
    file: &'f File,
    /// The same with a file position of its own, which may be moved.
    own: Option<File>,
}

impl<'f> Source<'f> {
    pub(super) fn of(file: &'f File) -> Self {
        Self {
            file,
            own: copy::reopen(file),
        }
    }

    /// A file whose position is somebody else's, too.
    pub(super) const fn shared(file: &'f File) -> Self {
        Self { file, own: None }
    }

    /// Names it in messages.
    pub(super) fn described(&self) -> PathBuf {
        copy::describe(self.file)
    }

    fn reader(&self) -> &File {
        self.own.as_ref().unwrap_or(self.file)
    }

    /// Hash and number of its first `size` bytes, or of fewer if it has fewer.
    pub(super) fn hash(
        &self,
        size: u64,
        buffer: &mut [u8],
        at_work: &dyn Fn(),
    ) -> io::Result<(u128, u64)> {
        let mut hash = Xxh3::new();
        let size = self.read(&mut hash, size, buffer, at_work, &mut |_, _| Ok(()))?;
        Ok((hash.digest128(), size))
    }

    /// Reads and hashes them, but for its holes, which may be many times as long as the data. How many there are.
    pub(super) fn read(
        &self,
        hash: &mut Xxh3,
        size: u64,
        buffer: &mut [u8],
        at_work: &dyn Fn(),
        visit: Visit<'_>,
    ) -> io::Result<u64> {
        let file = self.reader();
        let metadata = file.metadata()?;
        let has_holes = self.own.is_some() && metadata.is_file();
        let size = if has_holes {
            size.min(metadata.len())
        } else {
            size
        };
        let mut at = 0;
        loop {
            let next = if has_holes {
                copy::next_data(file, at, size)
            } else {
                (at < size).then_some((at, size))
            };
            let Some((start, end)) = next else {
                break;
            };
            hash_zeros(hash, start - at);
            at = start;
            while at < end {
                at_work();
                let want =
                    usize::try_from(end - at).map_or(buffer.len(), |left| left.min(buffer.len()));
                match file.read_at(&mut buffer[..want], at) {
                    // It has become shorter.
                    Ok(0) => return Ok(at),
                    Ok(len) => {
                        hash.update(&buffer[..len]);
                        visit(&buffer[..len], at)?;
                        at += len as u64;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        if has_holes {
            hash_zeros(hash, size - at);
            at = size;
        }
        Ok(at)
    }

    /// Makes the content of `to`, which is empty, its first `size` bytes. The hash and the length of what lies there then:
    /// it may have changed since it was looked at.
    pub(super) fn copy(
        &self,
        to: &File,
        size: u64,
        buffer: &mut [u8],
        at_work: &dyn Fn(),
    ) -> io::Result<(u128, u64)> {
        if sys::clone_content(self.reader(), to).is_ok() {
            if to.metadata()?.len() > size {
                to.set_len(size)?;
            }
            let copy = Source {
                file: to,
                own: Some(to.try_clone()?),
            };
            return copy.hash(size, buffer, at_work);
        }
        let mut hash = Xxh3::new();
        let mut write = |piece: &[u8], at| to.write_all_at(piece, at);
        let size = self.read(&mut hash, size, buffer, at_work, &mut write)?;
        // A hole at its end was not written.
        to.set_len(size)?;
        Ok((hash.digest128(), size))
    }
}

pub(super) fn hash_zeros(hash: &mut Xxh3, mut len: u64) {
    while len > 0 {
        let piece = usize::try_from(len).map_or(ZEROS.len(), |len| len.min(ZEROS.len()));
        hash.update(&ZEROS[..piece]);
        len -= piece as u64;
    }
}
