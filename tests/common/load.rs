//! One load test at a time on the whole machine, and how long it is.

use std::fs::{File, OpenOptions};

/// Whether the long variants are wanted (`make soak`).
pub fn soaking() -> bool {
    std::env::var_os("FTRUN_TEST_SOAK").is_some_and(|value| value != "0" && !value.is_empty())
}

/// Held by a test that loads the machine: others that ask for it wait until it is dropped.
pub struct Heavy {
    _lock: File,
}

/// Waits for its turn. A file lock, because test binaries are separate processes.
pub fn heavy() -> Heavy {
    let name = format!("ftrun-tests-{}.lock", nix::unistd::getuid());
    let path = std::env::temp_dir().join(name);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .expect("the temporary directory is writable");
    file.lock()
        .expect("file locks work on the temporary directory");
    Heavy { _lock: file }
}
