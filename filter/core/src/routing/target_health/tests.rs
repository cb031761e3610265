//! Tests for every kind of entry.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// Noon of some day, in seconds.
const NOON: u64 = 1_801_396_800;

/// `millis` milliseconds after noon.
pub(super) fn at(millis: i64) -> Time {
    Time((NOON * 1_000).saturating_add_signed(millis) * 1_000_000)
}

pub(super) fn target() -> TargetHealth {
    TargetHealth::of("openai", "gpt-5")
}

#[test]
fn no_two_cells_have_the_same_name_nor_one_of_the_store() {
    let targets = [
        TargetHealth::of("a", "b/c"),
        TargetHealth::of("a-b", "c"),
        TargetHealth::of("a", "b"),
        TargetHealth::of("b", "a"),
    ];
    let names: Vec<&str> = targets
        .iter()
        .flat_map(|entries| [&*entries.circuit.bucket, &*entries.speed.bucket, &*entries.load.bucket])
        .collect();
    for (index, name) in names.iter().enumerate() {
        assert!(!names[..index].contains(name), "{name}");
        assert!(!["sluice.page.", "sluice.accounts.", "sluice.names."].iter().any(|store| name.starts_with(store)));
    }
}
