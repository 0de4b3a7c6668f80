//! `ftrun rm`.

use crate::cli::RmArgs;
use crate::failure::OWN_FAILURE;
use crate::meta::Meta;
use crate::summary::{FILES_DIR, Summary, is_in_use};
use crate::{messages, recordings};
use anyhow::{Context, bail};
use journal::{JOURNAL_DIR, Pool};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Removes recordings; each that cannot be removed is named, and the others are removed.
pub fn run(args: &RmArgs) -> anyhow::Result<ExitCode> {
    let mut failed = false;
    let mut removed_from = BTreeSet::new();
    let mut remove = |dir: &Path| {
        let base = dir.parent().map(Path::to_owned);
        remove(dir).map(|()| removed_from.extend(base))
    };
    if args.all {
        for dir in recordings::list(&recordings::base()?)? {
            if is_in_use(&dir) {
                messages::say(&format!("{} is being made: left alone", dir.display()));
            } else {
                failed |= !tell(remove(&dir));
            }
        }
    }
    for name in &args.recordings {
        failed |= !tell(find(name).and_then(|dir| remove(&dir)));
    }
    for base in removed_from {
        // Mostly there is none.
        let _ = Pool::sweep(&base);
    }
    Ok(ExitCode::from(if failed { OWN_FAILURE } else { 0 }))
}

fn tell(result: anyhow::Result<()>) -> bool {
    if let Err(error) = &result {
        messages::say(&format!("{error:#}"));
    }
    result.is_ok()
}

/// The directory to remove. A symbolic link stands for a recording only as `latest`: of
/// any other one, it is not clear what shall go.
fn find(name: &OsStr) -> anyhow::Result<PathBuf> {
    let dir = recordings::resolve(Some(name))?;
    let is_link = dir
        .symlink_metadata()
        .is_ok_and(|meta| meta.file_type().is_symlink());
    let latest = recordings::base().is_ok_and(|base| recordings::is_latest_link(&base, &dir));
    if is_link && !latest {
        bail!(
            "{} is a symbolic link: name the directory that it leads to",
            dir.display()
        );
    }
    dir.canonicalize()
        .with_context(|| format!("no recording {}", dir.display()))
}

fn remove(dir: &Path) -> anyhow::Result<()> {
    if !recordings::is_certainly_recording(dir) {
        bail!("{} is not a recording: nothing removed", dir.display());
    }
    if is_in_use(dir) {
        bail!("{} is being made: nothing removed", dir.display());
    }
    // The journal last: while it is there, what is left can be named and removed.
    let files = empty(&dir.join(FILES_DIR), is_kept)?;
    Meta::remove(dir);
    let journal = empty(&dir.join(JOURNAL_DIR), recordings::is_of_journal)?;
    forget(dir);
    let left = || {
        format!(
            "{} has files that are no part of a recording: they are left",
            dir.display()
        )
    };
    if !(files && journal) {
        bail!(left());
    }
    match std::fs::remove_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => bail!(left()),
        result => result.with_context(|| cannot_remove(dir)),
    }
}

/// Removes a directory and what is ours in it, and nothing else. `false` if something is
/// left.
fn empty(dir: &Path, is_ours: impl Fn(&OsStr) -> bool) -> anyhow::Result<bool> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error).with_context(|| cannot_remove(dir)),
    };
    for entry in entries {
        let entry = entry.with_context(|| cannot_remove(dir))?;
        if is_ours(&entry.file_name()) {
            let path = entry.path();
            std::fs::remove_file(&path).with_context(|| cannot_remove(&path))?;
        }
    }
    match std::fs::remove_dir(dir) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
        Err(error) => Err(error).with_context(|| cannot_remove(dir)),
    }
}

fn cannot_remove(what: &Path) -> String {
    format!("cannot remove {}", what.display())
}

/// Whether a file of this name in `files/` is ours: a kept file, or a copy that was not
/// completed.
fn is_kept(name: &OsStr) -> bool {
    let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    match name.as_bytes() {
        [b'.', copy @ ..] => {
            let mut parts = copy.splitn(2, |&byte| byte == b'-');
            parts.all(digits)
        }
        hash => hash.len() == 32 && hash.iter().all(u8::is_ascii_hexdigit),
    }
}

/// If the `latest` link names `dir`, it shall name the latest one that is left.
fn forget(dir: &Path) {
    let canonical = |base: PathBuf| base.canonicalize().ok();
    let Some(base) = recordings::base().ok().and_then(canonical) else {
        return;
    };
    let Ok(dir) = dir.canonicalize() else { return };
    if recordings::latest(&base).as_deref() != Some(&dir) {
        return;
    }
    let left = recordings::list(&base).unwrap_or_default();
    let latest = left
        .iter()
        .filter(|other| **other != dir)
        .max_by_key(|other| Summary::of(other).started_ns);
    recordings::set_latest(&base, latest.map(PathBuf::as_path));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ftrun_wrote_is_removed() {
        for ours in ["0123456789abcdef0123456789abcdef", ".123-0"] {
            assert!(is_kept(OsStr::new(ours)), "{ours}");
        }
        for other in [
            "notes",
            "",
            ".",
            "..",
            ".a-1",
            "0123456789abcdef0123456789abcdeg",
        ] {
            assert!(!is_kept(OsStr::new(other)), "{other}");
        }
        for ours in ["00000000.ftj", "123456789.ftj", "lock"] {
            assert!(recordings::is_of_journal(OsStr::new(ours)), "{ours}");
        }
        for other in [
            "0.ftj",
            "system.journal",
            "00000000.ftj~",
            "99999999999.ftj",
        ] {
            assert!(!recordings::is_of_journal(OsStr::new(other)), "{other}");
        }
    }
}
