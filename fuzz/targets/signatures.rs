//! `signatures` under the fuzzer.
#![forbid(unsafe_code)]
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| aegis_fuzz::try_one(&aegis_fuzz::SIGNATURES, input));
