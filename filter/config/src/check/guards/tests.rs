//! Valid guardrails, and the mistakes of invalid ones.

use sluice_core::compiled::CompiledConfig;
use sluice_core::guard::spec::{Action, Side};

use crate::Diagnostic;
use crate::file::File;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn compile(guard: &str) -> Result<CompiledConfig, Vec<Diagnostic>> {
    let text = format!(
        r#"{{"providers":{{"p":{{"kind":"openai"}}}},"models":{{"m":{{"targets":[{{"provider":"p","model":"x"}}]}}}},
            "teams":{{"t":{{}}}},"keys":[],"guards":{{"g":{guard}}}}}"#
    );
    crate::compile(&serde_json::from_str::<File>(&text).unwrap())
}

#[test]
fn a_guardrail_without_more_words_blocks_both_ways_for_everybody() {
    let config = compile(r#"{"detect":["email"]}"#).unwrap();
    let guard = &config.guards[0];
    assert_eq!((guard.name.as_str(), guard.action), ("g", Action::Block));
    assert_eq!(guard.sides, [Side::Prompts, Side::Answers]);
    assert_eq!(guard.matches, sluice_core::matching::Match::default());
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn each_mistake_is_named_with_what_would_be_right() {
    for (guard, expected) in [
        ("{}", "guards.g: found a guardrail without patterns, expected at least one of detect, patterns, words"),
        (r#"{"words":["a"," "]}"#, "guards.g.words[1]: found nothing, expected a word or a phrase"),
        (r#"{"words":["a"],"on":[]}"#, "guards.g.on: found an empty list, expected prompts, answers or both"),
        (r#"{"words":["a"],"style":"numbered"}"#, "guards.g.style: found a style without a mask"),
        (
            r#"{"words":["a"],"action":"mask","restore":true}"#,
            "guards.g.restore: found true, expected a guardrail on prompts",
        ),
        (
            r#"{"words":["a"],"action":"mask","style":"numbered","on":["answers"],"restore":true}"#,
            "guards.g.restore: found true, expected a guardrail on prompts",
        ),
        (
            r#"{"words":["a"],"on":["prompts"],"delivery":"whole"}"#,
            "guards.g.delivery: found whole, expected a guardrail",
        ),
        (
            r#"{"words":["a"],"action":"log","delivery":"whole"}"#,
            "guards.g.delivery: found whole, expected a guardrail",
        ),
        (
            r#"{"patterns":{"p":"("}}"#,
            "guards.g.patterns.p: found \"(\": unclosed group, expected a regular expression",
        ),
        (
            r#"{"patterns":{"p":"x?"}}"#,
            "guards.g.patterns.p: found \"x?\": it matches an empty string, and therefore every text",
        ),
        (r#"{"patterns":{"a b":"x"}}"#, "guards.g.patterns[\"a b\"]: found \"a b\", expected 1 to 64 letters"),
        (r#"{"words":["a"],"match":{"model":"n"}}"#, "guards.g.match.model: found \"n\""),
        (r#"{"words":["a"],"match":{"team":"u"}}"#, "guards.g.match.team: found \"u\""),
        (r#"{"words":["a"],"match":{"app":"a"}}"#, "guards.g.match.app: found \"a\", expected no such field"),
    ] {
        let diagnostics = compile(guard).unwrap_err();
        let told: Vec<String> = diagnostics.iter().map(Diagnostic::to_string).collect();
        assert!(told.iter().any(|told| told.starts_with(expected)), "{guard}: {told:?}");
    }
}
