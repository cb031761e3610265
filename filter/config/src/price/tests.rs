use sluice_core::usage::estimate::Estimate;
use sluice_core::usage::surcharge::Surcharges;
use sluice_wire::conversation::Usage;
use sluice_wire::extras::{Calls, Extras, Tier, Tool};

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// No surcharge.
const PLAIN: Extras = Extras { tier: None, hour_writes: None, calls: NO_CALLS };
const NO_CALLS: Calls = Surcharges::NOTHING.calls;

/// Omitted prices are empty fields in the table.
fn price(input: f64, output: f64, cached_input: Option<f64>, cache_write: Option<f64>) -> Price {
    Price::try_from(&file::Price { input, output, cached_input, cache_write, ..file::Price::default() }).unwrap()
}

#[test]
fn costs_are_to_the_micro_dollar() {
    let sonnet = price(3.0, 15.0, Some(0.3), Some(3.75));
    let mini = price(0.25, 2.0, Some(0.025), None);
    let usage = |input, cached, cache_write, output, reasoning| Usage { input, cached, cache_write, output, reasoning };
    for (price, usage, dollars) in [
        (&sonnet, usage(0, 0, 0, 0, 0), "0.000000"),
        // 1,000 x 3 + 500 x 15
        (&sonnet, usage(1_000, 0, 0, 500, 0), "0.010500"),
        // 1,000 x 3 + 8,000 x 0.3 + 1,000 x 3.75 + 200 x 15
        (&sonnet, usage(10_000, 8_000, 1_000, 200, 0), "0.012150"),
        // Reasoning costs the same as output: 100 x 3 + 900 x 15.
        (&sonnet, usage(100, 0, 0, 900, 800), "0.013800"),
        (&sonnet, usage(1_000_000, 0, 0, 1_000_000, 0), "18.000000"),
        // 0.25 micro-dollars, and 4.025.
        (&mini, usage(1, 0, 0, 0, 0), "0.000001"),
        (&mini, usage(1, 1, 0, 2, 0), "0.000005"),
        // 20 x 0.25 is a whole number: nothing is rounded up.
        (&mini, usage(20, 0, 0, 0, 0), "0.000005"),
        // Details that exceed the total are capped at the total.
        (&mini, usage(100, 1_000, 1_000, 10, 99), "0.000023"),
    ] {
        assert_eq!(price.cost(&usage, 0, &PLAIN).to_string(), dollars, "{usage:?}");
    }
}

#[test]
fn images_and_requests_have_prices_of_their_own() {
    let written = file::Price {
        reasoning: Some(3.0),
        per_image: Some(0.0075),
        per_request: Some(0.005),
        ..file::Price { input: 2.0, output: 8.0, ..file::Price::default() }
    };
    let price = Price::try_from(&written).unwrap();
    let usage = Usage { input: 1_000, output: 300, reasoning: 200, ..Usage::default() };
    // 1,000 x 2 + 100 x 8 + 200 x 3, and 5,000, and two of 7,500.
    assert_eq!(price.cost(&usage, 2, &PLAIN), MicroUsd(23_400));
}

#[test]
fn decimals_up_to_six_places_are_exact() {
    for (written, rate) in [
        (0.0, 0),
        (0.000001, 1),
        (0.00115, 1_150),
        (0.1 + 0.2, 300_000),
        (8.589973, 8_589_973),
        (1e6, 1_000_000_000_000),
    ] {
        assert_eq!(Rate::from_dollars_per_million(written), Some(Rate(rate)), "{written}");
    }
}

#[test]
fn what_cannot_be_a_price_is_named() {
    let wrong = |written: file::Price| -> Vec<&'static str> {
        Price::try_from(&written).err().unwrap_or_default().iter().map(|wrong| wrong.field).collect()
    };
    for bad in [-1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1_000_001.0, 0.000_000_4, f64::MIN_POSITIVE] {
        let tier = file::TierPrice { input: Some(bad), ..file::TierPrice::default() };
        let all = file::Price {
            input: bad,
            output: bad,
            cached_input: Some(bad),
            cache_write: Some(bad),
            reasoning: Some(bad),
            per_image: Some(bad),
            per_request: Some(bad),
            max_output: Some(0),
            cache_write_1h: Some(bad),
            service_tiers: file::ServiceTiers { flex: Some(tier), ..file::ServiceTiers::default() },
            per_call: file::PerCall { file_search: Some(bad), ..file::PerCall::default() },
        };
        let fields = [
            "input",
            "output",
            "cached_input",
            "cache_write",
            "cache_write_1h",
            "reasoning",
            "service_tiers.flex",
            "per_image",
            "per_request",
            "per_call.file_search",
            "max_output",
        ];
        assert_eq!(wrong(all), fields, "{bad}");
        assert_eq!(wrong(file::Price { cached_input: Some(bad), ..file::Price::default() }), ["cached_input"]);
    }
    assert_eq!(wrong(file::Price { per_image: Some(10_001.0), ..file::Price::default() }), ["per_image"]);
    assert!(wrong(file::Price::default()).is_empty());
}

/// A price with all fields.
fn full() -> Price {
    let tier = |input, output| {
        Some(file::TierPrice { input: Some(input), output: Some(output), ..file::TierPrice::default() })
    };
    let written = file::Price {
        input: 2.0,
        output: 8.0,
        cache_write: Some(2.5),
        cache_write_1h: Some(4.0),
        service_tiers: file::ServiceTiers { priority: tier(4.0, 16.0), flex: tier(1.0, 4.0), batch: None },
        per_call: file::PerCall { web_search: Some(0.01), code_interpreter: Some(0.03), ..file::PerCall::default() },
        ..file::Price::default()
    };
    Price::try_from(&written).unwrap()
}

#[test]
fn a_class_of_service_has_its_own_price_and_one_without_has_the_plain_one() {
    let usage = Usage { input: 1_000, output: 100, reasoning: 40, ..Usage::default() };
    for (tier, micro) in [
        (Some(Tier::Priority), 5_600),
        (Some(Tier::Flex), 1_400),
        (Some(Tier::Batch), 2_800),
        (Some(Tier::Plain), 2_800),
        (None, 2_800),
    ] {
        assert_eq!(full().cost(&usage, 0, &Extras { tier, ..PLAIN }), MicroUsd(micro), "{tier:?}");
    }
}

#[test]
fn what_a_cache_keeps_for_an_hour_costs_more_to_write() {
    let usage = Usage { input: 1_000, cache_write: 600, ..Usage::default() };
    for (hour_writes, micro) in [(None, 2_300), (Some(0), 2_300), (Some(200), 2_600), (Some(u64::MAX), 3_200)] {
        assert_eq!(full().cost(&usage, 0, &Extras { hour_writes, ..PLAIN }), MicroUsd(micro), "{hour_writes:?}");
    }
}

#[test]
fn each_call_of_a_tool_has_its_price_and_a_machine_one_for_all() {
    let mut extras = PLAIN;
    extras.calls.add(Tool::WebSearch, 3);
    extras.calls.add(Tool::FileSearch, 9);
    extras.calls.add(Tool::CodeInterpreter, 5);
    assert_eq!(full().cost(&Usage::default(), 0, &extras), MicroUsd(60_000));
}

#[test]
fn what_is_reserved_covers_what_a_request_may_come_to() {
    let estimate = |wishes| Estimate { input: 1_000, output: 100, images: 0, wishes };
    let nothing = Surcharges::NOTHING;
    for (wishes, micro) in [
        (nothing, 2_800),
        (Surcharges { caches: true, ..nothing }, 3_300),
        (Surcharges { caches: true, for_an_hour: true, ..nothing }, 4_800),
        (Surcharges { tier: Some(Tier::Flex), ..nothing }, 1_400),
        (Surcharges { tier: Some(Tier::Priority), ..nothing }, 5_600),
        (Surcharges { any_tier: true, ..nothing }, 5_600),
        (Surcharges { any_tier: true, tier: Some(Tier::Flex), ..nothing }, 5_600),
    ] {
        assert_eq!(full().most(&estimate(wishes)), MicroUsd(micro), "{wishes:?}");
    }
    let mut searching = nothing;
    searching.calls.add(Tool::WebSearch, 2);
    assert_eq!(full().most(&estimate(searching)), MicroUsd(22_800));
    let reasons = Price { plain: Rates { reasoning: Rate(9_000_000), ..full().plain }, ..full() };
    assert_eq!(reasons.most(&estimate(nothing)), MicroUsd(2_900));
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;

    use super::*;

    /// Any possible rate, often a real one.
    fn rate() -> impl Strategy<Value = Rate> {
        prop_oneof![0..200_000_000u64, any::<u64>()].prop_map(Rate)
    }

    fn amount() -> impl Strategy<Value = u64> {
        prop_oneof![0..2_000_000u64, any::<u64>()]
    }

    prop_compose! {
        fn price()(
            input in rate(), cached_input in rate(), cache_write in rate(), output in rate(), reasoning in rate(),
            image in amount(), request in amount(),
        ) -> Price {
            let (per_image, per_request) = (MicroUsd(image), MicroUsd(request));
            let plain = Rates { input, cached_input, cache_write, cache_write_1h: cache_write, output, reasoning };
            Price { plain, per_image, per_request, ..Price::default() }
        }
    }

    prop_compose! {
        fn usage()(
            input in amount(), cached in amount(), cache_write in amount(), output in amount(), reasoning in amount(),
        ) -> Usage {
            Usage { input, cached, cache_write, output, reasoning }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_decimal_is_read_exactly(micro in 0..=1_000_000_000_000u64) {
            let text = MicroUsd(micro).to_string();
            let dollars: f64 = text.parse().unwrap();
            prop_assert_eq!(Rate::from_dollars_per_million(dollars), Some(Rate(micro)));
            prop_assert_eq!(MicroUsd::from_dollars(dollars, 1e6), Some(MicroUsd(micro)));
        }

        #[test]
        fn any_use_has_a_cost(price in price(), usage in usage(), images in amount()) {
            price.cost(&usage, images, &PLAIN);
        }

        #[test]
        fn more_of_anything_never_costs_less(price in price(), usage in usage(), images in amount(), more in amount()) {
            let cost = price.cost(&usage, images, &PLAIN);
            let inputs = Usage { input: usage.input.saturating_add(more), ..usage };
            let outputs = Usage { output: usage.output.saturating_add(more), ..usage };
            // A capped detail grows with the total; then each token may only become more expensive, or only cheaper.
            if usage.cached.saturating_add(usage.cache_write) <= usage.input {
                prop_assert!(price.cost(&inputs, images, &PLAIN) >= cost);
            }
            if usage.reasoning <= usage.output {
                prop_assert!(price.cost(&outputs, images, &PLAIN) >= cost);
            }
            prop_assert!(price.cost(&usage, images.saturating_add(more), &PLAIN) >= cost);
        }

        #[test]
        fn what_a_cheap_cache_gave_never_costs_more(price in price(), usage in usage(), cached in amount()) {
            let plain = Rates { cached_input: price.plain.cached_input.min(price.plain.input), ..price.plain };
            let price = Price { plain, ..price };
            let fresh = Usage { cached: 0, cache_write: 0, ..usage };
            let reread = Usage { cached, ..fresh };
            prop_assert!(price.cost(&reread, 0, &PLAIN) <= price.cost(&fresh, 0, &PLAIN));
        }

        #[test]
        fn it_is_rounded_up_and_once(input in 0..200_000_000u64, output in 0..200_000_000u64,
                                     prompt in 0..10_000_000u64, answer in 0..10_000_000u64) {
            let plain = Rates { input: Rate(input), output: Rate(output), ..Rates::default() };
            let price = Price { plain, ..Price::default() };
            let cost = price.cost(&Usage { input: prompt, output: answer, ..Usage::default() }, 0, &PLAIN);
            let exact = u128::from(input) * u128::from(prompt) + u128::from(output) * u128::from(answer);
            let charged = u128::from(cost.0) * 1_000_000;
            prop_assert!(charged >= exact && charged - exact < 1_000_000);
        }
    }
}

#[test]
fn a_tier_that_omits_prices_of_the_cache_has_the_plain_ones_only_if_there_are_any() {
    let tier = file::TierPrice { input: Some(1.0), output: Some(2.0), ..file::TierPrice::default() };
    let service_tiers = file::ServiceTiers { batch: Some(tier), ..file::ServiceTiers::default() };
    let plain = file::Price { input: 2.0, output: 4.0, service_tiers, ..file::Price::default() };
    let dear = file::Price { cached_input: Some(0.5), cache_write: Some(3.0), ..plain.clone() };
    let for_an_hour = file::Price { cache_write_1h: Some(5.0), ..dear.clone() };
    let batch = Extras { tier: Some(Tier::Batch), ..PLAIN };
    let usage = Usage { input: 1_000, cached: 1_000, ..Usage::default() };
    for (written, cached, most, hour) in
        [(plain, 1_000, 1_000, 1_000), (dear, 500, 3_000, 3_000), (for_an_hour, 500, 3_000, 5_000)]
    {
        let price = Price::try_from(&written).unwrap();
        assert_eq!(price.cost(&usage, 0, &batch), MicroUsd(cached), "{written:?}");
        for (for_an_hour, most) in [(false, most), (true, hour)] {
            let wishes = Surcharges { tier: Some(Tier::Batch), caches: true, for_an_hour, ..Surcharges::NOTHING };
            let estimate = Estimate { input: 1_000, output: 0, images: 0, wishes };
            assert_eq!(price.most(&estimate), MicroUsd(most), "{written:?} {for_an_hour}");
        }
    }
}
