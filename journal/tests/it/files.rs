//! Kept files: found by content, complete, unchanged, whatever happens to the original.

use journal::{FileError, FileStore, Kept, Pool, hash_file};
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
    assert!(error.starts_with("cannot copy pipe:"), "{error}");
    assert!(fixture.names().is_empty());
}

/// Two recordings in one directory, which share.
struct Shared {
    base: tempfile::TempDir,
    file: File,
}

impl Shared {
    fn new() -> Self {
        let base = tempfile::tempdir().expect("a directory");
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"a program").expect("writes");
        Self { base, file }
    }

    fn pool(&self) -> Pool {
        Pool::open(self.base.path()).expect("a pool")
    }

    fn store(&self, name: &str) -> FileStore {
        let dir = self.base.path().join(name);
        std::fs::create_dir(&dir).expect("creates");
        let mut store = FileStore::create(&dir).expect("creates");
        store.share(self.pool());
        store
    }

    fn keep(&self, store: &mut FileStore, identity: &str) -> Kept {
        let kept = store.keep_identified(&self.file, 9, identity);
        kept.expect("keeps")
    }

    fn in_pool(&self) -> usize {
        let pools = std::fs::read_dir(self.base.path().join(".kept")).expect("lists");
        let pools: Vec<_> = pools.map(|pool| pool.expect("an entry").path()).collect();
        assert_eq!(pools.len(), 1, "one kernel runs");
        std::fs::read_dir(&pools[0]).expect("lists").count()
    }
}

#[test]
fn what_one_recording_keeps_the_next_does_not_read() {
    let shared = Shared::new();
    let (mut first, mut second) = (shared.store("first"), shared.store("second"));
    let kept = shared.keep(&mut first, "1-2");
    assert!(!kept.already);
    // Nobody looks: it has the same identity.
    shared.file.write_all_at(b"A PROGRAM", 0).expect("writes");
    assert_eq!(shared.keep(&mut second, "1-2"), kept);
    assert!(shared.keep(&mut second, "1-2").already);
    let inode = |store: &FileStore| store.path(kept.hash).metadata().expect("is kept").ino();
    assert_eq!(inode(&first), inode(&second));
    second.verify(kept.hash).expect("as it was");
    // With another, it is another.
    let other = shared.keep(&mut second, "1-3");
    assert!(other.hash != kept.hash && other.hash == xxh3_128(b"A PROGRAM"));
}

#[test]
fn what_no_recording_has_any_more_goes_from_the_pool() {
    let shared = Shared::new();
    let (mut first, mut second) = (shared.store("first"), shared.store("second"));
    let kept = shared.keep(&mut first, "1-2");
    shared.keep(&mut second, "1-2");
    let pool = shared.pool();
    pool.add_note(kept.hash, "kind", b"a note").expect("notes");
    assert_eq!(shared.in_pool(), 3);
    std::fs::remove_dir_all(shared.base.path().join("first")).expect("removes");
    Pool::sweep(shared.base.path()).expect("sweeps");
    assert_eq!(shared.in_pool(), 3);
    std::fs::remove_dir_all(shared.base.path().join("second")).expect("removes");
    Pool::sweep(shared.base.path()).expect("sweeps");
    assert!(!shared.base.path().join(".kept").exists());
    assert_eq!(pool.note(kept.hash, "kind"), None);
    assert!(pool.add_note(kept.hash, "kind", b"a note").is_err());
    // And can be kept again.
    shared.keep(&mut shared.store("third"), "1-2");
    assert_eq!(shared.in_pool(), 2);
}

#[test]
fn notes_are_whole_or_none_and_pools_are_of_one_kernel() {
    let shared = Shared::new();
    let kept = shared.keep(&mut shared.store("first"), "1-2");
    let pool = shared.pool();
    assert_eq!(pool.note(kept.hash, "kind"), None);
    pool.add_note(kept.hash, "kind", b"a note").expect("notes");
    assert_eq!(
        pool.note(kept.hash, "kind").as_deref(),
        Some(&b"a note"[..])
    );
    assert_eq!(pool.note(kept.hash, "other"), None);
    let pools = shared.base.path().join(".kept");
    let boot = std::fs::read_dir(&pools)
        .expect("lists")
        .next()
        .expect("one");
    let boot = boot.expect("an entry").path();
    let note = boot.join(format!("{:032x}.kind", kept.hash));
    let whole = std::fs::read(&note).expect("is there");
    for len in 0..whole.len() {
        std::fs::write(&note, &whole[..len]).expect("writes");
        assert_eq!(pool.note(kept.hash, "kind"), None, "{len} bytes");
    }
    // The kernel has been started anew since.
    let before = pools.join("before");
    std::fs::rename(&boot, &before).expect("renames");
    drop(shared.pool());
    assert!(!before.exists());
    assert_eq!(shared.in_pool(), 0);
}

/// Without a pool, or with one that is broken, content is kept all the same.
#[test]
fn a_pool_is_not_needed() {
    let shared = Shared::new();
    let mut store = shared.store("first");
    std::fs::remove_dir_all(shared.base.path().join(".kept")).expect("removes");
    let kept = shared.keep(&mut store, "1-2");
    store.verify(kept.hash).expect("is kept");
    // Other content where this should be.
    let mut second = shared.store("second");
    shared.keep(&mut second, "1-2");
    std::fs::remove_file(second.path(kept.hash)).expect("removes");
    let boot = std::fs::read_dir(shared.base.path().join(".kept"))
        .expect("lists")
        .next();
    let content = boot
        .expect("one")
        .expect("an entry")
        .path()
        .join(format!("{:032x}", kept.hash));
    std::fs::remove_file(&content).expect("removes");
    std::fs::write(&content, b"short").expect("writes");
    assert_eq!(shared.keep(&mut second, "1-2"), kept);
    second.verify(kept.hash).expect("is kept");
    std::fs::write(shared.base.path().join("no-directory"), b"").expect("writes");
    assert!(Pool::open(&shared.base.path().join("no-directory")).is_err());
}
