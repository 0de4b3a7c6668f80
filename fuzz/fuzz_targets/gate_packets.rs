//! Any bytes as packets that pass the gate.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    standby::gate::fuzzing::packets(data);
});
