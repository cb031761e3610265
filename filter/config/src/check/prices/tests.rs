use sluice_core::matching::Match;
use sluice_core::usage::price::Rate;

use super::super::super::Diagnostic;
use super::*;
/// Two models, one with an unpriced target, and no budgets.
const GOOD: &str = r#"{
  "providers": { "openai": { "kind": "openai" }, "local": { "kind": "openai", "url": "http://127.0.0.1:9001" } },
  "models": {
    "chat": { "targets": [{ "provider": "openai", "model": "gpt-5" }, { "provider": "local", "model": "a/b" }] },
    "gpt-5": { "targets": [{ "provider": "openai", "model": "gpt-5" }] }
  },
  "apps": { "bot": {} },
  "teams": { "research": {}, "sales": {} },
  "keys": [
    { "id": "alice", "team": "research", "sha256": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
      "models": ["gpt-5"] },
    { "id": "bob", "team": "sales", "app": "bot",
      "sha256": "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }
  ],
  "prices": { "models": { "openai/gpt-5": { "input": 1.25, "output": 10, "cached_input": 0.125 } } }
}"#;

fn good() -> file::File {
    serde_json::from_str(GOOD).unwrap()
}

fn mistakes_after(change: impl FnOnce(&mut file::File)) -> Vec<String> {
    let mut file = good();
    change(&mut file);
    crate::compile(&file).err().unwrap_or_default().iter().map(Diagnostic::to_string).collect()
}

fn dollar() -> file::Budget {
    file::Budget { daily: Some(1.0), ..file::Budget::default() }
}

fn price() -> file::Price {
    file::Price { input: 1.0, output: 2.0, ..file::Price::default() }
}

#[test]
fn targets_have_their_own_price_or_the_one_for_the_others() {
    let mut file = good();
    let config = crate::compile(&file).unwrap();
    let chat = &config.models["chat"].targets;
    assert_eq!(chat[0].price.unwrap().plain.cached_input, Rate(125_000));
    assert_eq!(chat[1].price, None);
    file.prices.unpriced = Some(price());
    let config = crate::compile(&file).unwrap();
    let chat = &config.models["chat"].targets;
    assert_eq!(chat[0].price.unwrap().plain.input, Rate(1_250_000));
    assert_eq!(chat[1].price.unwrap().plain.input, Rate(1_000_000));
}

#[test]
fn each_mistake_is_named_with_what_would_be_right() {
    type Change = fn(&mut file::File);
    let cases: &[(Change, &str)] = &[
        (
            |f| f.prices.models.get_mut("openai/gpt-5").unwrap().input = -1.0,
            "prices.models[\"openai/gpt-5\"].input: found -1, expected US dollars per million tokens",
        ),
        (
            |f| f.prices.unpriced = Some(file::Price { per_image: Some(1e9), ..price() }),
            "prices.unpriced.per_image: found 1000000000, expected US dollars: 0, or",
        ),
        (
            |f| f.prices.unpriced = Some(file::Price { max_output: Some(0), ..price() }),
            "prices.unpriced.max_output: found 0, expected at least one token",
        ),
        (
            |f| f.prices.models.extend([("openai/gpt-6".into(), price())]),
            "prices.models[\"openai/gpt-6\"]: found \"openai/gpt-6\", expected one of: local/a/b, openai/gpt-5 (did \
             you mean \"openai/gpt-5\"?)",
        ),
        (|f| f.reservation.output_tokens = 0, "reservation.output_tokens: found 0, expected at least one token"),
    ];
    for (change, expected) in cases {
        let diagnostics = mistakes_after(change);
        assert_eq!(diagnostics.len(), 1, "{expected}: {diagnostics:#?}");
        assert!(diagnostics[0].starts_with(expected), "{expected}\n{}", diagnostics[0]);
    }
}

#[test]
fn a_misspelt_provider_is_one_mistake() {
    let diagnostics = mistakes_after(|file| {
        file.models.remove("chat");
        file.models.get_mut("gpt-5").unwrap().targets[0].provider = "opnai".into();
        file.teams.get_mut("research").unwrap().budget = dollar();
    });
    assert_eq!(diagnostics.len(), 1, "{diagnostics:#?}");
    assert!(diagnostics[0].starts_with("models.gpt-5.targets[0].provider: found \"opnai\""), "{diagnostics:?}");
}

#[test]
fn a_target_that_a_budget_counts_has_a_price() {
    assert_eq!(
        mistakes_after(|file| file.teams.get_mut("sales").unwrap().budget = dollar()),
        ["models.chat.targets[1]: found no price for \"local/a/b\", but teams.sales.budget applies to it, expected \
          a price at prices.models[\"local/a/b\"], or a default price at prices.unpriced"]
    );
    let priced = mistakes_after(|file| {
        file.teams.get_mut("sales").unwrap().budget = dollar();
        file.prices.models.insert("local/a/b".into(), file::Price::default());
    });
    assert_eq!(priced, Vec::<String>::new());
    let unpriced = mistakes_after(|file| {
        file.teams.get_mut("sales").unwrap().budget = dollar();
        file.prices.unpriced = Some(price());
    });
    assert_eq!(unpriced, Vec::<String>::new());
}

#[test]
fn only_budgets_that_certainly_count_it_ask_for_a_price() {
    fn rule(file: &mut file::File, matches: Match) {
        file.budgets.push(file::BudgetRule { matches, per: Vec::new(), budget: dollar() });
    }
    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }
    type Change = fn(&mut file::File);
    let cases: &[(Change, Option<&str>)] = &[
        (|f| f.models.get_mut("chat").unwrap().budget = dollar(), Some("models.chat.budget")),
        (|f| f.models.get_mut("gpt-5").unwrap().budget = dollar(), None),
        (|f| f.apps.get_mut("bot").unwrap().budget = dollar(), Some("apps.bot.budget")),
        (|f| f.keys[1].budget = dollar(), Some("keys[1].budget")),
        // The team's only key may not request it.
        (|f| f.keys[0].budget = dollar(), None),
        (|f| f.teams.get_mut("research").unwrap().budget = dollar(), None),
        (
            |f| {
                f.keys[0].models = Some(vec!["gpt-5".into(), "c*t".into()]);
                f.teams.get_mut("research").unwrap().budget = dollar();
            },
            Some("teams.research.budget"),
        ),
        (
            |f| {
                f.keys[1].revoked = true;
                f.teams.get_mut("sales").unwrap().budget = dollar();
            },
            None,
        ),
        (|f| rule(f, Match::default()), Some("budgets[0].budget")),
        (|f| rule(f, Match { provider: some("local"), ..Default::default() }), Some("budgets[0].budget")),
        (|f| rule(f, Match { provider: some("openai"), ..Default::default() }), None),
        (|f| rule(f, Match { model: some("gpt-5"), ..Default::default() }), None),
        (|f| rule(f, Match { model: some("chat"), team: some("research"), ..Default::default() }), None),
        (|f| f.teams.get_mut("sales").unwrap().budget.soft = true, None),
        // A `then_model` is counted too, even if no key of the team may request it.
        (
            |f| {
                let budget = file::Budget { then_model: some("chat"), ..dollar() };
                f.teams.get_mut("research").unwrap().budget = budget;
            },
            Some("teams.research.budget"),
        ),
    ];
    for (index, (change, expected)) in cases.iter().enumerate() {
        let mut file = good();
        change(&mut file);
        let mut check = Check { file: &file, diagnostics: Vec::new() };
        check.prices();
        let found: Vec<String> = check.diagnostics.iter().map(Diagnostic::to_string).collect();
        match expected {
            None => assert!(found.is_empty(), "case {index}: {found:?}"),
            Some(place) => {
                assert_eq!(found.len(), 1, "case {index}: {found:?}");
                assert!(found[0].contains(&format!("but {place} applies to it")), "case {index}: {found:?}");
            }
        }
    }
}
