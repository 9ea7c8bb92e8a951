//! What fuzzers try, here without one: see `fuzz` at the root of the repository.

#[path = "../../../../fuzz/src/corpus.rs"]
mod corpus;
#[path = "../../../../fuzz/src/targets/vault_file.rs"]
mod vault_file;

const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz");

#[test]
fn vault_file_bears_anything() {
    corpus::replay(FUZZ, "vault_file", vault_file::run);
}
