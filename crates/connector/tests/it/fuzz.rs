//! What fuzzers try, here without one: see `fuzz` at the root of the repository.

#[path = "../../../../fuzz/src/corpus.rs"]
mod corpus;
#[path = "../../../../fuzz/src/targets/keyfile.rs"]
mod keyfile;

const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz");

#[test]
fn keyfile_bears_anything() {
    corpus::replay(FUZZ, "keyfile", keyfile::run);
}
