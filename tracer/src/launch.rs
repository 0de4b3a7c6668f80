//! Finds the program to run and refuses what cannot be recorded before it starts.

use crate::record::RecordError;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

const PATH_DEFAULT: &str = "/usr/local/bin:/usr/bin:/bin";
const ELF_MAGIC: [u8; 4] = *b"\x7fELF";
const ELF_CLASS_64: u8 = 2;
const ELF_MACHINE_OFFSET: usize = 18;
const ELF_MACHINE_X86_64: u16 = 62;
/// `#!` lines that lead to another script, and so on.
const SCRIPTS_MAX: u32 = 5;

/// The program that `name` stands for, looked up as a shell does.
pub fn find(name: &OsStr) -> Result<PathBuf, RecordError> {
    let missing = || RecordError::NotFound(name.to_string_lossy().into_owned());
    if name.as_bytes().contains(&b'/') {
        let path = PathBuf::from(name);
        return if path.exists() {
            Ok(path)
        } else {
            Err(missing())
        };
    }
    let search = std::env::var_os("PATH").unwrap_or_else(|| OsString::from(PATH_DEFAULT));
    let mut refused = None;
    for dir in std::env::split_paths(&search) {
        let path = dir.join(name);
        match path.metadata() {
            Ok(meta) if meta.is_file() && meta.permissions().mode() & 0o111 != 0 => {
                return Ok(path);
            }
            Ok(meta) if meta.is_file() => refused = Some(path),
            _ => {}
        }
    }
    refused.ok_or_else(missing)
}

/// Checks that the kernel will execute `path` as a 64-bit program without special rights.
pub fn check(path: &Path) -> Result<(), RecordError> {
    check_level(path, 0)
}

fn check_level(path: &Path, level: u32) -> Result<(), RecordError> {
    let refused = |reason: String| RecordError::NotExecutable {
        path: path.display().to_string(),
        reason,
    };
    let meta = path
        .metadata()
        .map_err(|error| refused(error.to_string()))?;
    if !meta.is_file() {
        return Err(refused("not a regular file".to_owned()));
    }
    if meta.permissions().mode() & 0o111 == 0 {
        return Err(refused("permission denied".to_owned()));
    }
    // SAFETY of privileges: a traced program gets none, so it would fail in its own way.
    let own = nix::unistd::geteuid();
    if meta.mode() & 0o4000 != 0 && meta.uid() != own.as_raw() && !own.is_root() {
        return Err(refused(
            "set-user-id programs lose their privileges when traced".to_owned(),
        ));
    }
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| file.take(512).read_to_end(&mut head))
        .map_err(|error| refused(error.to_string()))?;
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = line
            .split(|&byte| byte == b'\n')
            .next()
            .unwrap_or_default()
            .trim_ascii();
        let end = line
            .iter()
            .position(|byte| b" \t".contains(byte))
            .unwrap_or(line.len());
        let interpreter = Path::new(OsStr::from_bytes(&line[..end])).to_owned();
        if level >= SCRIPTS_MAX {
            return Err(refused("too many levels of #! scripts".to_owned()));
        }
        return check_level(&interpreter, level + 1);
    }
    if !head.starts_with(&ELF_MAGIC) {
        return Err(refused("exec format error".to_owned()));
    }
    let machine = head
        .get(ELF_MACHINE_OFFSET..ELF_MACHINE_OFFSET + 2)
        .map(|b| u16::from_le_bytes([b[0], b[1]]));
    if head.get(4) != Some(&ELF_CLASS_64) {
        return Err(refused(
            "a 32-bit program; only 64-bit x86-64 programs can be recorded".to_owned(),
        ));
    }
    if machine != Some(ELF_MACHINE_X86_64) {
        return Err(refused(
            "a program for another architecture than x86-64".to_owned(),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn executable(content: &[u8]) -> tempfile::TempPath {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(content).expect("written");
        let path = file.into_temp_path();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("set");
        path
    }

    #[test]
    fn programs_are_found_and_accepted() {
        let shell = find(OsStr::new("sh")).expect("every system has one");
        check(&shell).expect("it is executable");
        assert!(matches!(
            find(OsStr::new("no-such-program-here")),
            Err(RecordError::NotFound(_))
        ));
    }

    #[test]
    fn what_cannot_be_recorded_is_refused_with_the_reason() {
        let mut elf32 = b"\x7fELF\x01".to_vec();
        elf32.resize(64, 0);
        let cases: [(&[u8], &str); 3] = [
            (&elf32, "32-bit"),
            (b"hello", "exec format"),
            (b"#!/no/such/interpreter\n", "No such file"),
        ];
        for (content, expected) in cases {
            let path = executable(content);
            let error = check(&path).expect_err("refused").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
