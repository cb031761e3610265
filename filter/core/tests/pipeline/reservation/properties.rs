//! Any reservation, granted and extended in any way, is settled exactly once and correctly.

use proptest::prelude::*;
use sluice_core::store::LimitWindow;

use super::lifecycle::{granted, spent};
use super::*;

fn rules() -> impl Strategy<Value = String> {
    let scope = prop::sample::select(vec![
        r#""per":["key"]"#,
        r#""per":["model","provider"]"#,
        r#""match":{"team":"research"}"#,
        r#""match":{"provider":"q"},"per":["team"]"#,
        r#""match":{"model":"chat"}"#,
        r#""match":{"model":"cheap"}"#,
        r#""per":["app"]"#,
        r#""match":{"app":"bot"},"per":["key"]"#,
    ]);
    let budget = prop::sample::select(vec![
        r#"{"daily":1}"#,
        r#"{"monthly":1,"soft":true}"#,
        r#"{"daily":1,"then_model":"dear"}"#,
        r#"{"total":1,"daily":2,"then_model":"dear"}"#,
    ]);
    let limits = prop::sample::select(vec![
        r#"{"requests_per_minute":5}"#,
        r#"{"tokens_per_minute":5,"concurrent_requests":2}"#,
        r#"{"tokens_per_day":5,"output_tokens_per_minute":2}"#,
    ]);
    prop::collection::btree_map(scope, (budget, limits), 0..6).prop_map(|rules| {
        let budgets: Vec<_> =
            rules.iter().map(|(scope, (budget, _))| format!(r#"{{{scope},"budget":{budget}}}"#)).collect();
        let limits: Vec<_> =
            rules.iter().map(|(scope, (_, limits))| format!(r#"{{{scope},"limits":{limits}}}"#)).collect();
        format!(r#""budgets":[{}],"limits":[{}]"#, budgets.join(","), limits.join(","))
    })
}

proptest! {
    #[test]
    fn every_part_is_closed_once_and_every_meter_gets_what_its_candidates_used(
        more in rules(),
        chosen in any::<prop::sample::Index>(),
        fallbacks in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..3),
        output in 0_u64..1000,
    ) {
        let plan = Fixture::new(&more, r#""limits":{"requests_per_minute":7},"budget":{"daily":3}"#).plan("chat").unwrap();
        for candidate in &plan.candidates {
            let mut counters: Vec<_> = candidate.parts.iter().map(|part| &part.debit.counter).collect();
            counters.sort();
            counters.dedup();
            prop_assert_eq!(counters.len(), candidate.parts.len());
        }
        let chosen = chosen.index(plan.candidates.len());
        let mut reservation = granted(&plan, chosen);
        let mut reserved: Vec<(String, u64)> = plan.candidates[chosen]
            .parts.iter().map(|part| (part.debit.counter.name.to_string(), part.debit.amount)).collect();
        let mut tried = vec![spent(chosen, 10, 0)];
        for (to, reserve) in fallbacks {
            let to = to.index(plan.candidates.len());
            if let Some(reserve_request) = reservation.extension(&plan, to, LEASE).filter(|_| reserve) {
                let debits = &reserve_request.alternatives[0];
                reserved.extend(debits.iter().map(|debit| (debit.counter.name.to_string(), debit.amount)));
                reservation.extend(&plan, to, debits.iter().map(|debit| reading(debit.amount)).collect());
            }
            tried.push(spent(to, 20, output));
        }
        let closings = reservation.settle(&plan, &tried, NOW);
        let parts: Vec<&Settled> = closings.iter().flat_map(|closing| &closing.parts).collect();
        let mut closed: Vec<(String, u64)> = parts.iter().filter(|part| part.reserved > 0)
            .map(|part| (part.counter.name.to_string(), part.reserved)).collect();
        closed.sort();
        reserved.sort();
        prop_assert_eq!(closed, reserved);
        for part in &parts {
            let name = &part.counter.name;
            let same: Vec<_> = parts.iter().filter(|other| other.counter == part.counter).collect();
            prop_assert!(same.iter().filter(|other| other.used > 0).count() <= 1);
            let expected: u64 = if name.contains("/requests/") {
                u64::from(!name.ends_with("/concurrent"))
            } else {
                let counts = |spent: &&AttemptUsage| plan.candidates[spent.candidate].parts.iter().any(|own| own.debit.counter == part.counter);
                let of = |spent: &AttemptUsage| if name.contains("/output_tokens/") { spent.usage.output } else { spent.cost.0 };
                tried.iter().filter(counts).map(of).sum()
            };
            prop_assert_eq!(same.iter().map(|other| other.used).sum::<u64>(), expected, "{}", name);
        }
        for spent in &tried {
            for part in &plan.candidates[spent.candidate].parts {
                let free = part.debit.counter.kind == LimitWindow::Concurrent || part.rule.unit == Unit::OutputTokens;
                prop_assert!(free || parts.iter().any(|other| other.counter == part.debit.counter), "{} is not settled", part.debit.counter.name);
            }
        }
    }
}
