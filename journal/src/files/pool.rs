//! Kept content that several recordings share, by hard links: what one of them has kept, the next need not read, copy and
//! store again.
//!
//! Which content a file has is told by its identity: what the kernel says of it without reading it. Such an identity is good
//! as long as the kernel runs, and so is a pool: what was written before a loss of power may not be what it was. Nothing here
//! is needed; whatever fails, fails silently, and the content is read and copied.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// The directory of pools, in the one that has the recordings.
const POOLS_DIR: &str = ".kept";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Before what an identity is called.
const IDENTITY: &str = "of-";
/// Bytes of a note's checksum, in front of it.
const SUM_BYTES: usize = 8;

/// The pool of the running kernel, in a directory of recordings.
#[derive(Debug, Clone)]
pub struct Pool {
    dir: PathBuf,
}

impl Pool {
    /// Opens the pool of `base`, or begins it. Those of before the last start of the kernel go.
    pub fn open(base: &Path) -> io::Result<Self> {
        let boot = fs::read_to_string(BOOT_ID)?;
        let pools = base.join(POOLS_DIR);
        let dir = pools.join(boot.trim());
        match DirBuilder::new().mode(0o700).create(&pools) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        match DirBuilder::new().mode(0o700).create(&dir) {
            Ok(()) => others_go(&pools, &dir),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        Ok(Self { dir })
    }

    /// Removes from the pools of `base` what no recording has any more.
    pub fn sweep(base: &Path) -> io::Result<()> {
        for pool in fs::read_dir(base.join(POOLS_DIR))? {
            let pool = pool?.path();
            for entry in fs::read_dir(&pool)? {
                let entry = entry?;
                let meta = entry.metadata()?;
                if is_content(&entry.file_name()) && meta.is_file() && meta.nlink() == 1 {
                    let _ = fs::remove_file(entry.path());
                }
            }
            for entry in fs::read_dir(&pool)? {
                let entry = entry?;
                let is_link = entry.file_type()?.is_symlink();
                let name = entry.file_name();
                let of = name.to_str().and_then(|name| name.split_once('.'));
                let left = match of {
                    Some((content, _)) => pool.join(content).exists(),
                    None => !is_link || entry.path().exists(),
                };
                if !left {
                    let _ = fs::remove_file(entry.path());
                }
            }
            // If nothing is left.
            let _ = fs::remove_dir(&pool);
        }
        let _ = fs::remove_dir(base.join(POOLS_DIR));
        Ok(())
    }

    /// Which content what has this identity is known to have.
    pub(super) fn known(&self, identity: &str) -> Option<u128> {
        let content = fs::read_link(self.identity(identity)).ok()?;
        super::hash_of_name(content.to_str()?)
    }

    /// Gives a recording its link to content.
    pub(super) fn link(&self, hash: u128, to: &Path) -> io::Result<()> {
        fs::hard_link(self.content(hash), to)
    }

    /// What has this identity has this content, which a recording keeps at `kept`.
    pub(super) fn add(&self, identity: &str, hash: u128, kept: &Path) -> io::Result<()> {
        match fs::hard_link(kept, self.content(hash)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        symlink(format!("{hash:032x}"), self.identity(identity))
    }

    /// What somebody has noted under `kind` about content.
    #[must_use]
    pub fn note(&self, hash: u128, kind: &str) -> Option<Vec<u8>> {
        let mut bytes = fs::read(self.note_path(hash, kind)).ok()?;
        let sum = bytes.first_chunk::<SUM_BYTES>().copied()?;
        bytes.drain(..SUM_BYTES);
        (u64::from_le_bytes(sum) == xxh3_64(&bytes)).then_some(bytes)
    }

    /// Notes something about content, if the pool has that.
    pub fn add_note(&self, hash: u128, kind: &str, note: &[u8]) -> io::Result<()> {
        self.content(hash).metadata()?;
        let path = self.note_path(hash, kind);
        let temporary = path.with_added_extension(format!("new-{}", std::process::id()));
        let written = File::create(&temporary).and_then(|mut file| {
            file.write_all(&xxh3_64(note).to_le_bytes())?;
            file.write_all(note)
        });
        let done = written.and_then(|()| fs::rename(&temporary, path));
        if done.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        done
    }

    fn content(&self, hash: u128) -> PathBuf {
        self.dir.join(format!("{hash:032x}"))
    }

    fn identity(&self, identity: &str) -> PathBuf {
        self.dir.join(format!("{IDENTITY}{identity}"))
    }

    fn note_path(&self, hash: u128, kind: &str) -> PathBuf {
        self.dir.join(format!("{hash:032x}.{kind}"))
    }
}

fn is_content(name: &OsStr) -> bool {
    name.to_str().and_then(super::hash_of_name).is_some()
}

fn others_go(pools: &Path, stays: &Path) {
    for entry in fs::read_dir(pools).into_iter().flatten().flatten() {
        if entry.path() != stays {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
