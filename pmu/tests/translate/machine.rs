//! A traced child with memory that the test shares, and where everything lies in it.

use crate::sys::{Child, Shared, stay_on_this_cpu};
use pmu::Regs;
use pmu::translate::{Code, DATA_BYTES, Layout, PagePolicy};
use std::cell::{Cell, OnceCell};
use std::sync::OnceLock;
use xxhash_rust::xxh3::xxh3_64;

pub const CODE: u64 = 0;
pub const CODE_BYTES: u64 = 0x10000;
pub const DATA: u64 = 0x1_0000;
pub const DATA_LEN: usize = 0x1000;
pub const STACK: u64 = 0x1_2000;
pub const STACK_LEN: usize = 0x1000;
/// Where the stack pointer starts: room above it, too.
pub const STACK_TOP: u64 = STACK + 0xe00;
const APP_BYTES: u64 = 0x1_4000;
/// Bytes of the largest cache.
pub const CACHE_CODE_BYTES: u64 = 0x10_0000;
const CACHE_BYTES: u64 = CACHE_CODE_BYTES + DATA_BYTES;

/// Where the application is: return addresses fit into 31 bits at the first only.
pub const APP_BASES: [u64; 2] = [0x4000_0000, 0x30_0000_0000];
/// Where the cache is: in reach of the first application; of the second; of none.
pub const CACHE_BASES: [u64; 3] = [0x5000_0000, 0x30_1000_0000, 0x20_0000_0000];

/// Tests in several threads have children of their own, and all share one set of mappings: each has a
/// part of it.
const PARTS: u64 = 32;
const PART_BYTES: u64 = 0x80_0000;

struct Mappings {
    apps: Vec<Shared>,
    caches: Vec<Shared>,
}

static MAPPINGS: OnceLock<Mappings> = OnceLock::new();
static NEXT_PART: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

fn mappings() -> &'static Mappings {
    MAPPINGS.get_or_init(|| {
        let map = |base: &u64| Shared::map(*base, PARTS * PART_BYTES).expect("free address space");
        Mappings {
            apps: APP_BASES.iter().map(map).collect(),
            caches: CACHE_BASES.iter().map(map).collect(),
        }
    })
}

/// A place for a program and a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub app: usize,
    pub cache: usize,
}

pub struct Machine {
    pub child: Child,
    part: u64,
    /// Extended state that every run begins with.
    xstate: Vec<u8>,
    /// Code is verified, for it may change.
    pub verifies: Cell<bool>,
    /// Registers that nobody sets: segments and their bases.
    regs: Regs,
}

thread_local! {
    static MACHINE: OnceCell<Machine> = const { OnceCell::new() };
}

/// Runs with this thread's machine.
pub fn with<R>(run: impl FnOnce(&Machine) -> R) -> R {
    MACHINE.with(|cell| run(cell.get_or_init(Machine::new)))
}

impl Machine {
    fn new() -> Self {
        const { assert!(CACHE_BYTES <= PART_BYTES && APP_BYTES <= PART_BYTES) };
        mappings();
        let part = NEXT_PART.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        assert!(part < PARTS, "more threads than parts");
        stay_on_this_cpu();
        let child = Child::fork().expect("fork");
        Self {
            xstate: child.xstate(),
            regs: child.regs(),
            child,
            verifies: Cell::new(false),
            part,
        }
    }

    pub fn app_base(&self, place: Place) -> u64 {
        APP_BASES[place.app] + self.part * PART_BYTES
    }

    /// A layout with a code region of so many bytes.
    pub fn layout(&self, place: Place, code_bytes: u64) -> Layout {
        assert!(code_bytes <= CACHE_CODE_BYTES);
        Layout::contiguous(
            CACHE_BASES[place.cache] + self.part * PART_BYTES,
            code_bytes,
        )
    }

    fn shared(&self, address: u64) -> Option<&'static Shared> {
        let mappings = mappings();
        let mut all = mappings.apps.iter().chain(&mappings.caches);
        all.find(|shared| shared.contains(address))
    }

    pub fn write(&self, address: u64, bytes: &[u8]) {
        let shared = self.shared(address).expect("mapped");
        shared.write(address, bytes);
    }

    pub fn read<const N: usize>(&self, address: u64) -> [u8; N] {
        let mut bytes = [0; N];
        let shared = self.shared(address).expect("mapped");
        shared.read(address, &mut bytes);
        bytes
    }

    /// The byte at an address, if it is shared.
    pub fn shared_byte(&self, address: u64) -> Option<u8> {
        self.shared(address).map(|_| self.read::<1>(address)[0])
    }

    /// Data and stack.
    pub fn memory(&self, place: Place) -> Vec<u8> {
        let base = self.app_base(place);
        let data: [u8; DATA_LEN] = self.read(base + DATA);
        let stack: [u8; STACK_LEN] = self.read(base + STACK);
        [data, stack].concat()
    }

    pub fn memory_hash(&self, place: Place) -> u64 {
        xxh3_64(&self.memory(place))
    }

    /// A digest of the extended state: what instructions can see of it, except for the addresses of the
    /// last x87 instruction and operand. In the cache those are the cache's.
    pub fn xstate_hash(&self) -> u64 {
        let mut bytes = self.child.xstate();
        bytes[6..24].fill(0);
        // The header: which parts are in use, which is the processor's own affair.
        bytes[464..576].fill(0);
        xxh3_64(&bytes)
    }

    /// The registers and the extended state that a run begins with.
    pub fn reset(&self) -> Regs {
        self.child.set_xstate(&self.xstate);
        self.regs
    }
}

impl Code for Machine {
    fn read(&self, at: u64, into: &mut [u8]) -> usize {
        let Some(shared) = self.shared(at) else {
            return 0;
        };
        // Code ends where the program's part does.
        let inside = at % PART_BYTES;
        let left = CODE_BYTES.saturating_sub(inside).min(shared.left(at));
        let len = usize::try_from(left).unwrap().min(into.len());
        shared.read(at, &mut into[..len]);
        len
    }

    fn policy(&self, _page: u64) -> PagePolicy {
        if self.verifies.get() {
            PagePolicy::Verified
        } else {
            PagePolicy::Watched
        }
    }
}
