#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iotjob_fuzz::enter("fleet", data));
