//! Builds the agent's image, which is embedded in the engine: freestanding code, linked at the
//! address that it is mapped at.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("../agent");
    let image = root.join("image");
    let out = Path::new(&variable("OUT_DIR")).join("agent.bin");
    println!("cargo::rerun-if-changed={}", root.join("src").display());
    println!("cargo::rerun-if-changed={}", image.display());
    let script = image.join("image.ld");
    let done = Command::new(variable("RUSTC"))
        .args([
            "--edition",
            "2024",
            "--crate-type",
            "bin",
            "--crate-name",
            "ftrun_agent",
        ])
        .args(["--target", "x86_64-unknown-linux-gnu"])
        .args([
            "-C",
            "opt-level=3",
            "-C",
            "panic=abort",
            "-C",
            "debuginfo=0",
        ])
        .args(["-C", "relocation-model=static", "-C", "code-model=small"])
        .args(["-C", "overflow-checks=off", "-C", "codegen-units=1"])
        .args([
            "-C",
            "link-arg=-nostdlib",
            "-C",
            "link-arg=-nostartfiles",
            "-C",
            "link-arg=-static",
        ])
        .arg("-C")
        .arg(format!("link-arg=-Wl,-T,{}", script.display()))
        .args([
            "-C",
            "link-arg=-Wl,--build-id=none",
            "-C",
            "link-arg=-Wl,--oformat=binary",
        ])
        .args(["-C", "strip=none"])
        .arg("-o")
        .arg(&out)
        .arg(image.join("main.rs"))
        .status();
    match done {
        Ok(status) if status.success() => {}
        other => {
            println!("cargo::error=the agent could not be built: {other:?}");
        }
    }
}

fn variable(name: &str) -> String {
    // Cargo sets these for every build script.
    std::env::var(name).unwrap_or_default()
}
