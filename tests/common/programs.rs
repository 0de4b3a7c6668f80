//! Finding the real programs that the tests record.

use std::path::{Path, PathBuf};

use nix::unistd::User;

const DIRS: [&str; 6] = [
    "/usr/bin",
    "/usr/sbin",
    "/bin",
    "/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
];

/// The system's program of that name. Debian's own directories come first: what lies before them
/// in `PATH` on a developer's machine is often a wrapper script around something else.
#[track_caller]
pub fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|dir| dir.join(name));
    let found = DIRS
        .iter()
        .map(|dir| Path::new(dir).join(name))
        .chain(in_path)
        .find(|p| p.is_file());
    found.unwrap_or_else(|| panic!("`{name}` is not installed; `make setup` installs it"))
}

/// The directory with PostgreSQL's server programs, which Debian keeps out of `PATH`.
#[track_caller]
pub fn postgres_bin() -> PathBuf {
    let mut found: Vec<PathBuf> = Vec::new();
    for base in ["/usr/lib/postgresql", "/usr/local/lib/postgresql"] {
        let Ok(versions) = std::fs::read_dir(base) else {
            continue;
        };
        found.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    found.push(PathBuf::from("/usr/local/pgsql/bin"));
    found.sort();
    let complete = |dir: &PathBuf| {
        ["initdb", "postgres", "pg_ctl", "psql", "pgbench"]
            .iter()
            .all(|name| dir.join(name).exists())
    };
    let best = found.into_iter().rev().find(complete);
    best.expect("PostgreSQL's server is not installed; `make setup` installs it")
}

/// The user for servers that refuse root: nothing when the tests do not run as root.
pub fn unprivileged_user() -> Option<User> {
    if !nix::unistd::getuid().is_root() {
        return None;
    }
    let by_name = |name| User::from_name(name).ok().flatten();
    let user = by_name("postgres").or_else(|| by_name("nobody"));
    Some(user.expect("every system has the user nobody"))
}
