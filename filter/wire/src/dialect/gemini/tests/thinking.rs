//! Thinking, by the model's generation.

use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::conversation::Reasoning;

fn config(wish: Reasoning, model: &str) -> (Value, Vec<String>) {
    let written = write_for(&Request { reasoning: Some(wish), ..hi() }, model).unwrap();
    (tree(&written.body)["generationConfig"]["thinkingConfig"].take(), written.dropped)
}

fn effort(effort: &str, model: &str) -> Value {
    config(Reasoning::Effort(effort.to_owned()), model).0
}

#[test]
fn efforts_are_budgets_for_gemini_2_5_and_levels_for_gemini_3() {
    let shown = |name: &str, value: Value| json!({"includeThoughts": true, name: value});
    let rows = [
        ("minimal", 1024, 1024, "LOW", "LOW", "MINIMAL"),
        ("low", 1024, 1024, "LOW", "LOW", "LOW"),
        ("medium", 8192, 8192, "HIGH", "MEDIUM", "MEDIUM"),
        ("high", 24576, 24576, "HIGH", "HIGH", "HIGH"),
        ("xhigh", 32768, 24576, "HIGH", "HIGH", "HIGH"),
    ];
    for (word, pro, flash, pro_30, pro_31, flash_3) in rows {
        assert_eq!(effort(word, "gemini-2.5-pro"), shown("thinkingBudget", pro.into()), "{word}");
        assert_eq!(effort(word, "gemini-2.5-flash"), shown("thinkingBudget", flash.into()), "{word}");
        assert_eq!(effort(word, "tunedModels/mine"), shown("thinkingBudget", flash.into()), "{word}");
        assert_eq!(effort(word, "gemini-3-pro-preview"), shown("thinkingLevel", pro_30.into()), "{word}");
        assert_eq!(effort(word, "gemini-3.1-pro"), shown("thinkingLevel", pro_31.into()), "{word}");
        assert_eq!(effort(word, "models/gemini-3-flash"), shown("thinkingLevel", flash_3.into()), "{word}");
        assert_eq!(effort(word, "gemini-flash-latest"), shown("thinkingLevel", flash_3.into()), "{word}");
    }
}

#[test]
fn thinking_that_cannot_be_switched_off_is_named() {
    let none = || Reasoning::Effort("none".to_owned());
    let effort = vec!["reasoning_effort".to_owned()];
    assert_eq!(config(none(), "gemini-2.5-flash"), (json!({"thinkingBudget": 0}), Vec::new()));
    assert_eq!(config(none(), "gemini-2.5-pro"), (json!({"thinkingBudget": 128}), effort.clone()));
    assert_eq!(config(none(), "gemini-3-flash"), (json!({"thinkingLevel": "MINIMAL"}), effort.clone()));
    assert_eq!(config(none(), "gemini-3.1-pro"), (json!({"thinkingLevel": "LOW"}), effort));
    assert_eq!(config(Reasoning::Disabled, "gemini-2.5-flash-lite"), (json!({"thinkingBudget": 0}), Vec::new()));
    let named = vec!["thinking".to_owned()];
    assert_eq!(config(Reasoning::Disabled, "gemini-3-flash"), (json!({"thinkingLevel": "MINIMAL"}), named));
}

#[test]
fn budgets_stay_within_the_models_bounds() {
    let budget = |tokens, model| {
        let (config, dropped) = config(Reasoning::Budget(tokens), model);
        (config["thinkingBudget"].as_i64().unwrap(), dropped.len())
    };
    assert_eq!(budget(2048, "gemini-2.5-pro"), (2048, 0));
    assert_eq!(budget(1, "gemini-2.5-pro"), (128, 1));
    assert_eq!(budget(100, "gemini-2.5-flash-lite"), (512, 1));
    assert_eq!(budget(100_000, "gemini-2.5-flash"), (24576, 1));
    assert_eq!(budget(0, "gemini-2.5-flash"), (0, 0));
    assert_eq!(budget(100_000, "gemini-3-flash"), (100_000, 0));
}

#[test]
fn as_the_model_sees_fit() {
    let shown = json!({"includeThoughts": true, "thinkingBudget": -1});
    assert_eq!(config(Reasoning::Adaptive, "gemini-2.5-pro"), (shown, Vec::new()));
    assert_eq!(config(Reasoning::Adaptive, "gemini-3-pro"), (json!({"includeThoughts": true}), Vec::new()));
    assert_eq!(body(&hi())["generationConfig"], json!(null));
}

#[test]
fn models_that_do_not_think_are_not_told_to() {
    for wish in [Reasoning::Adaptive, Reasoning::Disabled, Reasoning::Effort("none".to_owned())] {
        assert_eq!(config(wish, "gemini-2.0-flash-001"), (json!(null), Vec::new()));
    }
    let high = Reasoning::Effort("high".to_owned());
    assert_eq!(config(high, "gemini-1.5-pro"), (json!(null), vec!["reasoning_effort".to_owned()]));
    assert_eq!(config(Reasoning::Budget(9), "gemini-2.0-flash"), (json!(null), vec!["thinking".to_owned()]));
}

#[test]
fn an_effort_without_a_meaning_is_refused() {
    assert_eq!(refused(&Request { reasoning: Some(Reasoning::Effort("much".to_owned())), ..hi() }), "reasoning_effort");
}
