//! Any bytes as the segments of a journal.
#![no_main]

#[path = "../src/journal_reader.rs"]
mod journal_reader;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    journal_reader::run(data);
});
