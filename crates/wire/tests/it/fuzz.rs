//! What fuzzers try, here without one: see `fuzz` at the root of the repository.

#[path = "../../../../fuzz/src/targets/body.rs"]
mod body;
#[path = "../../../../fuzz/src/corpus.rs"]
mod corpus;

const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz");

#[test]
fn body_bears_anything() {
    corpus::replay(FUZZ, "body", body::run);
}
