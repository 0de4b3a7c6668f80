//! Where recordings are: the directory for new ones, and what a name stands for.

use crate::meta::Meta;
use anyhow::{Context, bail};
use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

const LATEST: &str = "latest";
/// A directory name may have 255 bytes; the number needs some.
const NAME_BYTES_MAX: usize = 200;

/// The directory that holds recordings by name.
pub fn base() -> anyhow::Result<PathBuf> {
    let set = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(dir) = set("FTRUN_DIR") {
        return Ok(dir);
    }
    // The XDG specification has relative paths ignored.
    if let Some(data) = set("XDG_DATA_HOME").filter(|path| path.is_absolute()) {
        return Ok(data.join("ftrun"));
    }
    let home =
        set("HOME").context("HOME is not set: say where recordings are with FTRUN_DIR or --dir")?;
    Ok(home.join(".local/share/ftrun"))
}

/// A new recording's directory.
#[derive(Debug)]
pub struct NewRecording {
    /// Where it is.
    pub dir: PathBuf,
    created: bool,
    /// The `latest` link that names it, and what it named before.
    latest: Option<(PathBuf, Option<PathBuf>)>,
}

impl NewRecording {
    /// Creates `dir`, or a directory in [`base`] named after `program`.
    pub fn create(dir: Option<&Path>, program: &OsStr) -> anyhow::Result<Self> {
        match dir {
            Some(dir) => Self::exactly(dir),
            None => Self::in_base(&base()?, program),
        }
    }

    fn exactly(dir: &Path) -> anyhow::Result<Self> {
        let mut builder = DirBuilder::new();
        let created = match builder.mode(0o700).create(dir) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                builder
                    .recursive(true)
                    .create(dir)
                    .with_context(|| option_dir(dir, "cannot create it"))?;
                true
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let mut entries =
                    std::fs::read_dir(dir).with_context(|| option_dir(dir, "cannot read it"))?;
                if entries.next().is_some() {
                    bail!(option_dir(
                        dir,
                        "it is not empty; name a directory that is empty or does not exist"
                    ));
                }
                false
            }
            Err(error) => return Err(error).with_context(|| option_dir(dir, "cannot create it")),
        };
        // The application may change its working directory; we do not, but messages should last.
        let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        Ok(Self {
            dir,
            created,
            latest: None,
        })
    }

    fn in_base(base: &Path, program: &OsStr) -> anyhow::Result<Self> {
        let base = std::path::absolute(base).unwrap_or_else(|_| base.to_owned());
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&base)
            .with_context(|| {
                format!("cannot create {} (set FTRUN_DIR or --dir)", base.display())
            })?;
        let stem = stem(program);
        let mut number = next_number(&base, &stem);
        let dir = loop {
            let dir = base.join(numbered(&stem, number));
            match DirBuilder::new().mode(0o700).create(&dir) {
                Ok(()) => break dir,
                // Another recording began just now.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot create {}", dir.display()));
                }
            }
        };
        let link = base.join(LATEST);
        let before = std::fs::read_link(&link).ok();
        point(&link, &dir);
        Ok(Self {
            dir,
            created: true,
            latest: Some((link, before)),
        })
    }

    /// The directory that holds it with others; `None` for one with a place of its own.
    pub fn base(&self) -> Option<&Path> {
        let (latest, _) = self.latest.as_ref()?;
        latest.parent()
    }

    /// Takes everything back: nothing was recorded.
    pub fn undo(self) {
        if let Some((link, before)) = &self.latest
            && std::fs::read_link(link).ok().as_deref() == self.dir.file_name().map(Path::new)
        {
            match before {
                Some(before) => relink(link, before),
                None => drop(std::fs::remove_file(link)),
            }
        }
        if self.created {
            // Only if empty: never delete what somebody else put there.
            let _ = std::fs::remove_dir(&self.dir);
        }
    }
}

/// The recording that `name` stands for: a directory, or a name in [`base`]; the latest
/// without one.
pub fn resolve(name: Option<&OsStr>) -> anyhow::Result<PathBuf> {
    let Some(name) = name else {
        let base = base()?;
        let latest = base.join(LATEST);
        return match std::fs::read_link(&latest) {
            Ok(target) => Ok(base.join(target)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                bail!(
                    "no recording in {} yet: `ftrun -- COMMAND` makes one",
                    base.display()
                )
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", latest.display())),
        };
    };
    let direct = PathBuf::from(name);
    if name.as_bytes().contains(&b'/') || is_recording(&direct) {
        return existing(direct);
    }
    let base = base();
    if let Ok(base) = &base {
        let named = base.join(name);
        if named.symlink_metadata().is_ok() {
            return existing(named);
        }
    }
    if direct.exists() {
        return existing(direct);
    }
    match base {
        Ok(base) => bail!(
            "no recording `{}`, here or in {}; `ftrun ls` lists those that exist",
            direct.display(),
            base.display()
        ),
        Err(error) => Err(error.context(format!("no recording `{}` here", direct.display()))),
    }
}

fn existing(dir: PathBuf) -> anyhow::Result<PathBuf> {
    let meta =
        std::fs::metadata(&dir).with_context(|| format!("no recording {}", dir.display()))?;
    if !meta.is_dir() {
        bail!(
            "{} is not a recording: a recording is a directory",
            dir.display()
        );
    }
    Ok(dir)
}

/// Whether `dir` looks like a recording.
pub fn is_recording(dir: &Path) -> bool {
    dir.join(journal::JOURNAL_DIR).is_dir()
}

/// Whether `dir` is a recording, or the beginning or the rest of one. Other programs have
/// directories called `journal`, too.
pub fn is_certainly_recording(dir: &Path) -> bool {
    let entries = std::fs::read_dir(dir.join(journal::JOURNAL_DIR));
    let mut names = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name());
    names.any(|name| is_of_journal(&name)) || Meta::read(dir).is_some()
}

/// Whether a file of this name in `journal/` is ours.
pub fn is_of_journal(name: &OsStr) -> bool {
    let segment = |name: &str| {
        let digits = name.strip_suffix(".ftj")?;
        let number = digits.parse().ok()?;
        (journal::segment_name(number) == name).then_some(())
    };
    name == journal::LOCK_FILE || name.to_str().and_then(segment).is_some()
}

/// The recordings in `base`, by name. None if there is no such directory.
pub fn list(base: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let failed = || format!("cannot read {}", base.display());
    let entries = match std::fs::read_dir(base) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(failed),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.with_context(failed)?;
        let real = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if real && !entry.file_name().as_bytes().starts_with(b".") {
            found.push(entry.path());
        }
    }
    found.retain(|dir| is_certainly_recording(dir));
    found.sort();
    Ok(found)
}

/// The recording in `base` that the `latest` link names, whether it exists or not.
pub fn latest(base: &Path) -> Option<PathBuf> {
    std::fs::read_link(base.join(LATEST))
        .ok()
        .map(|target| base.join(target))
}

/// Whether `path` is the `latest` link of `base` itself.
pub fn is_latest_link(base: &Path, path: &Path) -> bool {
    path == base.join(LATEST)
}

/// Makes the `latest` link of `base` name `dir`, which lies in it, or nothing.
pub fn set_latest(base: &Path, dir: Option<&Path>) {
    let link = base.join(LATEST);
    match dir {
        Some(dir) => point(&link, dir),
        // Never what is no link.
        None if std::fs::read_link(&link).is_ok() => drop(std::fs::remove_file(&link)),
        None => {}
    }
}

fn option_dir(dir: &Path, what: &str) -> String {
    format!("--dir {}: {what}", dir.display())
}

/// The part of a recording's name that tells the program.
fn stem(program: &OsStr) -> OsString {
    let name = Path::new(program)
        .file_name()
        .unwrap_or(OsStr::new("program"));
    let mut bytes: Vec<u8> = name
        .as_bytes()
        .iter()
        .copied()
        .take(NAME_BYTES_MAX)
        .collect();
    for byte in &mut bytes {
        if byte.is_ascii_control() || *byte == b' ' {
            *byte = b'_';
        }
    }
    OsString::from_vec(bytes)
}

fn numbered(stem: &OsStr, number: u64) -> OsString {
    let mut name = stem.to_owned();
    name.push(format!("-{number}"));
    name
}

/// A number that no recording of this program has.
fn next_number(base: &Path, stem: &OsStr) -> u64 {
    let mut next = 0;
    for entry in std::fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let number = name
            .as_bytes()
            .strip_prefix(stem.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"-"))
            .and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u64>().ok());
        if let Some(number) = number {
            next = next.max(number.saturating_add(1));
        }
    }
    next
}

/// Makes `link` name `dir`, which lies beside it.
fn point(link: &Path, dir: &Path) {
    if let Some(name) = dir.file_name() {
        relink(link, Path::new(name));
    }
}

/// Replaces a symbolic link in one step. A link that cannot be made is no reason not to record.
fn relink(link: &Path, target: &Path) {
    let temporary = link.with_file_name(format!(".latest-{}", std::process::id()));
    let _ = std::fs::remove_file(&temporary);
    if symlink(target, &temporary).is_ok() && std::fs::rename(&temporary, link).is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
}
