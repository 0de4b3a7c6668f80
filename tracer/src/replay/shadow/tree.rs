//! Directory trees as they were before the application ran: made the same here, or compared.

use crate::record::{Keep, Tree};
use crate::replay::error::ReplayError;
use crate::replay::session::Session;
use crate::sys::host;
use journal::{FileId, TreeEntry, TreeItem};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{
    DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown, symlink,
};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What this node lets a journal say about its directories.
#[derive(Debug, Default)]
pub(super) struct Trees {
    /// What this node's own operator has chosen.
    allowed: Vec<Tree>,
    /// The one that is being told of.
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    root: PathBuf,
    keep: Keep,
    listed: HashSet<PathBuf>,
}

impl Trees {
    pub const fn new(allowed: Vec<Tree>) -> Self {
        Self {
            allowed,
            current: None,
        }
    }
}

impl Session {
    /// The journal tells of a part of a tree.
    pub(in crate::replay) fn tree(&mut self, entry: &TreeEntry<'_>) -> Result<(), ReplayError> {
        let Some(shadow) = &mut self.shadow else {
            return Ok(());
        };
        let Some(trees) = &mut shadow.trees else {
            return Ok(());
        };
        let path = PathBuf::from(OsStr::from_bytes(&entry.path));
        let failed = |why: String| ReplayError::Tree {
            path: path.display().to_string(),
            why,
        };
        let content = match &entry.item {
            TreeItem::File(id) => Some(*id),
            _ => None,
        };
        let keep = match trees.expects(&path, &entry.item) {
            Ok(keep) => keep,
            Err(why) => return Err(failed(why)),
        };
        let done = match keep {
            Keep::Copied => make(&path, entry, Path::to_owned, |to| {
                self.copy_kept(content, to)
            }),
            Keep::Compared => compare(&path, entry),
            Keep::Shared => {
                let there = |path: &Path| shadow.namespaces.path(path);
                make(&there(&path), entry, there, |_| Ok(false))
            }
        };
        done.map_err(|error| failed(error.to_string()))?;
        if matches!(entry.item, TreeItem::End)
            && let Some(trees) = self
                .shadow
                .as_mut()
                .and_then(|shadow| shadow.trees.as_mut())
            && let Some(tree) = trees.current.take()
            && tree.keep != Keep::Shared
        {
            tree.nothing_else(&tree.root)
                .map_err(|error| failed(error.to_string()))?;
        }
        Ok(())
    }

    /// Hash of a kept file, and the way to its content.
    fn copy_kept(&self, id: Option<FileId>, to: Content<'_>) -> io::Result<bool> {
        let kept = id.and_then(|id| self.files.get(&id));
        let kept = kept.ok_or_else(|| io::Error::other("the journal lacks its content"))?;
        match to {
            Content::Same(file, size) => Ok(journal::hash_file(file, size)?.0 == kept.hash),
            Content::Into(file) => {
                let copied = self.store.copy_out(kept.hash, file);
                copied.map_err(io::Error::other).map(|()| true)
            }
        }
    }
}

/// What is wanted of a kept file's content.
enum Content<'a> {
    /// Whether this file has it, which has so many bytes.
    Same(&'a File, u64),
    /// That it be put into this one.
    Into(&'a File),
}

impl Trees {
    /// What this node does with it; why it will not have it at all.
    fn expects(&mut self, path: &Path, item: &TreeItem<'_>) -> Result<Keep, String> {
        let plain = path
            .components()
            .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        if !plain || !path.is_absolute() || path.as_os_str().as_bytes().contains(&0) {
            return Err("no path in a tree".to_owned());
        }
        let begun = match item {
            TreeItem::Begin(true) => Some(Keep::Copied),
            TreeItem::Begin(false) => Some(Keep::Compared),
            TreeItem::BeginShared => Some(Keep::Shared),
            _ => None,
        };
        if let Some(keep) = begun {
            self.allows(path, keep)?;
            self.current = Some(Current {
                root: path.to_owned(),
                keep,
                listed: HashSet::new(),
            });
        }
        let Some(current) = &mut self.current else {
            return Err("it is in no tree".to_owned());
        };
        let is_root = current.root == path;
        let about_root = begun.is_some() || matches!(item, TreeItem::End);
        if !path.starts_with(&current.root) || is_root != about_root {
            return Err(format!("it is not in {}", current.root.display()));
        }
        current.listed.insert(path.to_owned());
        if matches!(item, TreeItem::Size(_)) != (current.keep == Keep::Shared)
            && matches!(
                item,
                TreeItem::Size(_) | TreeItem::File(_) | TreeItem::Content(..)
            )
        {
            return Err("no file of such a tree".to_owned());
        }
        Ok(current.keep)
    }

    /// Why this node does not do that with a tree, if it does not.
    fn allows(&self, path: &Path, keep: Keep) -> Result<(), String> {
        let own = self.allowed.iter().find(|tree| tree.root == path);
        let own = own.map(|tree| tree.keep);
        let (what, policy) = match keep {
            Keep::Copied if own != Some(Keep::Copied) => ("shares out", "unshared"),
            Keep::Shared if own != Some(Keep::Shared) => ("shares with this node", "shared"),
            Keep::Compared if own == Some(Keep::Shared) => {
                return Err(format!(
                    "this node was started with `--storage {}=shared`, and the primary was not",
                    path.display()
                ));
            }
            _ => return Ok(()),
        };
        Err(format!(
            "the primary {what} this directory, but this node was started without \
             `--storage {}={policy}`",
            path.display()
        ))
    }
}

impl Current {
    /// Takes away, or does not accept, what was not told of.
    fn nothing_else(&self, dir: &Path) -> io::Result<()> {
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            let is_dir = std::fs::symlink_metadata(&path)?.is_dir();
            if self.listed.contains(&path) {
                if is_dir {
                    self.nothing_else(&path)?;
                }
            } else if self.keep == Keep::Copied {
                remove(&path)?;
            } else {
                return Err(io::Error::other(format!(
                    "{} is not there on the primary",
                    path.display()
                )));
            }
        }
        Ok(())
    }
}

fn found(path: &Path) -> io::Result<Option<Metadata>> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) => Ok(Some(meta)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match found(path)? {
        None => Ok(()),
        Some(meta) if meta.is_dir() => std::fs::remove_dir_all(path),
        Some(_) => std::fs::remove_file(path),
    }
}

fn first_name(first: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(first))
}

fn make(
    path: &Path,
    entry: &TreeEntry<'_>,
    there: impl Fn(&Path) -> PathBuf,
    content: impl Fn(Content<'_>) -> io::Result<bool>,
) -> io::Result<()> {
    let meta = found(path)?;
    match &entry.item {
        TreeItem::End => return Ok(()),
        TreeItem::Begin(_) | TreeItem::BeginShared | TreeItem::Directory => {
            if !meta.is_some_and(|meta| meta.is_dir()) {
                remove(path)?;
                let above = matches!(entry.item, TreeItem::Begin(_));
                DirBuilder::new()
                    .mode(0o700)
                    .recursive(above)
                    .create(path)?;
            }
        }
        TreeItem::File(_) => {
            let same = match &meta {
                Some(meta) if meta.is_file() && meta.nlink() == 1 => {
                    content(Content::Same(&File::open(path)?, meta.len()))?
                }
                _ => false,
            };
            if !same {
                remove(path)?;
                let mut options = OpenOptions::new();
                let options = options.read(true).write(true).create_new(true).mode(0o600);
                content(Content::Into(&options.open(path)?))?;
            }
        }
        TreeItem::Size(size) => {
            let mut options = OpenOptions::new();
            let options = options.write(true).create_new(true).mode(0o600);
            options.open(path)?.set_len(*size)?;
        }
        TreeItem::Link(target) => {
            remove(path)?;
            symlink(OsStr::from_bytes(target), path)?;
        }
        TreeItem::Again(first) => {
            remove(path)?;
            return std::fs::hard_link(there(&first_name(first)), path);
        }
        TreeItem::Node(kind, device) => {
            remove(path)?;
            host::make_node(path, *kind, *device)?;
        }
        TreeItem::Content(..) => return Err(io::Error::other("the journal lacks its content")),
    }
    lchown(path, Some(entry.uid), Some(entry.gid))?;
    if matches!(entry.item, TreeItem::Link(_)) {
        return Ok(());
    }
    std::fs::set_permissions(path, Permissions::from_mode(entry.mode))?;
    if matches!(entry.item, TreeItem::File(_) | TreeItem::Size(_)) {
        let file = File::open(path)?;
        file.set_modified(time(entry.modified_ns))?;
    }
    Ok(())
}

fn time(ns: i64) -> SystemTime {
    let span = Duration::from_nanos(ns.unsigned_abs());
    if ns < 0 {
        SystemTime::UNIX_EPOCH - span
    } else {
        SystemTime::UNIX_EPOCH + span
    }
}

fn compare(path: &Path, entry: &TreeEntry<'_>) -> io::Result<()> {
    let differs = |what: &str| io::Error::other(format!("{what} on the primary"));
    let Some(meta) = found(path)? else {
        return Err(io::Error::other("it is on the primary, and not here"));
    };
    let same_kind = match &entry.item {
        TreeItem::End => return Ok(()),
        TreeItem::Begin(_) | TreeItem::BeginShared | TreeItem::Directory => meta.is_dir(),
        TreeItem::Size(_) | TreeItem::File(_) | TreeItem::Content(..) => meta.is_file(),
        TreeItem::Link(target) => {
            meta.is_symlink() && std::fs::read_link(path)?.as_os_str().as_bytes() == target.as_ref()
        }
        TreeItem::Again(first) => {
            let first = std::fs::symlink_metadata(first_name(first))?;
            (first.dev(), first.ino()) == (meta.dev(), meta.ino())
        }
        TreeItem::Node(kind, device) => {
            meta.mode() & libc::S_IFMT == *kind && meta.rdev() == *device
        }
    };
    if !same_kind {
        return Err(differs("it is something else"));
    }
    if let TreeItem::Content(hash, size) = entry.item
        && (meta.len() != size || journal::hash_file(&File::open(path)?, size)?.0 != hash)
    {
        return Err(differs("it has another content"));
    }
    if !meta.is_symlink() && meta.mode() & 0o7777 != entry.mode
        || (meta.uid(), meta.gid()) != (entry.uid, entry.gid)
    {
        return Err(differs("it has another owner or mode"));
    }
    Ok(())
}
