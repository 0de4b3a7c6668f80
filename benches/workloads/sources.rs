//! What the jobs work on, the same in every run.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const WORDS: [&str; 16] = [
    "journal", "event", "thread", "the", "of", "syscall", "and", "memory", "a", "process",
    "signal", "is", "kernel", "replay", "in", "page",
];

/// xorshift64.
pub struct Random(u64);

impl Random {
    /// With a seed that is not 0.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number from 0 on, below the bound.
    pub fn below(&mut self, bound: usize) -> usize {
        let drawn = self.next() % u64::try_from(bound).expect("a usize");
        usize::try_from(drawn).expect("below a usize")
    }
}

/// Words and numbers: compresses about as prose does.
pub fn text(len: usize) -> String {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut text = String::with_capacity(len + 32);
    while text.len() < len {
        let word = WORDS[random.below(WORDS.len())];
        match random.below(12) {
            0 => writeln!(text, "{word} {}.", random.below(100_000)).expect("memory"),
            1 => write!(text, "{word}, ").expect("memory"),
            _ => write!(text, "{word} ").expect("memory"),
        }
    }
    text.truncate(len);
    text
}

/// So many files of very different sizes, so many bytes in all, in directories of a hundred.
pub fn tree(dir: &Path, files: usize, bytes: usize) {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mean = bytes / files;
    let content = text(mean * 2);
    for number in 0..files {
        let dir = dir.join(format!("dir{:03}", number / 100));
        if number % 100 == 0 {
            fs::create_dir_all(&dir).expect("the scratch directory is ours");
        }
        // In pairs, so that the sum is exact.
        let size = if number % 2 == 0 {
            random.below(mean)
        } else {
            2 * mean - fs::metadata(dir.join(format!("file{:04}", number - 1))).map_or(mean, size)
        };
        fs::write(dir.join(format!("file{number:04}")), &content[..size]).expect("ours");
    }
}

fn size(meta: fs::Metadata) -> usize {
    usize::try_from(meta.len()).expect("small files")
}

/// A C program that takes so many compilers, and how to make it.
pub fn project(dir: &Path, compilers: usize) {
    // One more is for the file with `main`.
    let files = compilers - 1;
    let mut header = String::from("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n");
    let mut calls = String::new();
    for number in 0..files {
        writeln!(header, "int part{number}(int, const char *);").expect("memory");
        writeln!(calls, "    sum += part{number}(argc, argv[0]);").expect("memory");
        let source = format!(
            "#include \"parts.h\"\n\
             static int step(int value) {{ return value * {number} + {}; }}\n\
             int part{number}(int count, const char *name) {{\n\
             \x20   char buffer[64];\n\
             \x20   int sum = 0;\n\
             \x20   for (int i = 0; i < count; i++) {{\n\
             \x20       snprintf(buffer, sizeof buffer, \"%s-%d\", name, step(i));\n\
             \x20       sum += (int)strlen(buffer) + atoi(buffer + 1);\n\
             \x20   }}\n\
             \x20   return sum;\n}}\n",
            number % 7
        );
        fs::write(dir.join(format!("part{number}.c")), source).expect("ours");
    }
    fs::write(dir.join("parts.h"), header).expect("ours");
    let main = format!(
        "#include \"parts.h\"\nint main(int argc, char **argv) {{\n    int sum = 0;\n{calls}    \
         printf(\"%d\\n\", sum);\n    return 0;\n}}\n"
    );
    fs::write(dir.join("main.c"), main).expect("ours");
    let makefile = "SOURCES = $(wildcard *.c)\n\
                    OBJECTS = $(SOURCES:%.c=out/%.o)\n\
                    out/program: $(OBJECTS)\n\tgcc -o $@ $^\n\
                    out/%.o: %.c parts.h | out\n\tgcc -O2 -c -o $@ $<\n\
                    out:\n\tmkdir -p $@\n";
    fs::write(dir.join("Makefile"), makefile).expect("ours");
}
