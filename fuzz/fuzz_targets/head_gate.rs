//! Any stream means the same to the gate, to hyper behind it, and to a simple reader.
//!
//! `cargo fuzz run head_gate fuzz/corpus/head_gate tests/corpus/head_gate`; a find becomes a file in
//! `tests/corpus/head_gate`, which `cargo test` replays.

#![no_main]

#[path = "../../tests/head_gate/agreement.rs"]
mod agreement;
#[path = "../../tests/head_gate/simple.rs"]
mod simple;

libfuzzer_sys::fuzz_target!(|stream: &[u8]| agreement::check(stream));
