//! What fuzzers try, here without one: see `fuzz` at the root of the repository.

#[path = "../../../../fuzz/src/corpus.rs"]
mod corpus;
#[path = "../../../../fuzz/src/targets/filter.rs"]
mod filter;
#[path = "../../../../fuzz/src/targets/record.rs"]
mod record;

const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz");

#[test]
fn filter_bears_anything() {
    corpus::replay(FUZZ, "filter", filter::run);
}

#[test]
fn record_bears_anything() {
    corpus::replay(FUZZ, "record", record::run);
}
