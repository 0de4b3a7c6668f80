//! The less common instructions of random programs: flags, strings, vectors, x87, and others.

use crate::asm::Rm;
use crate::program::{Builder, Place8, Simple, has};

impl Builder {
    /// Writes one of the less common instructions.
    pub fn other(&mut self, simple: &Simple) {
        match *simple {
            Simple::Lahf => self.asm.raw(&[0x9f]),
            Simple::Sahf => self.asm.raw(&[0x9e]),
            Simple::PushfPop(reg) => {
                self.asm.raw(&[0x9c]);
                self.asm.raw(&[0x40 | reg >> 3, 0x58 | reg & 7]);
            }
            Simple::PushPopf(reg) => {
                self.asm.raw(&[0x40 | reg >> 3, 0x50 | reg & 7]);
                // and qword [rsp], 0x8d5; popf
                self.asm
                    .raw(&[0x48, 0x81, 0x24, 0x24, 0xd5, 0x08, 0, 0, 0x9d]);
            }
            Simple::PushPop(from, to) => {
                let (from, to) = (self.rm(from), self.rm(to));
                self.asm.op(&[], false, &[0xff], 6, from, &[]);
                self.asm.op(&[], false, &[0x8f], 0, to, &[]);
            }
            Simple::Flag(which) => {
                let opcode = [0xf5, 0xf8, 0xf9, 0xfc, 0xfd, 0xfc];
                self.asm.raw(&[opcode[usize::from(which % 6)]]);
            }
            Simple::Str(op, prefix, size, count) => self.string(op, prefix, size, count),
            Simple::Sse(op, reg, place) => {
                let rm = self.vector(place);
                // paddq, pxor, pcmpeqb, movdqa, pshufd with a constant, cvtdq2ps
                let (opcode, imm): (&[u8], &[u8]) = match op % 5 {
                    0 => (&[0x0f, 0xd4], &[]),
                    1 => (&[0x0f, 0xef], &[]),
                    2 => (&[0x0f, 0x74], &[]),
                    3 => (&[0x0f, 0x6f], &[]),
                    _ => (&[0x0f, 0x70], &[0x1b]),
                };
                self.asm.op(&[0x66], false, opcode, reg & 15, rm, imm);
            }
            Simple::SseStore(reg, place) => {
                let rm = self.vector(place);
                self.asm
                    .op(&[0xf3], false, &[0x0f, 0x7f], reg & 15, rm, &[]);
            }
            Simple::Avx(op, reg, second, place) if has("avx2") => {
                let rm = self.vector(place);
                let (reg, second) = (reg & 7, second & 7);
                let base = u8::from(matches!(rm, Rm::Base(number, _) if number >= 8));
                // VEX.256.66.0F: vpaddd, vpxor, vpor
                let opcode = [0xfe, 0xef, 0xeb][usize::from(op % 3)];
                let third = 0x05 | (!second & 15) << 3;
                self.asm.raw(&[0xc4, 0xe1 & !(base << 5), third, opcode]);
                self.asm.rm(reg, rm, &[]);
            }
            Simple::Evex(reg, second, place) if has("avx512") => {
                let rm = self.vector(place);
                let (reg, second) = (reg & 7, second & 7);
                let base = u8::from(matches!(rm, Rm::Base(number, _) if number >= 8));
                // vpaddq zmm {k1}, zmm, [..]; the displacement counts 64 bytes where it is 8 bits only
                let third = 0x85 | (!second & 15) << 3;
                self.asm
                    .raw(&[0x62, 0xf1 & !(base << 5), third, 0x49, 0xd4]);
                self.asm.rm(reg, rm, &[]);
            }
            Simple::Bmi(op, reg, second, place) if has("bmi2") => {
                let rm = self.rm(place);
                let extended = |number: u8| u8::from(number >= 8);
                let base = match rm {
                    Rm::Reg(number) | Rm::Base(number, _) => extended(number),
                    _ => 0,
                };
                // andn, or mulx
                let (map, opcode, pp) = [(2, 0xf2, 0), (2, 0xf6, 3)][usize::from(op & 1)];
                let first = 0xe0 & !(extended(reg) << 7) & !(base << 5) | map;
                self.asm
                    .raw(&[0xc4, first, 0x80 | (!second & 15) << 3 | pp, opcode]);
                self.asm.rm(reg, rm, &[]);
            }
            Simple::X87(op, offset) => {
                let rm = self.rm(Place8::Rip(offset));
                // fld qword, fadd qword, fstp qword, fnstcw, fnstsw
                let (opcode, extension) =
                    [(0xdd, 0), (0xdc, 0), (0xdd, 3), (0xd9, 7), (0xdd, 7)][usize::from(op % 5)];
                self.asm.op(&[], false, &[opcode], extension, rm, &[]);
            }
            Simple::MovImm(reg, value) => {
                self.asm.mov_imm64(reg, value);
                self.constants.push(self.asm.here() - 8);
            }
            Simple::MovToSse(reg, from) => {
                self.asm
                    .op(&[0x66], true, &[0x0f, 0x6e], reg & 15, Rm::Reg(from), &[]);
            }
            Simple::Ptest(reg, other) => {
                let rm = Rm::Reg(other & 15);
                self.asm
                    .op(&[0x66], false, &[0x0f, 0x38, 0x17], reg & 15, rm, &[]);
            }
            Simple::Comisd(reg, place) => {
                let rm = self.vector(place);
                self.asm
                    .op(&[0x66], false, &[0x0f, 0x2e], reg & 15, rm, &[]);
            }
            Simple::Nop(which) => {
                let forms: [&[u8]; 4] = [
                    &[0x90],
                    &[0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
                    &[0xf3, 0x0f, 0x1e, 0xfa],
                    &[0x0f, 0x1f, 0x05, 1, 2, 3, 4],
                ];
                self.asm.raw(forms[usize::from(which % 4)]);
            }
            Simple::Enter(size) => {
                // enter; leave
                self.asm.raw(&[0xc8, size & 0x38, 0, 0, 0xc9]);
            }
            Simple::Moffs(offset, store) => {
                let Rm::Rip(address) = self.rm(Place8::Rip(offset)) else {
                    return;
                };
                self.asm.raw(&[0x48, if store { 0xa3 } else { 0xa1 }]);
                self.asm.raw(&address.to_le_bytes());
            }
            Simple::Patch(way, from, to) => self.patch(way, from, to),
            Simple::Special(which) => {
                // With results that do not vary: cpuid of leaf 0, xgetbv of register 0.
                let forms: [&[u8]; 2] =
                    [&[0x31, 0xc0, 0x0f, 0xa2], &[0x31, 0xc9, 0x0f, 0x01, 0xd0]];
                self.asm.raw(forms[usize::from(which % 2)]);
            }
            _ => self.asm.raw(&[0x90]),
        }
    }

    /// An operand for vector instructions: a register's number counts as a vector register's.
    fn vector(&self, place: Place8) -> Rm {
        match place {
            Place8::Reg(reg) => Rm::Reg(reg & 7),
            // Aligned.
            Place8::Rip(offset) => self.rm(Place8::Rip(offset & !63)),
            Place8::Data(offset) => self.rm(Place8::Data(offset & !63)),
            Place8::RedZone(_) => self.rm(Place8::Data(64)),
        }
    }

    /// An instruction that changes another one.
    fn patch(&mut self, way: u8, from: u8, to: u8) {
        match (way % 3, self.constants.last()) {
            _ if !self.patches => {}
            (0, Some(constant)) => {
                // mov [constant], from
                let rm = Rm::Rip(*constant);
                self.asm.op(&[], true, &[0x89], from, rm, &[]);
            }
            (1, _) => {
                // xor byte [modrm], 8; inc to, which becomes dec and inc again
                let modrm = self.asm.here() + 8 + 2;
                self.asm.op(&[], false, &[0x80], 6, Rm::Rip(modrm), &[8]);
                self.asm.op(&[], true, &[0xff], 0, Rm::Reg(to), &[]);
            }
            _ => {
                // mov [constant], from; mov to, constant
                let constant = self.asm.here() + 7 + 2;
                let rm = Rm::Rip(constant);
                self.asm.op(&[], true, &[0x89], from, rm, &[]);
                self.asm.mov_imm64(to, 0);
            }
        }
    }

    fn string(&mut self, op: u8, prefix: u8, size: u8, count: u8) {
        self.asm.mov_imm64(1, u64::from(count % 9));
        self.asm
            .op(&[], true, &[0x8d], 6, Rm::Rip(self.data + 0x200), &[]);
        self.asm
            .op(&[], true, &[0x8d], 7, Rm::Rip(self.data + 0x300), &[]);
        match prefix % 3 {
            0 => {}
            1 => self.asm.raw(&[0xf3]),
            _ => self.asm.raw(&[0xf2]),
        }
        let opcode = [0xa5, 0xa7, 0xab, 0xad, 0xaf][usize::from(op % 5)];
        match size & 3 {
            0 => self.asm.raw(&[opcode - 1]),
            1 => self.asm.raw(&[opcode]),
            _ => self.asm.raw(&[0x48, opcode]),
        }
    }
}
