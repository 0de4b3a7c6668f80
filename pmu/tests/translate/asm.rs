//! A small assembler for test programs, apart from the translator's own.

/// Where an operand is.
#[derive(Debug, Clone, Copy)]
pub enum Rm {
    /// In a register.
    Reg(u8),
    /// In memory at an absolute address, relative to the instruction pointer.
    Rip(u64),
    /// In memory at a base register plus an offset.
    Base(u8, i32),
    /// At `base + 8 * index`.
    Indexed(u8, u8),
}

/// A place in the code, known later.
#[derive(Debug, Clone, Copy)]
pub struct Label(usize);

/// Code for an address.
#[derive(Debug, Default)]
pub struct Asm {
    pub base: u64,
    pub bytes: Vec<u8>,
    labels: Vec<Option<u64>>,
    fixups: Vec<(usize, Label)>,
    words: Vec<(u64, Label)>,
}

impl Asm {
    pub fn new(base: u64) -> Self {
        Self {
            base,
            ..Self::default()
        }
    }

    pub fn here(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    pub fn bind(&mut self, label: Label) {
        let here = self.here();
        self.labels[label.0] = Some(here);
    }

    /// A 32-bit displacement to a label, which ends an instruction.
    pub fn rel32(&mut self, label: Label) {
        self.fixups.push((self.bytes.len(), label));
        self.raw(&[0; 4]);
    }

    /// A word of memory that is to hold a label's address.
    pub fn word(&mut self, address: u64, label: Label) {
        self.words.push((address, label));
    }

    pub fn jmp(&mut self, label: Label) {
        self.raw(&[0xe9]);
        self.rel32(label);
    }

    pub fn jcc(&mut self, condition: u8, label: Label) {
        self.raw(&[0x0f, 0x80 | condition & 15]);
        self.rel32(label);
    }

    pub fn call(&mut self, label: Label) {
        self.raw(&[0xe8]);
        self.rel32(label);
    }

    /// `mov reg, imm64`
    pub fn mov_imm64(&mut self, reg: u8, value: u64) {
        self.raw(&[0x48 | reg >> 3, 0xb8 | reg & 7]);
        self.raw(&value.to_le_bytes());
    }

    /// An instruction with a ModRM byte: prefixes, REX.W, opcode, the register or opcode extension, the
    /// operand, the immediate.
    pub fn op(&mut self, prefix: &[u8], wide: bool, opcode: &[u8], reg: u8, rm: Rm, imm: &[u8]) {
        self.raw(prefix);
        let (b, x) = match rm {
            Rm::Reg(number) | Rm::Base(number, _) => (number >> 3, 0),
            Rm::Rip(_) => (0, 0),
            Rm::Indexed(base, index) => (base >> 3, index >> 3),
        };
        self.raw(&[0x40 | u8::from(wide) << 3 | reg >> 3 << 2 | x << 1 | b]);
        self.raw(opcode);
        self.rm(reg, rm, imm);
    }

    /// ModRM, SIB, displacement and immediate.
    pub fn rm(&mut self, reg: u8, rm: Rm, imm: &[u8]) {
        let reg = (reg & 7) << 3;
        match rm {
            Rm::Reg(number) => self.raw(&[0xc0 | reg | number & 7]),
            Rm::Rip(address) => {
                self.raw(&[0x05 | reg]);
                let end = self.here() + 4 + imm.len() as u64;
                let distance = address.wrapping_sub(end).cast_signed();
                self.raw(&i32::try_from(distance).expect("in reach").to_le_bytes());
            }
            Rm::Base(number, offset) => {
                self.raw(&[0x80 | reg | number & 7]);
                if number & 7 == 4 {
                    self.raw(&[0x24]);
                }
                self.raw(&offset.to_le_bytes());
            }
            Rm::Indexed(base, index) => {
                assert_ne!(base & 7, 5, "means something else");
                self.raw(&[0x04 | reg, 0xc0 | (index & 7) << 3 | base & 7]);
            }
        }
        self.raw(imm);
    }

    /// Where a label is that is bound.
    pub fn address(&self, label: Label) -> u64 {
        self.labels[label.0].expect("bound")
    }

    /// The code, and the words of memory that depend on it.
    pub fn finish(mut self) -> (Vec<u8>, Vec<(u64, u64)>) {
        for (at, label) in &self.fixups {
            let end = self.base + *at as u64 + 4;
            let distance = self.address(*label).wrapping_sub(end).cast_signed();
            let bytes = i32::try_from(distance).expect("in reach").to_le_bytes();
            self.bytes[*at..at + 4].copy_from_slice(&bytes);
        }
        let words = self
            .words
            .iter()
            .map(|(at, label)| (*at, self.address(*label)))
            .collect();
        (self.bytes, words)
    }
}
