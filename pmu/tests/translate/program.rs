//! Random programs: what they are made of, and how they become machine code.

use crate::asm::{Asm, Label, Rm};
use crate::machine::{CODE, DATA, DATA_LEN, Machine, Place, STACK_TOP};
use pmu::Regs;

/// A register of the program's own: not `rsp`, nor the two with a fixed role.
pub type Reg = u8;

/// Holds the address of the data, always.
pub const BASE: u8 = 14;
/// Counts the innermost loops of simple instructions.
const LOOP: u8 = 15;

/// A simple operand.
#[derive(Debug, Clone, Copy)]
pub enum Place8 {
    Reg(Reg),
    /// Data at an offset, relative to the instruction pointer.
    Rip(u16),
    /// Data at an offset from [`BASE`].
    Data(u16),
    /// Below the stack pointer: in the red zone.
    RedZone(u8),
}

/// An instruction without control flow.
#[derive(Debug, Clone)]
pub enum Simple {
    /// add, or, adc, sbb, and, sub, xor, cmp; operand size 1, 2, 4 or 8; to or from the register.
    Alu(u8, u8, Reg, Place8, bool),
    AluImm(u8, u8, Place8, i8),
    Test(u8, Reg, Place8),
    Mov(u8, Reg, Place8, bool),
    /// not, neg, mul, imul; inc, dec
    Unary(u8, u8, Place8),
    /// rol, ror, rcl, rcr, shl, shr, (shl), sar; by a constant or by cl
    Shift(u8, u8, Place8, Option<u8>),
    Lea(Reg, u16),
    LeaIndexed(Reg, Reg, Reg),
    Imul(Reg, Place8),
    Bit(u8, Reg, Reg),
    Cmov(u8, Reg, Place8),
    Set(u8, Place8),
    Xchg(Reg, Place8),
    LockXadd(Reg, Place8),
    Cmpxchg(Reg, Place8),
    Cmpxchg16b,
    Extend(u8, Reg, Place8),
    Bswap(Reg),
    Lahf,
    Sahf,
    PushfPop(Reg),
    PushPopf(Reg),
    PushPop(Place8, Place8),
    Flag(u8),
    /// movs, cmps, stos, lods, scas with a rep prefix and a count
    Str(u8, u8, u8, u8),
    Sse(u8, u8, Place8),
    SseStore(u8, Place8),
    Avx(u8, u8, u8, Place8),
    Evex(u8, u8, Place8),
    X87(u8, u16),
    MovImm(Reg, u64),
    MovToSse(u8, Reg),
    Ptest(u8, u8),
    Comisd(u8, Place8),
    Nop(u8),
    Enter(u8),
    Moffs(u16, bool),
    Special(u8),
    Bmi(u8, Reg, Reg, Place8),
    /// Changes the program itself, if that may: a constant before or right behind it, or an opcode.
    Patch(u8, Reg, Reg),
}

/// Something that a program does.
#[derive(Debug, Clone)]
pub enum Stmt {
    Do(Simple),
    If(u8, Vec<Stmt>, Vec<Stmt>),
    /// A counter in memory; the way it is counted.
    Loop(u8, u8, Vec<Stmt>),
    /// A counter in a register.
    Tight(u8, Vec<Simple>),
    /// A jump through a table; by register or memory.
    Switch(Reg, u8, Vec<Vec<Stmt>>),
    /// A call of a later function, in one of several ways.
    Call(u8, u8),
    /// `jrcxz` or `jecxz` around something.
    Jrcxz(bool, Vec<Stmt>),
    /// Division, which may fault.
    Div(u8, Place8),
    /// A load from an address that may not exist.
    Wild(Reg, u64),
}

/// A whole program.
#[derive(Debug, Clone)]
pub struct Program {
    pub functions: Vec<Vec<Stmt>>,
    /// Bytes that each function takes off the stack when it returns.
    pub extra: Vec<u8>,
    pub seed: u64,
    /// It changes itself, so its code is verified.
    pub patches: bool,
}

/// A program in memory.
pub struct Loaded {
    /// The first registers.
    pub regs: Regs,
    /// Where the constants of its `mov` instructions are.
    pub constants: Vec<u64>,
    /// Where each function begins, and where the last one ends.
    pub functions: Vec<u64>,
}

/// Bytes at the data's end for tables of addresses.
const TABLES: usize = 0x400;

/// A program being written.
pub struct Builder {
    pub asm: Asm,
    pub data: u64,
    functions: Vec<Label>,
    extra: Vec<u8>,
    next_word: u64,
    index: usize,
    pub constants: Vec<u64>,
    pub patches: bool,
}

impl Program {
    /// Writes it into memory, with data and registers from its seed. Returns the first registers.
    pub fn load(&self, machine: &Machine, place: Place) -> Regs {
        self.load_whole(machine, place).regs
    }

    /// The same, and says what is where.
    pub fn load_whole(&self, machine: &Machine, place: Place) -> Loaded {
        let base = machine.app_base(place);
        machine.verifies.set(self.patches);
        let mut asm = Asm::new(base + CODE + 0x100);
        let functions: Vec<Label> = self.functions.iter().map(|_| asm.label()).collect();
        let mut builder = Builder {
            asm,
            data: base + DATA,
            functions,
            extra: self.extra.clone(),
            next_word: base + DATA + (DATA_LEN - TABLES) as u64,
            index: 0,
            constants: Vec::new(),
            patches: self.patches,
        };
        builder.prologue();
        for (index, function) in self.functions.iter().enumerate() {
            let label = builder.functions[index];
            builder.asm.bind(label);
            builder.index = index;
            builder.stmts(function);
            match (index, builder.extra(index)) {
                (0, _) => builder.asm.raw(&[0xf4]),
                (_, 0) => builder.asm.raw(&[0xc3]),
                (_, extra) => builder.asm.raw(&[0xc2, extra, 0]),
            }
        }
        let Builder {
            asm,
            constants,
            functions,
            ..
        } = builder;
        let starts = functions.into_iter().map(|label| asm.address(label));
        let functions: Vec<u64> = starts.chain([asm.here()]).collect();
        let (code, words) = asm.finish();
        let mut random = Random(self.seed);
        let image: Vec<u8> = (0..0x4000)
            .map(|_| random.next().to_le_bytes()[0])
            .collect();
        machine.write(base + DATA, &image[..crate::machine::DATA_LEN]);
        machine.write(base + crate::machine::STACK, &image[0x1000..0x2000]);
        machine.write(base + CODE, &[0xcc; 0x10000]);
        machine.write(base + CODE + 0x100, &code);
        for (address, value) in words {
            machine.write(address, &value.to_le_bytes());
        }
        let mut regs = machine.reset();
        for (index, slot) in [
            &mut regs.rax,
            &mut regs.rcx,
            &mut regs.rdx,
            &mut regs.rbx,
            &mut regs.rbp,
            &mut regs.rsi,
            &mut regs.rdi,
            &mut regs.r8,
            &mut regs.r9,
            &mut regs.r10,
            &mut regs.r11,
            &mut regs.r12,
            &mut regs.r13,
        ]
        .into_iter()
        .enumerate()
        {
            let value = random.next();
            *slot = if index % 3 == 0 { value % 16 } else { value };
        }
        regs.r15 = 0;
        regs.r14 = base + DATA;
        regs.rsp = base + STACK_TOP;
        regs.rip = base + CODE + 0x100;
        regs.eflags = 0x202 | random.next() & 0x8d5;
        Loaded {
            regs,
            constants,
            functions,
        }
    }
}

/// A generator of numbers (xorshift).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= 0x9e37_79b9_7f4a_7c15;
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// What is there on this machine.
pub fn has(feature: &str) -> bool {
    match feature {
        "avx2" => std::arch::is_x86_feature_detected!("avx2"),
        "avx512" => std::arch::is_x86_feature_detected!("avx512bw"),
        _ => std::arch::is_x86_feature_detected!("bmi2"),
    }
}

impl Builder {
    fn extra(&self, index: usize) -> u8 {
        self.extra.get(index).copied().unwrap_or(0) & 0x18
    }

    /// Vector registers from the data.
    fn prologue(&mut self) {
        for number in 0..8 {
            let at = Rm::Rip(self.data + u64::from(number) * 64);
            if has("avx512") {
                // vmovdqu64 zmm, [rip]
                self.asm.raw(&[0x62, 0xf1, 0xfe, 0x48, 0x6f]);
                self.asm.rm(number, at, &[]);
            } else {
                self.asm.op(&[0xf3], false, &[0x0f, 0x6f], number, at, &[]);
            }
        }
        if has("avx512") {
            // kmovq k1, rax
            self.asm.raw(&[0xc4, 0xe1, 0xfb, 0x92, 0xc8]);
        }
    }

    pub fn rm(&self, place: Place8) -> Rm {
        let inside = |offset: u16| u64::from(offset) % (DATA_LEN - TABLES - 64) as u64;
        match place {
            Place8::Reg(reg) => Rm::Reg(reg),
            Place8::Rip(offset) => Rm::Rip(self.data + inside(offset)),
            Place8::Data(offset) => Rm::Base(BASE, i32::try_from(inside(offset)).unwrap()),
            Place8::RedZone(offset) => Rm::Base(4, -8 - i32::from(offset % 14) * 8),
        }
    }

    /// An instruction of any operand size, whose opcode has a form for bytes that is one less.
    fn sized(&mut self, prefix: &[u8], size: u8, opcode: &[u8], reg: u8, rm: Rm, imm: &[u8]) {
        let mut opcode = opcode.to_vec();
        let mut prefix = prefix.to_vec();
        match size & 3 {
            0 => *opcode.last_mut().unwrap() -= 1,
            1 => prefix.push(0x66),
            _ => {}
        }
        self.asm.op(&prefix, size & 3 == 3, &opcode, reg, rm, imm);
    }

    fn stmts(&mut self, stmts: &[Stmt]) {
        for stmt in stmts {
            self.stmt(stmt);
        }
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Do(simple) => self.simple(simple),
            Stmt::If(condition, then, other) => self.branch(*condition, then, other),
            Stmt::Loop(count, way, body) => self.looped(*count, *way, body),
            Stmt::Tight(count, body) => self.tight(*count, body),
            Stmt::Switch(reg, way, cases) => self.switch(*reg, *way, cases),
            Stmt::Call(which, way) => self.call(*which, *way),
            Stmt::Jrcxz(short, body) => {
                let (skip, over) = (self.asm.label(), self.asm.label());
                if *short {
                    self.asm.raw(&[0x67]);
                }
                self.asm.raw(&[0xe3, 5]);
                self.asm.jmp(over);
                self.asm.jmp(skip);
                self.asm.bind(over);
                self.stmts(body);
                self.asm.bind(skip);
            }
            Stmt::Div(size, place) => {
                let rm = self.rm(*place);
                if size & 4 == 0 {
                    // xor edx, edx; or something that is not 0
                    self.asm.raw(&[0x31, 0xd2]);
                    self.asm.op(&[], false, &[0x83], 1, rm, &[1]);
                }
                self.asm
                    .op(&[], false, &[0xf7], 6 + (size >> 3 & 1), rm, &[]);
            }
            Stmt::Wild(reg, address) => {
                self.asm.mov_imm64(*reg, *address);
                let rm = match reg & 7 {
                    5 => Rm::Base(*reg, 0),
                    _ => Rm::Indexed(*reg, 1),
                };
                // cmp [reg + 8 * rcx], eax
                self.asm.op(&[], false, &[0x39], 0, rm, &[]);
            }
        }
    }

    fn branch(&mut self, condition: u8, then: &[Stmt], other: &[Stmt]) {
        let (otherwise, end) = (self.asm.label(), self.asm.label());
        if condition & 16 == 0 {
            self.asm.jcc(condition, otherwise);
        } else {
            // The short form, over a jump.
            self.asm.raw(&[0x70 | (condition & 15) ^ 1, 5]);
            self.asm.jmp(otherwise);
        }
        self.stmts(then);
        self.asm.jmp(end);
        self.asm.bind(otherwise);
        self.stmts(other);
        self.asm.bind(end);
    }

    fn looped(&mut self, count: u8, way: u8, body: &[Stmt]) {
        let (head, end, again) = (self.asm.label(), self.asm.label(), self.asm.label());
        self.asm.raw(&[0x6a, 1 + count % 6]);
        self.asm.bind(head);
        self.stmts(body);
        match way % 4 {
            0 => {
                // dec qword [rsp]; jnz
                self.asm.raw(&[0x48, 0xff, 0x0c, 0x24]);
                self.asm.jcc(5, head);
            }
            1 => {
                // sub dword [rsp], 1; ja
                self.asm.raw(&[0x83, 0x2c, 0x24, 0x01]);
                self.asm.jcc(7, head);
            }
            _ => {
                // mov rcx, [rsp]; loop (or loopne); mov [rsp], rcx
                self.asm.raw(&[0x48, 0x8b, 0x0c, 0x24]);
                self.asm.raw(&[if way % 4 == 2 { 0xe2 } else { 0xe0 }, 5]);
                self.asm.jmp(end);
                self.asm.bind(again);
                self.asm.raw(&[0x48, 0x89, 0x0c, 0x24]);
                self.asm.jmp(head);
                self.asm.bind(end);
            }
        }
        // lea rsp, [rsp + 8]
        self.asm.raw(&[0x48, 0x8d, 0x64, 0x24, 0x08]);
    }

    fn tight(&mut self, count: u8, body: &[Simple]) {
        let head = self.asm.label();
        self.asm.mov_imm64(LOOP, u64::from(count % 24) + 1);
        self.asm.bind(head);
        for simple in body {
            self.simple(simple);
        }
        // dec r15; jnz
        self.asm.raw(&[0x49, 0xff, 0xcf]);
        self.asm.jcc(5, head);
    }

    fn switch(&mut self, reg: Reg, way: u8, cases: &[Vec<Stmt>]) {
        let (end, table) = (self.asm.label(), self.next_word);
        let room = self.data + DATA_LEN as u64 - self.next_word;
        if cases.len() < 2 || room < 64 {
            return;
        }
        let count = if cases.len() < 4 { 2u8 } else { 4 };
        self.next_word += u64::from(count) * 8;
        // and reg, count - 1
        self.asm
            .op(&[], true, &[0x83], 4, Rm::Reg(reg), &[count - 1]);
        // lea r15, [rip + table]
        self.asm.op(&[], true, &[0x8d], LOOP, Rm::Rip(table), &[]);
        match way % 4 {
            0 => {
                self.asm
                    .op(&[], true, &[0x8b], reg, Rm::Indexed(LOOP, reg), &[]);
                self.asm.op(&[], false, &[0xff], 4, Rm::Reg(reg), &[]);
            }
            1 => {
                // push the target, return to it
                self.asm
                    .op(&[], false, &[0xff], 6, Rm::Indexed(LOOP, reg), &[]);
                self.asm.raw(&[0xf3, 0xc3]);
            }
            2 => self
                .asm
                .op(&[0x3e], false, &[0xff], 4, Rm::Indexed(LOOP, reg), &[]),
            _ => {
                // Always the first.
                self.asm.op(&[], false, &[0xff], 4, Rm::Rip(table), &[]);
            }
        }
        for (index, case) in cases.iter().take(count.into()).enumerate() {
            let label = self.asm.label();
            self.asm.bind(label);
            self.asm.word(table + index as u64 * 8, label);
            self.stmts(case);
            self.asm.jmp(end);
        }
        self.asm.bind(end);
    }

    fn call(&mut self, which: u8, way: u8) {
        let later = self.functions.len() - self.index - 1;
        if later == 0 {
            return;
        }
        let callee = self.index + 1 + usize::from(which) % later;
        let label = self.functions[callee];
        let extra = self.extra(callee);
        // lea rsp, [rsp - extra]
        self.asm
            .raw(&[0x48, 0x8d, 0x64, 0x24, 0u8.wrapping_sub(extra)]);
        let room = self.data + DATA_LEN as u64 - self.next_word;
        if way.is_multiple_of(4) || room < 64 {
            self.asm.call(label);
            return;
        }
        if way % 8 == 5 {
            // With the prefixes of a call for thread-local storage.
            self.asm.raw(&[0x66, 0x66, 0x48]);
            self.asm.call(label);
            return;
        }
        let word = self.next_word;
        self.next_word += 8;
        self.asm.word(word, label);
        match way % 4 {
            1 => self.asm.op(&[], false, &[0xff], 2, Rm::Rip(word), &[]),
            2 => {
                self.asm.op(&[], true, &[0x8b], LOOP, Rm::Rip(word), &[]);
                self.asm.op(&[], false, &[0xff], 2, Rm::Reg(LOOP), &[]);
            }
            _ => {
                // The target from the stack: mov r15, [word]; mov [rsp - 8], r15; call [rsp - 8]
                self.asm.op(&[], true, &[0x8b], LOOP, Rm::Rip(word), &[]);
                self.asm.op(&[], true, &[0x89], LOOP, Rm::Base(4, -8), &[]);
                self.asm.op(&[], false, &[0xff], 2, Rm::Base(4, -8), &[]);
            }
        }
    }

    fn simple(&mut self, simple: &Simple) {
        match *simple {
            Simple::Alu(op, size, reg, place, store) => {
                let rm = self.rm(place);
                let opcode = (op & 7) << 3 | if store { 1 } else { 3 };
                self.sized(&[], size, &[opcode], reg, rm, &[]);
            }
            Simple::AluImm(op, size, place, imm) => {
                let rm = self.rm(place);
                let opcode = if size & 3 == 0 { 0x81 } else { 0x83 };
                let imm = imm.to_le_bytes();
                self.sized(&[], size, &[opcode], op & 7, rm, &imm);
            }
            Simple::Test(size, reg, place) => {
                let rm = self.rm(place);
                self.sized(&[], size, &[0x85], reg, rm, &[]);
            }
            Simple::Mov(size, reg, place, store) => {
                let rm = self.rm(place);
                let opcode = if store { 0x89 } else { 0x8b };
                self.sized(&[], size, &[opcode], reg, rm, &[]);
            }
            Simple::Unary(op, size, place) => {
                let rm = self.rm(place);
                match op % 6 {
                    4 | 5 => self.sized(&[], size, &[0xff], op % 6 - 4, rm, &[]),
                    op => self.sized(&[], size, &[0xf7], op + 2, rm, &[]),
                }
            }
            Simple::Shift(op, size, place, count) => {
                let rm = self.rm(place);
                match count {
                    Some(count) => self.sized(&[], size, &[0xc1], op & 7, rm, &[count]),
                    None => self.sized(&[], size, &[0xd3], op & 7, rm, &[]),
                }
            }
            Simple::Lea(reg, offset) => {
                let rm = Rm::Rip(self.data + u64::from(offset));
                self.asm.op(&[], offset & 1 == 0, &[0x8d], reg, rm, &[]);
            }
            Simple::LeaIndexed(reg, base, index) => {
                let base = if base & 7 == 5 { BASE } else { base };
                self.asm
                    .op(&[], true, &[0x8d], reg, Rm::Indexed(base, index), &[]);
            }
            Simple::Imul(reg, place) => {
                let rm = self.rm(place);
                self.asm.op(&[], true, &[0x0f, 0xaf], reg, rm, &[]);
            }
            Simple::Bit(op, reg, by) => {
                let opcode = [0xa3, 0xab, 0xb3, 0xbb, 0xbc, 0xbd][usize::from(op % 6)];
                self.asm
                    .op(&[], op & 8 == 0, &[0x0f, opcode], by, Rm::Reg(reg), &[]);
            }
            Simple::Cmov(condition, reg, place) => {
                let rm = self.rm(place);
                let opcode = 0x40 | condition & 15;
                self.asm
                    .op(&[], condition & 16 == 0, &[0x0f, opcode], reg, rm, &[]);
            }
            Simple::Set(condition, place) => {
                let rm = self.rm(place);
                self.asm
                    .op(&[], false, &[0x0f, 0x90 | condition & 15], 0, rm, &[]);
            }
            Simple::Xchg(reg, place) => {
                let rm = self.rm(place);
                self.asm.op(&[], true, &[0x87], reg, rm, &[]);
            }
            Simple::LockXadd(reg, place) => {
                let rm = self.rm(place);
                let lock: &[u8] = if matches!(rm, Rm::Reg(_)) {
                    &[]
                } else {
                    &[0xf0]
                };
                self.asm.op(lock, true, &[0x0f, 0xc1], reg, rm, &[]);
            }
            Simple::Cmpxchg(reg, place) => {
                let rm = self.rm(place);
                self.asm.op(&[], true, &[0x0f, 0xb1], reg, rm, &[]);
            }
            Simple::Cmpxchg16b => {
                let rm = Rm::Rip(self.data + 0x80);
                self.asm.op(&[0xf0], true, &[0x0f, 0xc7], 1, rm, &[]);
            }
            Simple::Extend(op, reg, place) => {
                let rm = self.rm(place);
                let opcode: &[u8] = match op % 5 {
                    0 => &[0x0f, 0xb6],
                    1 => &[0x0f, 0xb7],
                    2 => &[0x0f, 0xbe],
                    3 => &[0x0f, 0xbf],
                    _ => &[0x63],
                };
                self.asm.op(&[], op & 8 == 0, opcode, reg, rm, &[]);
            }
            Simple::Bswap(reg) => self.asm.raw(&[0x48 | reg >> 3, 0x0f, 0xc8 | reg & 7]),
            _ => self.other(simple),
        }
    }
}
