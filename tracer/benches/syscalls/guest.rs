//! The program under test: does one kind of operation so many times, and ends.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::FromRawFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// A kind of operation.
pub struct Kind {
    pub name: &'static str,
    /// How many a native run does.
    pub native: usize,
    /// How many a recorded one.
    pub recorded: usize,
    run: fn(usize),
}

pub const KINDS: &[Kind] = &[
    Kind {
        name: "getpid",
        native: 2_000_000,
        recorded: 20_000,
        run: getpid,
    },
    Kind {
        name: "clock_gettime",
        native: 10_000_000,
        recorded: 500_000,
        run: clock_gettime,
    },
    Kind {
        name: "pipe write, read",
        native: 200_000,
        recorded: 8_000,
        run: pipe,
    },
    Kind {
        name: "open, fstat, close",
        native: 200_000,
        recorded: 6_000,
        run: file,
    },
    Kind {
        name: "futex ping-pong",
        native: 50_000,
        recorded: 4_000,
        run: ping_pong,
    },
    Kind {
        name: "fork, wait",
        native: 3_000,
        recorded: 400,
        run: fork,
    },
];

/// Does it.
pub fn run(kind: usize, count: usize) {
    (KINDS[kind].run)(count);
}

fn getpid(count: usize) {
    for _ in 0..count {
        // SAFETY: no memory is involved.
        unsafe { libc::syscall(libc::SYS_getpid) };
    }
}

fn clock_gettime(count: usize) {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    for _ in 0..count {
        // SAFETY: the kernel stores one timespec.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    }
}

fn pipe(count: usize) {
    let mut ends = [0; 2];
    // SAFETY: the kernel stores two ints.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    // SAFETY: both were just opened, and nothing else owns them.
    let (mut from, mut to) = unsafe { (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1])) };
    let mut bytes = [0u8; 64];
    for _ in 0..count {
        to.write_all(&bytes).expect("the pipe has room");
        from.read_exact(&mut bytes).expect("they are there");
    }
}

fn file(count: usize) {
    for _ in 0..count {
        // SAFETY: a string that ends, and room for what is stored.
        unsafe {
            let fd = libc::open(c"/etc/passwd".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
            assert!(fd >= 0);
            let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
            assert_eq!(libc::fstat(fd, stat.as_mut_ptr()), 0);
            libc::close(fd);
        }
    }
}

fn ping_pong(count: usize) {
    static TURN: AtomicU32 = AtomicU32::new(0);
    let play = |own: u32| {
        for _ in 0..count {
            while TURN.load(Ordering::Acquire) != own {
                futex(&TURN, libc::FUTEX_WAIT, 1 - own);
            }
            TURN.store(1 - own, Ordering::Release);
            futex(&TURN, libc::FUTEX_WAKE, 1);
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| play(1));
        play(0);
    });
}

fn futex(word: &AtomicU32, operation: libc::c_int, value: u32) {
    let operation = operation | libc::FUTEX_PRIVATE_FLAG;
    let no_limit = std::ptr::null::<libc::timespec>();
    // SAFETY: the word outlives the call; the kernel only reads it.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, no_limit) };
}

fn fork(count: usize) {
    for _ in 0..count {
        // SAFETY: the child does nothing but end.
        let child = unsafe { libc::fork() };
        assert!(child >= 0, "{}", io::Error::last_os_error());
        if child == 0 {
            // SAFETY: it never returns.
            unsafe { libc::_exit(0) };
        }
        // SAFETY: nothing is stored.
        let waited = unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
        assert_eq!(waited, child);
    }
}
