//! Building small C, C++ and Rust programs, once per content; and Go's.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::proc::run_command;
use super::programs::program;
use super::scratch::Scratch;

/// One compiler call: `COMPILER FLAGS SOURCE -o OUTPUT`.
pub struct Build<'a> {
    pub compiler: &'a str,
    pub flags: &'a [&'a str],
    pub source: &'a Path,
    /// Files the source includes: part of what decides whether an earlier result still holds.
    pub includes: &'a [&'a Path],
}

impl Build<'_> {
    /// Compiles, or returns the result of an earlier run with the same content and flags.
    #[track_caller]
    pub fn run(&self) -> PathBuf {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("built");
        std::fs::create_dir_all(&cache).expect("the target directory is writable");
        let mut hash = DefaultHasher::new();
        (self.compiler, self.flags).hash(&mut hash);
        for path in std::iter::once(&self.source).chain(self.includes) {
            let content = std::fs::read(path);
            content
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
                .hash(&mut hash);
        }
        let stem = self
            .source
            .file_stem()
            .expect("a source file has a name")
            .to_string_lossy();
        let target = cache.join(format!("{stem}-{:016x}", hash.finish()));
        if target.exists() {
            return target;
        }
        // Built beside and renamed: tests run in parallel and must not see half a file.
        let unique = format!("{:?}-{}", std::thread::current().id(), std::process::id());
        let half = cache.join(format!("{stem}-{}", unique.replace(['(', ')'], "")));
        let mut command = Command::new(find_compiler(self.compiler));
        command
            .args(self.flags)
            .arg(self.source)
            .arg("-o")
            .arg(&half);
        // rustc and cc both take libraries last; flags that begin with -l work in either place.
        let output = run_command(command, None, Duration::from_secs(120));
        output.expect_code(0);
        std::fs::rename(&half, &target).expect("both lie in the same directory");
        target
    }
}

fn find_compiler(name: &str) -> PathBuf {
    // The toolchain that builds these tests is first in PATH and may be a rustup proxy.
    if name == "rustc" {
        PathBuf::from("rustc")
    } else {
        program(name)
    }
}

/// Compiles a C file as the guests are: `cc -O1 -g -pthread` and `flags`.
#[track_caller]
pub fn build_c(source: &Path, flags: &[&str], includes: &[&Path]) -> PathBuf {
    let mut all = vec!["-O1", "-g", "-pthread"];
    all.extend_from_slice(flags);
    Build {
        compiler: "cc",
        flags: &all,
        source,
        includes,
    }
    .run()
}

/// Builds a Go program of one file into the scratch directory. Go keeps what it has compiled by itself.
#[track_caller]
pub fn build_go(scratch: &Scratch, source: &Path, name: &str) -> PathBuf {
    let binary = scratch.path(name);
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-cache");
    let mut command = Command::new(program("go"));
    command
        .arg("build")
        .arg("-o")
        .arg(&binary)
        .arg(source)
        .current_dir(scratch.work())
        .env("GOCACHE", cache)
        .env("GO111MODULE", "off")
        .env("GOPATH", scratch.path("gopath"));
    run_command(command, None, Duration::from_secs(300)).expect_code(0);
    binary
}
