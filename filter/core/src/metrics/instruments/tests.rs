#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// The names, units, attributes and buckets of the conventions, as their registry has them. Attributes of ours follow after `|`.
#[test]
fn metrics_of_generative_ai_follow_the_registry() {
    let conventions = [
        "gen_ai.server.request.duration s gen_ai.operation.name gen_ai.provider.name gen_ai.request.model \
         gen_ai.response.model error.type | provider route tier : 0.01 0.02 0.04 0.08 0.16 0.32 0.64 1.28 2.56 5.12 \
         10.24 20.48 40.96 81.92",
        "gen_ai.server.time_to_first_token s gen_ai.operation.name gen_ai.provider.name gen_ai.request.model \
         gen_ai.response.model | provider route tier : 0.001 0.005 0.01 0.02 0.04 0.06 0.08 0.1 0.25 0.5 0.75 1 2.5 5 \
         7.5 10",
        "gen_ai.server.time_per_output_token s gen_ai.operation.name gen_ai.provider.name gen_ai.request.model \
         gen_ai.response.model | provider route tier : 0.01 0.025 0.05 0.075 0.1 0.15 0.2 0.3 0.4 0.5 0.75 1 2.5",
        "gen_ai.client.operation.duration s gen_ai.operation.name gen_ai.provider.name gen_ai.request.model \
         server.address server.port error.type | provider : 0.01 0.02 0.04 0.08 0.16 0.32 0.64 1.28 2.56 5.12 10.24 \
         20.48 40.96 81.92",
        "gen_ai.client.token.usage {token} gen_ai.operation.name gen_ai.provider.name gen_ai.request.model \
         server.address server.port gen_ai.token.type=input | provider : 1 4 16 64 256 1024 4096 16384 65536 262144 \
         1048576 4194304 16777216 67108864",
        "gen_ai.client.token.usage {token} gen_ai.operation.name gen_ai.provider.name gen_ai.request.model \
         server.address server.port gen_ai.token.type=output | provider : 1 4 16 64 256 1024 4096 16384 65536 262144 \
         1048576 4194304 16777216 67108864",
        "gen_ai.client.operation.time_to_first_chunk s gen_ai.operation.name gen_ai.provider.name \
         gen_ai.request.model server.address server.port | provider : 0.01 0.02 0.04 0.08 0.16 0.32 0.64 1.28 2.56 \
         5.12 10.24 20.48 40.96 81.92",
        "gen_ai.client.operation.time_per_output_chunk s gen_ai.operation.name gen_ai.provider.name \
         gen_ai.request.model server.address server.port | provider : 0.01 0.02 0.04 0.08 0.16 0.32 0.64 1.28 2.56 \
         5.12 10.24 20.48 40.96 81.92",
    ];
    let of = |group: &&'static Group| {
        let labels: Vec<&str> = group.labels.to_vec();
        group.instruments.iter().filter(|one| one.name.starts_with("gen_ai.")).map(move |one| {
            let Kind::Histogram(bounds) = one.kind else { panic!("{} is no histogram", one.name) };
            let (theirs, ours): (Vec<&str>, Vec<&str>) = labels.iter().copied().partition(|label| label.contains('.'));
            let attribute = one.attribute.map(|(name, value)| format!("{name}={value}"));
            let theirs: Vec<String> = theirs.into_iter().map(str::to_owned).chain(attribute).collect();
            let scale = f64::from(u32::try_from(one.scale).unwrap());
            let bounds = bounds.iter().map(|bound| (f64::from(u32::try_from(*bound).unwrap()) / scale).to_string());
            let bounds: Vec<String> = bounds.collect();
            format!("{} {} {} | {} : {}", one.name, one.unit, theirs.join(" "), ours.join(" "), bounds.join(" "))
        })
    };
    let written: Vec<String> = GROUPS.iter().flat_map(of).collect();
    assert_eq!(written, conventions);
}

#[test]
fn a_rows_numbers_do_not_overlap() {
    for group in GROUPS {
        let mut next = 0;
        for (instrument, slot) in group.slots() {
            assert_eq!(slot.at, next, "{}", instrument.name);
            next += instrument.kind.width();
        }
        assert_eq!(next + usize::from(group.merge != Merge::Add), group.width());
        assert_eq!(Group::by_id(group.id).unwrap().labels, group.labels);
    }
    assert_eq!(usage::REASONING.at, 5);
}

#[test]
fn instruments_of_one_name_are_neighbours_in_one_group() {
    let mut names: Vec<&str> = GROUPS.iter().flat_map(|group| group.instruments).map(|one| one.name).collect();
    names.dedup();
    let families = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), families);
}
