//! Kept files: found by content, complete, unchanged, whatever happens to the original.

use journal::{FileError, FileStore, hash_file};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use xxhash_rust::xxh3::xxh3_128;

struct Fixture {
    dir: tempfile::TempDir,
    store: FileStore,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let store = FileStore::create(dir.path()).expect("creates");
        Self { dir, store }
    }

    fn file(&self, content: &[u8]) -> File {
        let path = self.dir.path().join("original");
        std::fs::write(&path, content).expect("writes");
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .expect("opens")
    }

    fn kept(&self, hash: u128) -> Vec<u8> {
        let mut content = Vec::new();
        self.store
            .open_kept(hash)
            .expect("is kept")
            .read_to_end(&mut content)
            .expect("reads");
        content
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path().join("files")).expect("lists");
        entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("text")
            })
            .collect()
    }
}

#[test]
fn content_is_kept_once_under_its_hash() {
    let mut fixture = Fixture::new();
    let content = b"\x7fELF and so on".repeat(100_000);
    let kept = fixture
        .store
        .keep(&fixture.file(&content), content.len() as u64)
        .expect("keeps");
    assert_eq!(
        (kept.hash, kept.size, kept.already),
        (xxh3_128(&content), content.len() as u64, false)
    );
    assert_eq!(fixture.kept(kept.hash), content);
    let again = fixture
        .store
        .keep(&fixture.file(&content), u64::MAX)
        .expect("keeps");
    assert_eq!(
        (again.hash, again.size, again.already),
        (kept.hash, kept.size, true)
    );
    assert_eq!(fixture.names(), [format!("{:032x}", kept.hash)]);
    assert_eq!(
        fixture.store.list().expect("lists"),
        [(kept.hash, kept.size)]
    );
    let metadata = std::fs::metadata(fixture.store.path(kept.hash)).expect("is there");
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o400);
    fixture.store.verify(kept.hash).expect("unchanged");
    fixture.store.sync().expect("syncs");
}

#[test]
fn a_store_is_opened_again_and_not_created_twice() {
    let mut fixture = Fixture::new();
    let kept = fixture.store.keep(&fixture.file(b"x"), 1).expect("keeps");
    assert!(FileStore::create(fixture.dir.path()).is_err());
    let mut again = FileStore::open(fixture.dir.path()).expect("opens");
    again.verify(kept.hash).expect("unchanged");
    assert!(again.keep(&fixture.file(b"x"), 1).expect("keeps").already);
    let elsewhere = tempfile::tempdir().expect("a directory");
    let error = FileStore::open(elsewhere.path())
        .expect_err("no store")
        .to_string();
    assert!(
        error.contains("files") && error.contains("No such file"),
        "{error}"
    );
}

#[test]
fn an_empty_file_is_kept_too() {
    let mut fixture = Fixture::new();
    let kept = fixture.store.keep(&fixture.file(b""), 0).expect("keeps");
    assert_eq!((kept.hash, kept.size), (xxh3_128(b""), 0));
    assert_eq!(fixture.kept(kept.hash), b"");
}

#[test]
fn only_the_first_bytes_are_kept_if_so_asked() {
    let mut fixture = Fixture::new();
    let kept = fixture
        .store
        .keep(&fixture.file(b"header and rest"), 6)
        .expect("keeps");
    assert_eq!((kept.hash, kept.size), (xxh3_128(b"header"), 6));
    assert_eq!(fixture.kept(kept.hash), b"header");
}

#[test]
fn holes_count_as_zeros_and_stay_holes() {
    const LEN: usize = 24 << 20;
    let mut fixture = Fixture::new();
    let file = fixture.file(b"");
    file.set_len(LEN as u64).expect("grows");
    file.write_all_at(b"island", 9 << 20).expect("writes");
    let mut content = vec![0; LEN];
    content[9 << 20..(9 << 20) + 6].copy_from_slice(b"island");
    let kept = fixture.store.keep(&file, LEN as u64).expect("keeps");
    assert_eq!((kept.hash, kept.size), (xxh3_128(&content), LEN as u64));
    assert!(fixture.kept(kept.hash) == content);
    let blocks = std::fs::metadata(fixture.store.path(kept.hash))
        .expect("is there")
        .blocks();
    assert!(blocks * 512 < 4 << 20, "{blocks} blocks of 512 bytes");
}

#[test]
fn a_file_of_holes_takes_seconds() {
    const SIZE: u64 = 16 << 30;
    // What reading it takes is ten times as long.
    const LIMIT: std::time::Duration = std::time::Duration::from_secs(30);
    let mut fixture = Fixture::new();
    let file = fixture.file(b"");
    file.set_len(SIZE).expect("grows");
    file.write_all_at(b"in the middle", SIZE / 2 + 5)
        .expect("writes");
    let began = std::time::Instant::now();
    let kept = fixture.store.keep(&file, SIZE).expect("keeps");
    assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
    assert_eq!(kept.size, SIZE);
    let metadata = std::fs::metadata(fixture.store.path(kept.hash)).expect("is there");
    assert_eq!(metadata.len(), SIZE);
    assert!(metadata.blocks() < 10_000, "holes stay holes");
}

#[test]
fn the_file_position_stays_where_it_was() {
    let mut fixture = Fixture::new();
    let mut file = fixture.file(b"0123456789");
    file.seek(SeekFrom::Start(4)).expect("seeks");
    fixture.store.keep(&file, 10).expect("keeps");
    hash_file(&file, 10).expect("hashes");
    assert_eq!(file.stream_position().expect("tells"), 4);
}

#[test]
fn a_file_open_for_writing_only_or_without_a_name_is_kept() {
    let mut fixture = Fixture::new();
    drop(fixture.file(b"write only"));
    let path = fixture.dir.path().join("original");
    let file = OpenOptions::new().write(true).open(&path).expect("opens");
    std::fs::remove_file(&path).expect("removes");
    let kept = fixture.store.keep(&file, 100).expect("keeps");
    assert_eq!(fixture.kept(kept.hash), b"write only");

    let mut memory = File::from(
        nix::sys::memfd::memfd_create(c"m", nix::sys::memfd::MFdFlags::empty()).expect("creates"),
    );
    memory.write_all(b"in memory").expect("writes");
    let kept = fixture.store.keep(&memory, 9).expect("keeps");
    assert_eq!(fixture.kept(kept.hash), b"in memory");
}

#[test]
fn what_is_kept_is_true_even_of_a_file_that_changes_meanwhile() {
    let mut fixture = Fixture::new();
    let file = fixture.file(&[0; 300_000]);
    let writer = file.try_clone().expect("clones");
    let stop = Arc::new(AtomicBool::new(false));
    let until = Arc::clone(&stop);
    let changing = std::thread::spawn(move || {
        for number in 0u64.. {
            if until.load(Ordering::Relaxed) {
                break;
            }
            writer
                .write_all_at(&number.to_le_bytes(), number * 4099 % 290_000)
                .expect("writes");
            writer.set_len(290_000 + number % 20_000).expect("sizes");
        }
    });
    for _ in 0..50 {
        let kept = fixture.store.keep(&file, 305_000).expect("keeps");
        fixture.store.verify(kept.hash).expect("true");
        assert_eq!(fixture.kept(kept.hash).len() as u64, kept.size);
    }
    stop.store(true, Ordering::Relaxed);
    changing.join().expect("no panic");
    assert!(
        fixture.names().iter().all(|name| name.len() == 32),
        "{:?}",
        fixture.names()
    );
}

#[test]
fn what_is_missing_or_changed_is_named() {
    let mut fixture = Fixture::new();
    let kept = fixture
        .store
        .keep(&fixture.file(b"original"), 8)
        .expect("keeps");
    let path = fixture.store.path(kept.hash);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("permits");
    std::fs::write(&path, b"forged!!").expect("writes");
    let error = fixture.store.verify(kept.hash).expect_err("changed");
    assert!(matches!(error, FileError::Changed { found, .. } if found == xxh3_128(b"forged!!")));
    assert!(
        error.to_string().contains(&format!("{:032x}", kept.hash)),
        "{error}"
    );
    std::fs::remove_file(&path).expect("removes");
    let error = fixture.store.verify(kept.hash).expect_err("missing");
    assert!(matches!(error, FileError::Missing { .. }), "{error}");
}

#[test]
fn other_names_are_no_kept_files() {
    let fixture = Fixture::new();
    let names = [
        "x",
        ".1-0",
        "0123456789ABCDEF0123456789ABCDEF",
        "+123456789abcdef0123456789abcdef",
    ];
    for name in names {
        std::fs::write(fixture.dir.path().join("files").join(name), b"").expect("writes");
    }
    assert_eq!(fixture.store.list().expect("lists"), []);
}

#[test]
fn a_failed_copy_leaves_nothing() {
    let mut fixture = Fixture::new();
    let pipe = nix::unistd::pipe().expect("a pipe").0;
    let error = fixture
        .store
        .keep(&File::from(pipe), 10)
        .expect_err("no file")
        .to_string();
    assert!(error.starts_with("cannot read pipe:"), "{error}");
    assert!(fixture.names().is_empty());
}
