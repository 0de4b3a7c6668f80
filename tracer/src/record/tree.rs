//! Directory trees that a standby is to have as they are before the application runs.

use super::RecordError;
use super::journal_out::Output;
use super::memory::Memories;
use journal::{Event, TreeEntry, TreeItem};
use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Bits of a mode that say what may be done with a file.
const PERMISSIONS: u32 = 0o7777;
const NS: i64 = 1_000_000_000;

/// What a standby does with a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// It makes its own the same.
    Copied,
    /// It compares its own.
    Compared,
    /// It is on storage that both nodes reach: a standby does not touch it.
    Shared,
}

/// A tree, and what a standby does with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Its root, absolute.
    pub root: PathBuf,
    /// What a standby does with it.
    pub keep: Keep,
}

/// Journals trees as they are now; files of those that are copied are kept with the recording.
pub(super) fn describe(
    trees: &[Tree],
    recording: &Path,
    out: &mut Output,
    memories: &mut Memories,
) -> Result<(), RecordError> {
    for tree in trees {
        let failed = |path: &Path, error: io::Error| RecordError::Keep {
            path: path.display().to_string(),
            error: error.to_string(),
        };
        let root = std::fs::canonicalize(&tree.root).map_err(|error| failed(&tree.root, error))?;
        let own = std::fs::canonicalize(recording).map_err(|error| failed(recording, error))?;
        if root != tree.root {
            let why = format!("it is really {}: name that", root.display());
            return Err(failed(&tree.root, io::Error::other(why)));
        }
        if own.starts_with(&root) {
            let why = "the recording itself is in it";
            return Err(failed(&root, io::Error::other(why)));
        }
        if tree.keep == Keep::Shared {
            let here = std::env::current_dir().map_err(|error| failed(&root, error))?;
            if here.starts_with(&root) {
                let why = "the application would start in it: start it somewhere else";
                return Err(failed(&root, io::Error::other(why)));
            }
        }
        let mut walk = Walk {
            keep: tree.keep,
            out,
            memories,
            names: HashMap::new(),
            device: std::fs::metadata(&root).ok().map(|meta| meta.dev()),
        };
        walk.tree(&root).map_err(|(path, error)| match error {
            Trouble::Io(error) => failed(&path, error),
            Trouble::Record(error) => error,
        })?;
    }
    Ok(())
}

enum Trouble {
    Io(io::Error),
    Record(RecordError),
}

type Walked = Result<(), (PathBuf, Trouble)>;

struct Walk<'a> {
    keep: Keep,
    out: &'a mut Output,
    memories: &'a mut Memories,
    /// First names of files that have several.
    names: HashMap<(u64, u64), PathBuf>,
    /// The file system of the root.
    device: Option<u64>,
}

impl Walk<'_> {
    fn tree(&mut self, root: &Path) -> Walked {
        let at = |error| (root.to_owned(), Trouble::Io(error));
        let meta = std::fs::symlink_metadata(root).map_err(at)?;
        if !meta.is_dir() {
            return Err(at(io::ErrorKind::NotADirectory.into()));
        }
        let begin = match self.keep {
            Keep::Copied => TreeItem::Begin(true),
            Keep::Compared => TreeItem::Begin(false),
            Keep::Shared => TreeItem::BeginShared,
        };
        self.tell(root, &meta, begin)?;
        self.directory(root)?;
        self.tell(root, &meta, TreeItem::End)
    }

    fn directory(&mut self, dir: &Path) -> Walked {
        let at = |error| (dir.to_owned(), Trouble::Io(error));
        let entries = std::fs::read_dir(dir).map_err(at)?;
        let mut paths = Vec::new();
        for entry in entries {
            paths.push(entry.map_err(at)?.path());
        }
        paths.sort_unstable();
        for path in paths {
            let at = |error| (path.clone(), Trouble::Io(error));
            let meta = std::fs::symlink_metadata(&path).map_err(at)?;
            if meta.is_dir() {
                if self.keep == Keep::Shared && self.device != Some(meta.dev()) {
                    let why = "another file system is mounted in a shared tree";
                    return Err(at(io::Error::other(why)));
                }
                self.tell(&path, &meta, TreeItem::Directory)?;
                self.directory(&path)?;
            } else {
                self.leaf(&path, &meta)?;
            }
        }
        Ok(())
    }

    fn leaf(&mut self, path: &Path, meta: &Metadata) -> Walked {
        let at = |error| (path.to_owned(), Trouble::Io(error));
        if meta.nlink() > 1 {
            let identity = (meta.dev(), meta.ino());
            if let Some(first) = self.names.get(&identity) {
                let first = first.as_os_str().as_bytes().to_vec();
                return self.tell(path, meta, TreeItem::Again(first.into()));
            }
            self.names.insert(identity, path.to_owned());
        }
        let kind = meta.file_type();
        if kind.is_symlink() {
            let target = std::fs::read_link(path).map_err(at)?;
            let target = target.as_os_str().as_bytes().to_vec();
            return self.tell(path, meta, TreeItem::Link(target.into()));
        }
        if !kind.is_file() {
            let item = TreeItem::Node(meta.mode() & libc::S_IFMT, meta.rdev());
            return self.tell(path, meta, item);
        }
        if self.keep == Keep::Shared {
            return self.tell(path, meta, TreeItem::Size(meta.len()));
        }
        let file = File::open(path).map_err(at)?;
        let item = if self.keep == Keep::Copied {
            let kept = self
                .memories
                .keep(self.out, &file, path.as_os_str().as_bytes());
            TreeItem::File(kept.map_err(|error| (path.to_owned(), Trouble::Record(error)))?)
        } else {
            let (hash, size) = journal::hash_file(&file, meta.len()).map_err(at)?;
            TreeItem::Content(hash, size)
        };
        self.tell(path, meta, item)
    }

    fn tell(&mut self, path: &Path, meta: &Metadata, item: TreeItem<'_>) -> Walked {
        let entry = TreeEntry {
            path: path.as_os_str().as_bytes().into(),
            mode: meta.mode() & PERMISSIONS,
            uid: meta.uid(),
            gid: meta.gid(),
            modified_ns: meta
                .mtime()
                .saturating_mul(NS)
                .saturating_add(meta.mtime_nsec()),
            item,
        };
        self.out
            .append(&Event::Tree(entry))
            .map_err(|error| (path.to_owned(), Trouble::Record(error)))
    }
}
