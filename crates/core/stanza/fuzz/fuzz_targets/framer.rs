//! Feeds the framer whatever the fuzzer makes up:
//! `cargo +nightly fuzz run framer` in `crates/core/stanza`. Keep what it finds in
//! `fuzz/corpus/framer`, named by its outcome.
#![no_main]

#[path = "../../tests/framer_checks/mod.rs"]
mod framer_checks;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    framer_checks::check(input);
});
