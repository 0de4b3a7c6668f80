//! Any bytes as messages of the link.
#![no_main]

#[path = "../src/link_message.rs"]
mod link_message;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    link_message::run(data);
});
