//! LiteLLM's price list `model_prices_and_context_window.json`: dollars per token, by LiteLLM's model names.
//!
//! It has the providers of Sluice's own table under other names, and many more. Only providers that a gateway file can mean are read, and
//! of these only text and embedding models with a price. The list does not distinguish free from unknown, so models without a price above
//! zero are omitted. Of a model with two names, the more expensive entry is used.

use std::collections::BTreeMap;

use serde::Deserialize;
use sluice_config::file::{Capabilities, PerCall, Price, ServiceTiers, TierPrice};
use sluice_core::routing::spec::ModelKind;

use super::row::{Wrong, believable, stated};
use super::{Known, Listed};

/// Modes of text and embedding models.
const MODES: [&str; 4] = ["chat", "completion", "embedding", "responses"];

/// LiteLLM's names of providers in Sluice's table.
const NAMES: [(&str, &str); 3] =
    [("bedrock_converse", "bedrock"), ("cohere_chat", "cohere"), ("text-completion-openai", "openai")];

/// A model entry; unused fields are omitted.
#[derive(Deserialize)]
struct Entry {
    mode: Option<String>,
    input_cost_per_token: Option<f64>,
    output_cost_per_token: Option<f64>,
    cache_read_input_token_cost: Option<f64>,
    cache_creation_input_token_cost: Option<f64>,
    output_cost_per_reasoning_token: Option<f64>,
    cache_creation_input_token_cost_above_1hr: Option<f64>,
    input_cost_per_token_priority: Option<f64>,
    output_cost_per_token_priority: Option<f64>,
    cache_read_input_token_cost_priority: Option<f64>,
    cache_creation_input_token_cost_priority: Option<f64>,
    input_cost_per_token_flex: Option<f64>,
    output_cost_per_token_flex: Option<f64>,
    cache_read_input_token_cost_flex: Option<f64>,
    cache_creation_input_token_cost_flex: Option<f64>,
    input_cost_per_token_batches: Option<f64>,
    output_cost_per_token_batches: Option<f64>,
    cache_read_input_token_cost_batches: Option<f64>,
    cache_creation_input_token_cost_batches: Option<f64>,
    /// Per search, by the size of the search context.
    search_context_cost_per_query: Option<BTreeMap<String, f64>>,
    max_input_tokens: Option<f64>,
    max_output_tokens: Option<f64>,
    supports_function_calling: Option<bool>,
    supports_parallel_function_calling: Option<bool>,
    supports_vision: Option<bool>,
    supports_response_schema: Option<bool>,
    supports_reasoning: Option<bool>,
    supports_prompt_caching: Option<bool>,
    supports_audio_input: Option<bool>,
    supports_pdf_input: Option<bool>,
}

/// Reads the models of wanted providers. An error has the model's name in place of a column's, and the line.
pub(super) fn read(text: &str, wanted: impl Fn(&str) -> bool) -> Result<Vec<Listed>, (usize, Wrong)> {
    let list: BTreeMap<String, serde_json::Value> = serde_json::from_str(text).map_err(|error| {
        (error.line(), Wrong { column: String::new(), found: error.to_string(), expected: "a JSON object".into() })
    })?;
    let mut models = BTreeMap::<(String, String), Known>::new();
    for (name, entry) in list.into_iter().filter(|(name, _)| name != "sample_spec") {
        let name = name.as_str();
        let wrong =
            |wrong: Wrong| (line_of(text, name), Wrong { column: format!("{name}, {}", wrong.column), ..wrong });
        let unread = |error: serde_json::Error| Wrong {
            column: name.to_owned(),
            found: error.to_string(),
            expected: "a model".into(),
        };
        let provider = entry["litellm_provider"].as_str().map(provider).filter(|provider| wanted(provider));
        let Some(provider) = provider.map(str::to_owned) else { continue };
        let entry: Entry = serde_json::from_value(entry).map_err(|error| (line_of(text, name), unread(error)))?;
        let model = name.strip_prefix(&format!("{provider}/")).unwrap_or(name).to_owned();
        let Some(known) = entry.known(&provider, &model) else { continue };
        believable(&known.price).map_err(wrong)?;
        let dearer = |other: &Known| known.price.input + known.price.output > other.price.input + other.price.output;
        if models.get(&(provider.clone(), model.clone())).is_none_or(dearer) {
            models.insert((provider, model), known);
        }
    }
    Ok(models.into_iter().map(|((provider, model), known)| (provider, model, known)).collect())
}

/// The provider's name in Sluice's table.
fn provider(name: &str) -> &str {
    if name.starts_with("vertex_ai-") {
        return "vertex_ai";
    }
    NAMES.iter().find(|(theirs, _)| *theirs == name).map_or(name, |(_, ours)| ours)
}

/// The line of a model.
fn line_of(text: &str, name: &str) -> usize {
    let key = serde_json::to_string(name).unwrap_or_default() + ":";
    let at = text.find(&key).unwrap_or_default();
    text[..at].matches('\n').count() + 1
}

/// The kind of a model in one of the [`MODES`].
fn kind(mode: &str) -> ModelKind {
    match mode {
        "embedding" => ModelKind::Embedding,
        "completion" => ModelKind::Completion,
        _ => ModelKind::Chat,
    }
}

impl Entry {
    fn known(&self, provider: &str, model: &str) -> Option<Known> {
        let mode = self.mode.as_deref().filter(|mode| MODES.contains(mode))?;
        let input = self.input_cost_per_token.filter(|dollars| *dollars != 0.0)?;
        let output = self.output_cost_per_token.or((mode == "embedding").then_some(0.0))?;
        let rate = |dollars: Option<f64>| dollars.map(million);
        // Writing to the cache never costs less than plain input; a lower number is a mistake of the list.
        let cache_write = self.cache_creation_input_token_cost.filter(|dollars| *dollars >= input);
        let price = Price {
            input: million(input),
            output: million(output),
            cached_input: rate(self.cache_read_input_token_cost),
            cache_write: rate(cache_write),
            reasoning: rate(self.output_cost_per_reasoning_token),
            cache_write_1h: rate(self.cache_creation_input_token_cost_above_1hr),
            service_tiers: self.tiers(),
            per_call: PerCall { web_search: self.search(), ..PerCall::default() },
            max_output: tokens(self.max_output_tokens),
            ..Price::default()
        };
        let letters: String = [
            (self.supports_function_calling, 't'),
            (self.supports_parallel_function_calling, 'p'),
            (self.supports_vision, 'v'),
            (self.supports_response_schema, 's'),
            (self.supports_reasoning, 'r'),
            (self.supports_prompt_caching, 'c'),
            (self.supports_audio_input, 'a'),
            (self.supports_pdf_input, 'd'),
        ]
        .into_iter()
        .filter_map(|(yes, letter)| (yes == Some(true)).then_some(letter))
        .collect();
        let capabilities = Capabilities {
            kind: Some(kind(mode)),
            max_input: tokens(self.max_input_tokens),
            ..stated(provider, model, &letters)
        };
        Some(Known { price, capabilities })
    }
}

impl Entry {
    fn tiers(&self) -> ServiceTiers {
        let tier = |[input, output, cached_input, cache_write]: [Option<f64>; 4]| {
            let rate = |dollars: Option<f64>| dollars.map(million);
            let tier = TierPrice {
                input: rate(input),
                output: rate(output),
                cached_input: rate(cached_input),
                cache_write: rate(cache_write),
            };
            (tier != TierPrice::default()).then_some(tier)
        };
        ServiceTiers {
            priority: tier([
                self.input_cost_per_token_priority,
                self.output_cost_per_token_priority,
                self.cache_read_input_token_cost_priority,
                self.cache_creation_input_token_cost_priority,
            ]),
            flex: tier([
                self.input_cost_per_token_flex,
                self.output_cost_per_token_flex,
                self.cache_read_input_token_cost_flex,
                self.cache_creation_input_token_cost_flex,
            ]),
            batch: tier([
                self.input_cost_per_token_batches,
                self.output_cost_per_token_batches,
                self.cache_read_input_token_cost_batches,
                self.cache_creation_input_token_cost_batches,
            ]),
        }
    }

    /// The price of the most expensive search.
    fn search(&self) -> Option<f64> {
        self.search_context_cost_per_query.iter().flat_map(BTreeMap::values).copied().reduce(f64::max)
    }
}

/// Converts dollars per token to dollars per million tokens, rounded to six decimals.
fn million(dollars: f64) -> f64 {
    (dollars * 1e12).round() / 1e6
}

/// Zero means unknown.
fn tokens(limit: Option<f64>) -> Option<u64> {
    limit.filter(|limit| *limit >= 1.0).map(|limit| limit as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"{
  "sample_spec": {"litellm_provider": "one of them", "max_input_tokens": "the most", "input_cost_per_token": 0},
  "gpt-9": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.5e-07, "output_cost_per_token": 2e-06,
    "cache_read_input_token_cost": 2.5e-08, "input_cost_per_token_flex": 1.25e-07, "output_cost_per_token_flex": 1e-06, "search_context_cost_per_query": {"search_context_size_low": 0.01, "search_context_size_high": 0.014}, "max_input_tokens": 272000, "max_output_tokens": 128000,
    "supports_vision": true, "supports_function_calling": true, "source": ["anything"]},
  "azure/gpt-9": {"litellm_provider": "azure", "mode": "responses", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06},
  "bedrock/x.y": {"litellm_provider": "bedrock", "mode": "chat", "input_cost_per_token": 3e-06, "output_cost_per_token": 1e-06},
  "x.y": {"litellm_provider": "bedrock_converse", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06},
  "vertex_ai/claude": {"litellm_provider": "vertex_ai-anthropic_models", "mode": "chat", "input_cost_per_token": 1e-06,
    "output_cost_per_token": 5e-06, "cache_creation_input_token_cost": 1e-07, "max_output_tokens": 0},
  "embed": {"litellm_provider": "openai", "mode": "embedding", "input_cost_per_token": 2e-08},
  "draw": {"litellm_provider": "openai", "mode": "image_generation", "input_cost_per_token": 1e-06, "output_cost_per_token": 0},
  "free": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 0, "output_cost_per_token": 0},
  "half": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-06},
  "other/m": {"litellm_provider": "other", "mode": "chat", "input_cost_per_token": "much"}
}"#;

    fn wanted(provider: &str) -> bool {
        ["openai", "azure", "bedrock", "vertex_ai"].contains(&provider)
    }

    #[test]
    fn models_are_read_in_dollars_for_a_million_and_under_the_tables_names() {
        let models = read(LIST, wanted).unwrap();
        let names: Vec<_> = models.iter().map(|(provider, model, _)| format!("{provider} {model}")).collect();
        assert_eq!(names, ["azure gpt-9", "bedrock x.y", "openai embed", "openai gpt-9", "vertex_ai claude"]);
        let known = |place: usize| &models[place].2;
        let of = |place| (known(place).price.input, known(place).price.output);
        assert_eq!([of(0), of(1), of(2), of(3)], [(1.0, 1.0), (3.0, 1.0), (0.02, 0.0), (0.25, 2.0)]);
        let Known { price, capabilities } = known(3);
        assert_eq!(
            (price.cached_input, price.max_output, capabilities.max_input),
            (Some(0.025), Some(128_000), Some(272_000))
        );
        assert_eq!(
            (capabilities.tools, capabilities.vision, capabilities.audio),
            (Some(true), Some(true), Some(false))
        );
        let flex = TierPrice { input: Some(0.125), output: Some(1.0), ..TierPrice::default() };
        assert_eq!((price.service_tiers.flex, price.per_call.web_search), (Some(flex), Some(0.014)));
        assert_eq!((known(4).price.cache_write, known(4).price.max_output), (None, None));
    }

    #[test]
    fn what_is_no_price_is_wrong_by_its_models_line_where_it_is_wanted() {
        for (from, to, line, column) in [
            (
                "\"openai\", \"mode\": \"embedding\", \"input_cost_per_token\": 2e-08",
                "\"openai\", \"mode\": \"embedding\", \"input_cost_per_token\": -1",
                11,
                "embed, input",
            ),
            (
                "\"openai\", \"mode\": \"embedding\", \"input_cost_per_token\": 2e-08",
                "\"openai\", \"mode\": \"embedding\", \"input_cost_per_token\": 5",
                11,
                "embed, input",
            ),
            ("\"litellm_provider\": \"other\"", "\"litellm_provider\": \"openai\"", 15, "other/m"),
        ] {
            assert!(LIST.contains(from), "{from}");
            let (at, wrong) = read(&LIST.replace(from, to), wanted).unwrap_err();
            assert_eq!((at, wrong.column.as_str()), (line, column), "{wrong:?}");
        }
        assert_eq!(read("{\n\"m\": {]", wanted).map_err(|(line, _)| line), Err(2));
        assert_eq!(read("{\"m\": 5, \"n\": null}", wanted), Ok(Vec::new()));
    }
}
