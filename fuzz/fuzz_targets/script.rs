#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| interpose::engine::script(data));
