//! Runs the fuzzer's corpus as plain tests: `fuzz/corpus/framer/<condition>_<what>.xml`, where the
//! condition is the stream error it ends with, or `good`.

mod framer_checks;

use std::path::Path;

#[test]
fn the_corpus_does_as_its_names_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/framer");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Some(name) = path
            .file_name()
            .and_then(|name| name.to_str())
            .filter(|n| n.ends_with(".xml"))
        else {
            continue; // what a fuzzer run has added has no names
        };
        let (_, error) = framer_checks::check(&std::fs::read(&path).unwrap());
        let outcome = error.map_or("good", |error| error.condition.name());
        assert!(
            name.starts_with(&format!("{outcome}_")),
            "{name}: {outcome}"
        );
        count += 1;
    }
    assert!(count >= 30, "only {count} files: is the corpus there?");
}

#[test]
fn every_corpus_file_cut_anywhere_is_harmless() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/framer");
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for end in (0..bytes.len().min(600)).step_by(3) {
            framer_checks::check(&bytes[..end]);
        }
    }
}
