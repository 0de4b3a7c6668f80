//! The translator's bookkeeping, on an image of the cache's memory.

use super::*;
use std::collections::HashMap;

const APP: u64 = 0x40_0000;

struct Snippet(Vec<u8>);

impl Code for Snippet {
    fn read(&self, at: u64, into: &mut [u8]) -> usize {
        let from = at
            .checked_sub(APP)
            .and_then(|from| usize::try_from(from).ok());
        let rest = from.and_then(|from| self.0.get(from..)).unwrap_or_default();
        let len = rest.len().min(into.len());
        into[..len].copy_from_slice(&rest[..len]);
        len
    }
}

struct Cache {
    translator: Translator,
    memory: HashMap<u64, u8>,
}

impl Cache {
    fn new(options: Options) -> Self {
        let layout = Layout::contiguous(0x1000_0000, 0x1_0000);
        let translator = Translator::new(layout, options).expect("a good layout");
        let mut cache = Self {
            translator,
            memory: HashMap::new(),
        };
        cache.apply();
        cache
    }

    fn apply(&mut self) {
        for write in self.translator.take_writes().iter() {
            for (offset, byte) in write.bytes.iter().enumerate() {
                self.memory.insert(write.address + offset as u64, *byte);
            }
        }
    }

    fn enter(&mut self, code: &Snippet, at: u64) -> u64 {
        let entry = self.translator.enter(code, at, u64::MAX).expect("room");
        self.apply();
        entry
    }

    fn bytes<const N: usize>(&self, at: u64) -> [u8; N] {
        std::array::from_fn(|offset| self.memory[&(at + offset as u64)])
    }

    /// Where the jump at an address leads.
    fn jump(&self, at: u64) -> u64 {
        let [opcode, displacement @ ..] = self.bytes::<5>(at);
        assert_eq!(opcode, 0xe9);
        let distance = i64::from(i32::from_le_bytes(displacement));
        (at + 5).wrapping_add_signed(distance)
    }
}

/// One block at a time.
const LAZY: Options = Options {
    eager_blocks: 1,
    counting: Counting::Shortest,
};

#[test]
fn a_dropped_block_leads_out_and_then_to_its_successor() {
    // push 1; jmp +0; hlt
    let code = Snippet(vec![0x6a, 0x01, 0xeb, 0x00, 0xf4]);
    let mut cache = Cache::new(LAZY);
    let first = cache.enter(&code, APP);
    let target = cache.enter(&code, APP + 4);
    assert_eq!(cache.jump(first + 2), target, "linked");
    cache.translator.invalidate(APP..APP + 5);
    cache.apply();
    let out = cache.jump(first);
    assert_eq!(cache.bytes::<2>(out), [0xc7, 0x05], "a stub");
    // The link that was in the overwritten bytes is not made again.
    let target = cache.enter(&code, APP + 4);
    assert_eq!(cache.jump(first), out);
    let again = cache.enter(&code, APP);
    assert_eq!(cache.jump(first), again);
    assert_eq!(cache.jump(again + 2), target);
}

#[test]
fn nothing_falls_into_what_indirect_branches_enter() {
    // call +0; hlt: where the call returns to, indirect branches may lead.
    let called = Snippet(vec![0xe8, 0, 0, 0, 0, 0xf4]);
    // test cx, cx; jne +0; nop; hlt: the same place, behind a branch.
    let branched = Snippet(vec![0x66, 0x85, 0xc9, 0x75, 0x00, 0x90, 0xf4]);
    let mut cache = Cache::new(Options::default());
    cache.enter(&called, APP);
    cache.translator.invalidate(APP..APP + 16);
    cache.apply();
    let entry = cache.enter(&branched, APP);
    let bytes = cache.bytes::<64>(entry);
    let mut decoder = iced_x86::Decoder::with_ip(64, &bytes, entry, 0);
    let mut branches = decoder
        .iter()
        .skip_while(|insn| insn.mnemonic() != iced_x86::Mnemonic::Jne);
    let behind = branches.nth(1).expect("something is behind it");
    let direct = [iced_x86::Mnemonic::Jmp, iced_x86::Mnemonic::Nop];
    assert!(direct.contains(&behind.mnemonic()), "{behind:?}");
}

#[test]
fn pages_are_named_once_until_they_are_dropped() {
    let code = Snippet(vec![0x90, 0xf4]);
    let mut cache = Cache::new(LAZY);
    cache.enter(&code, APP);
    cache.enter(&code, APP + 1);
    assert_eq!(cache.translator.take_new_pages(), vec![APP]);
    cache.translator.invalidate(APP..APP + 1);
    cache.enter(&code, APP);
    assert_eq!(cache.translator.take_new_pages(), Vec::<u64>::new());
    cache.translator.invalidate(APP - 0x1000..u64::MAX);
    cache.enter(&code, APP);
    assert_eq!(cache.translator.take_new_pages(), vec![APP]);
}

#[test]
fn what_counts_and_what_does_not_are_apart() {
    // nop; nop; jz +0; hlt
    let code = Snippet(vec![0x90, 0x90, 0x74, 0x00, 0xf4]);
    let mut cache = Cache::new(Options::default());
    cache
        .translator
        .set_uncounted(vec![APP + 1..APP + 3, APP + 3..APP + 4]);
    let counted = |cache: &Cache, at| cache.translator.is_counted(at);
    assert!(counted(&cache, APP) && counted(&cache, APP + 4));
    assert!(!counted(&cache, APP + 1) && !counted(&cache, APP + 3));
    let first = cache.enter(&code, APP);
    // The bytes that are overwritten when it is dropped, then the next: a nop and the branch.
    assert_eq!(cache.bytes(first), [0x90, 0x0f, 0x1f, 0x40, 0x00]);
    assert_eq!(cache.bytes(first + 5), [0x90, 0x0f, 0x84]);
    assert_eq!(cache.enter(&code, APP + 1), first + 5);
    // Once it counts, it is another.
    cache.translator.set_uncounted(Vec::new());
    cache.apply();
    assert_eq!(cache.translator.statistics().dropped, 1);
    assert_eq!(cache.enter(&code, APP), first);
    let second = cache.enter(&code, APP + 1);
    assert_eq!(cache.jump(first + 5), second);
    let saved = [0x48, 0x89, 0x0d];
    assert_eq!(cache.bytes(second), saved, "rcx, to count");
    // What reaches into a range ends there from then on.
    let dropped = |cache: &Cache| cache.translator.statistics().dropped;
    cache
        .translator
        .set_uncounted(vec![APP + 2..APP + 3, APP + 3..APP + 4]);
    assert_eq!(dropped(&cache), 2);
    cache
        .translator
        .set_uncounted(vec![APP + 3..APP + 4, APP + 2..APP + 4]);
    assert_eq!(dropped(&cache), 2, "the same");
}

#[test]
fn dropping_a_short_block_leaves_what_it_falls_into() {
    let code = Snippet(vec![0x90, 0x90, 0x74, 0x00, 0xf4]);
    let mut cache = Cache::new(Options::default());
    cache.translator.set_check(check_at(APP + 1, 0));
    let first = cache.enter(&code, APP);
    let second = cache.enter(&code, APP + 1);
    let bytes = cache.bytes::<32>(second);
    cache.translator.invalidate(APP..APP + 1);
    cache.apply();
    assert_eq!(cache.bytes(second), bytes);
    let again = cache.enter(&code, APP);
    assert_eq!(cache.jump(first), again);
    assert_eq!(cache.jump(again + 1), second);
}

/// nop; nop; nop; jmp -5 (to the second)
const LOOP: [u8; 5] = [0x90, 0x90, 0x90, 0xeb, 0xfc];

fn check_at(at: u64, values: u64) -> Option<Check> {
    let mut regs = Regs {
        rip: at,
        ..Regs::default()
    };
    for gpr in super::super::gpr::Gpr::BY_CHANGE {
        gpr.set(&mut regs, values);
    }
    Some(Check::of(regs))
}

#[test]
fn what_is_checked_begins_a_block_until_it_is_not() {
    let code = Snippet(LOOP.to_vec());
    let mut cache = Cache::new(Options::default());
    let whole = cache.enter(&code, APP);
    assert_eq!(cache.bytes(whole), [0x90, 0x90, 0x90, 0xe9]);
    cache.translator.set_check(check_at(APP + 1, 3));
    cache.apply();
    let dropped = cache.translator.statistics().dropped;
    assert_eq!(dropped, 2, "this one, and the loop's own");
    let first = cache.enter(&code, APP);
    assert_eq!(cache.jump(whole), first);
    assert_eq!(cache.bytes(first), [0x90, 0x0f, 0x1f, 0x40, 0x00]);
    let checked = cache.enter(&code, APP + 1);
    assert_eq!(checked, first + 5, "what is before falls into it");
    let spilled = [0x48, 0x89, 0x0d];
    assert_eq!(cache.bytes(checked), spilled);
    let state = AppState {
        regs: Regs {
            rip: APP + 1,
            ..Regs::default()
        },
        left: 1,
    };
    let past = cache.translator.pass(&code, &state).expect("room");
    assert_eq!(cache.bytes(past), [0x90, 0x90, 0xe9]);
    assert_eq!(cache.jump(past + 2), checked, "the loop is checked");
    let arrived = AppState { left: 0, ..state };
    let refused = cache.translator.pass(&code, &arrived);
    assert_eq!(refused, Err(TranslateError::Arrived));
    // The same check again is nothing new; another one, at the same address or not, is.
    cache.translator.set_check(check_at(APP + 1, 3));
    assert_eq!(cache.enter(&code, APP + 1), checked);
    cache.translator.set_check(check_at(APP + 1, 4));
    let other = cache.enter(&code, APP + 1);
    assert_ne!(other, checked);
    assert_eq!(cache.bytes(other), spilled);
    cache.translator.set_check(check_at(APP + 2, 4));
    let unchecked = cache.enter(&code, APP + 1);
    assert_eq!(cache.bytes(unchecked), [0x90, 0x0f, 0x1f, 0x40, 0x00]);
    assert_eq!(cache.bytes(unchecked + 5), spilled);
    cache.translator.set_check(None);
    let whole = cache.enter(&code, APP + 1);
    let entry = cache.enter(&code, APP + 2);
    assert_eq!(cache.bytes(whole), [0x90, 0x0f, 0x1f, 0x40, 0x00]);
    assert_eq!(cache.bytes(entry), [0x90, 0xe9]);
}

#[test]
fn the_largest_check_fits_and_is_all_at_its_address() {
    let code = Snippet(LOOP.to_vec());
    for values in [0, 0x1234, 0x1234_5678_9abc_def0] {
        let mut cache = Cache::new(LAZY);
        let check = check_at(APP + 1, values);
        cache.translator.set_check(check);
        let before = cache.translator.statistics().used_bytes;
        let start = cache.enter(&code, APP + 1);
        assert_eq!(cache.translator.statistics().flushes, 0);
        assert!(cache.translator.statistics().used_bytes - before < 1000);
        let state = check.map(|Check { regs, .. }| AppState { regs, left: 1 });
        let past = cache.translator.pass(&code, &state.expect("there is one"));
        let map = &cache.translator.store.map;
        for at in start..=past.expect("room") {
            let rip = map.shape(at).map(|shape| shape.rip);
            assert_eq!(rip, Some(Rip::At(APP + 1)));
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let code = Snippet(vec![0xf4]);
    let mut cache = Cache::new(LAZY);
    let entry = cache.translator.enter(&code, APP, 0);
    assert_eq!(entry, Err(TranslateError::Arrived));
    let mut bytes = [0; super::super::DATA_READ_BYTES];
    let mut regs = Regs {
        rip: APP,
        ..Regs::default()
    };
    let data = Data::parse(&bytes);
    let exit = cache.translator.exit(&code, &regs, &data);
    assert_eq!(exit, Err(TranslateError::NotAtGate(APP)));
    assert_eq!(
        cache.translator.application_state(&regs, &data),
        Err(Roll::Outside)
    );
    bytes[usize::try_from(Slot::EXIT.offset()).expect("small")] = 77;
    regs.rip = cache.translator.gate_address();
    let exit = cache.translator.exit(&code, &regs, &Data::parse(&bytes));
    assert_eq!(exit, Err(TranslateError::NoSuchExit(77)));
    // Any address at all can be entered: there is an exit.
    for at in [0, 1, u64::MAX, u64::MAX - 3, 1 << 47, 1 << 63] {
        cache.enter(&code, at);
        cache.translator.invalidate(at..u64::MAX);
    }
}
