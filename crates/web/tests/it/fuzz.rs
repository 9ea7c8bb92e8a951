//! What fuzzers try, here without one: see `fuzz` at the root of the repository.

#[path = "../../../../fuzz/src/corpus.rs"]
mod corpus;
#[path = "../../../../fuzz/src/targets/form.rs"]
mod form;

const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz");

#[test]
fn form_bears_anything() {
    corpus::replay(FUZZ, "form", form::run);
}
