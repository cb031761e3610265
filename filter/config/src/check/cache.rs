//! Checks the cache of responses.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use sluice_core::cache::{Bounds, Rule, semantic};
use sluice_core::routing::target::Model;
use sluice_wire::dialect::openai_embeddings;

use super::super::file;
use super::super::size;
use super::place::{Path, decimal, quoted, text};
use super::{Check, ONLY_COMPILES};

/// In percent of the time to live.
const MOST_JITTER: u8 = 50;
const LEAST_MEMORY: &str = "1MiB";
const MOST_MEMORY: &str = "4GiB";
const LEAST_ANSWER: &str = "1KiB";
/// A worker holds a response in its VM while it collects or sends it, and the VM's memory never shrinks.
const MOST_ANSWER: &str = "8MiB";
const LONGEST_LOOKUP: Duration = Duration::from_secs(1);
const LONGEST_EMBEDDING: Duration = Duration::from_secs(5);

impl Check<'_> {
    /// The cache policy of a model; `None` without a cache.
    pub(super) fn model_cache(&mut self, model: &file::Model, path: &Path) -> Option<Rule> {
        let written = model.cache.as_ref()?;
        let path = path.key("cache");
        let ttl = self.wait(&written.ttl, &path.key("ttl"));
        let file::ModelCache { scope, ttl_jitter: jitter, max_temperature, tools, images, single_flight, .. } =
            *written;
        if jitter > MOST_JITTER {
            self.diagnostic(&path.key("ttl_jitter"), text!("{jitter}"), text!("a percentage from 0 to {MOST_JITTER}"));
        }
        if let Some(most) = max_temperature.filter(|most| !(0.0..=2.0).contains(most)) {
            self.diagnostic(&path.key("max_temperature"), decimal(most), "a temperature from 0 to 2");
        }
        Some(Rule { ttl, jitter, scope, max_temperature, tools, images, single_flight })
    }

    /// The rule of a model's semantic cache; `None` without one.
    pub(super) fn semantic_cache(&mut self, model: &file::Model, path: &Path) -> Option<semantic::Rule> {
        let cache = model.cache.as_ref()?;
        let written = cache.semantic.as_ref()?;
        let path = path.key("cache").key("semantic");
        let at = path.key("embeddings");
        self.reference(&written.embeddings, self.file.models.keys(), &at);
        let embedder = self.file.models.get(&written.embeddings);
        if let Some(embedder) = embedder
            && embedder.targets.first().is_some_and(|target| target.model.contains('*'))
        {
            self.diagnostic(&at, quoted(&written.embeddings), "a model whose first target has a name without `*`");
        }
        let threshold = written.threshold;
        if !(threshold > 0.0 && threshold <= 1.0) {
            self.diagnostic(&path.key("threshold"), decimal(threshold), "a number above 0, and at most 1, such as 0.9");
        }
        if !written.scope.is_within(cache.scope) {
            let expected = text!("a scope within that of the cache, {}", cache.scope.name());
            self.diagnostic(&path.key("scope"), written.scope.name(), expected);
        }
        let timeout = self.wait(&written.timeout, &path.key("timeout"));
        if timeout > LONGEST_EMBEDDING {
            self.diagnostic(&path.key("timeout"), quoted(&written.timeout), "a time from 1ms to 5s, such as 500ms");
        }
        let file::Semantic { scope, mode, multi_turn, tools, images, .. } = *written;
        let (embeddings, threshold) = (written.embeddings.clone(), threshold as f32);
        Some(semantic::Rule { embeddings, threshold, scope, mode, timeout, multi_turn, tools, images })
    }

    /// Checks that the models of semantic caches have embeddings.
    pub(super) fn embedders(&mut self, models: &BTreeMap<String, Rc<Model>>) {
        if ONLY_COMPILES {
            return;
        }
        for (name, model) in models {
            let Some(rule) = &model.semantic else { continue };
            let target = models.get(&rule.embeddings).and_then(|embedder| embedder.targets.first());
            if target
                .is_some_and(|target| target.provider.format_for(&openai_embeddings::CLIENT, &target.model).is_none())
            {
                let path = Path::section("models").key(name).key("cache").key("semantic").key("embeddings");
                self.diagnostic(&path, quoted(&rule.embeddings), "a model whose first provider has embeddings");
            }
        }
    }

    /// The size limits of the cache.
    pub(super) fn cache(&mut self) -> Bounds {
        let written = &self.file.cache;
        let memory = self.cache_size("memory", &written.memory, LEAST_MEMORY, MOST_MEMORY);
        let largest = self.cache_size("largest", &written.largest, LEAST_ANSWER, MOST_ANSWER);
        if let (Some(memory), Some(largest)) = (memory, largest)
            && largest > memory
        {
            let expected = text!("at most the value of memory, {}", written.memory);
            self.diagnostic(&Path::section("cache").key("largest"), quoted(&written.largest), expected);
        }
        let largest = largest.and_then(|largest| usize::try_from(largest).ok());
        if written.shared && self.file.redis.is_none() {
            let expected = "a section redis, because Envoys share responses in Redis";
            self.diagnostic(&Path::section("cache").key("shared"), "true", expected);
        }
        let path = Path::section("cache").key("shared_timeout");
        let timeout = self.wait(&written.shared_timeout, &path);
        if timeout > LONGEST_LOOKUP {
            self.diagnostic(&path, quoted(&written.shared_timeout), "a time from 1ms to 1s, such as 50ms");
        }
        Bounds {
            memory: memory.unwrap_or_default(),
            largest: largest.unwrap_or_default(),
            shared: written.shared.then_some(timeout),
        }
    }

    fn cache_size(&mut self, field: &str, text: &str, least: &str, most: &str) -> Option<u64> {
        let size = size::bytes(text).filter(|size| (size::bytes(least)..=size::bytes(most)).contains(&Some(*size)));
        if size.is_none() {
            let path = Path::section("cache").key(field);
            self.diagnostic(&path, quoted(text), text!("a size from {least} to {most}, such as 512KiB or 64MiB"));
        }
        size
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use std::time::Duration;

    use crate::Diagnostic;
    use crate::file::File;
    use sluice_core::cache::spec::SemanticMode;
    use sluice_core::cache::{Bounds, Rule, Scope, semantic};
    use sluice_core::compiled::CompiledConfig;

    fn compile(model: &str, more: &str) -> Result<CompiledConfig, Vec<Diagnostic>> {
        let text = format!(
            r#"{{"providers":{{"p":{{"kind":"openai"}}}},
                "models":{{"m":{{"targets":[{{"provider":"p","model":"x"}}]{model}}}}},"teams":{{}},"keys":[]{more}}}"#
        );
        crate::compile(&serde_json::from_str::<File>(&text).unwrap())
    }

    #[test]
    fn nothing_is_kept_unless_a_model_says_so() {
        let config = compile("", "").unwrap();
        assert_eq!(config.models["m"].cache, None);
        assert_eq!(config.cache, Bounds { memory: 64 << 20, largest: 512 << 10, shared: None });
    }

    #[test]
    fn envoys_share_responses_only_in_redis() {
        let redis = r#","redis":{"url":"http://redis:7379"},"cache":{"shared":true"#;
        let shared = |more: &str| compile("", &format!("{redis}{more}}}")).map(|config| config.cache.shared);
        assert_eq!(shared(""), Ok(Some(Duration::from_millis(50))));
        assert_eq!(shared(r#","shared_timeout":"5ms""#), Ok(Some(Duration::from_millis(5))));
        let diagnostics = shared(r#","shared_timeout":"2s""#).unwrap_err();
        assert_eq!(
            diagnostics[0].to_string(),
            "cache.shared_timeout: found \"2s\", expected a time from 1ms to 1s, such as 50ms"
        );
        let diagnostics = compile("", r#","cache":{"shared":true}"#).unwrap_err();
        assert!(diagnostics[0].to_string().starts_with("cache.shared: found true, expected a section redis"));
    }

    #[test]
    fn answers_are_a_teams_unless_it_is_said_whose() {
        let cache = |fields: &str| compile(&format!(r#","cache":{{{fields}}}"#), "").unwrap().models["m"].cache;
        let default = Rule {
            ttl: Duration::from_secs(600),
            jitter: 10,
            scope: Scope::Team,
            max_temperature: None,
            tools: true,
            images: true,
            single_flight: true,
        };
        assert_eq!(cache(r#""ttl":"10m""#), Some(default));
        for scope in [Scope::Key, Scope::Team, Scope::App, Scope::All] {
            let named = format!(r#""ttl":"10m","scope":"{}""#, scope.name());
            assert_eq!(cache(&named), Some(Rule { scope, ..default }));
        }
        assert_eq!(
            cache(
                r#""ttl":"10m","ttl_jitter":0,"max_temperature":0.5,"tools":false,"images":false,"single_flight":false"#
            ),
            Some(Rule {
                jitter: 0,
                max_temperature: Some(0.5),
                tools: false,
                images: false,
                single_flight: false,
                ..default
            })
        );
    }

    #[test]
    fn a_semantic_cache_needs_a_model_with_embeddings_a_threshold_and_a_scope_within_the_cache() {
        let semantic = |fields: &str| {
            let cache = format!(r#","cache":{{"ttl":"1m","semantic":{{"embeddings":"m",{fields}}}}}"#);
            compile(&cache, "").map(|config| config.models["m"].semantic.clone().unwrap())
        };
        let rule = semantic(r#""threshold":0.5,"scope":"key","mode":"shadow""#).unwrap();
        let expected = semantic::Rule {
            embeddings: "m".to_owned(),
            threshold: 0.5,
            scope: Scope::Key,
            mode: SemanticMode::Shadow,
            timeout: Duration::from_millis(500),
            multi_turn: false,
            tools: false,
            images: false,
        };
        assert_eq!(rule, expected);
        let at = "models.m.cache.semantic";
        for (fields, wrong) in [
            (r#""threshold":0,"scope":"key""#, "threshold: found 0, expected a number above 0"),
            (r#""threshold":1.01,"scope":"key""#, "threshold: found 1.01"),
            (r#""threshold":1,"scope":"all""#, "scope: found all, expected a scope within that of the cache, team"),
            (r#""threshold":1,"scope":"app""#, "scope: found app"),
            (r#""threshold":1,"scope":"key","timeout":"6s""#, "timeout: found \"6s\", expected a time from 1ms to 5s"),
        ] {
            let diagnostics = semantic(fields).unwrap_err();
            assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
            let said = diagnostics[0].to_string();
            assert!(said.starts_with(&format!("{at}.{wrong}")), "{said}");
        }
        let embedder = |name: &str, kind: &str| {
            let text = format!(
                r#"{{"providers":{{"p":{{"kind":"openai"}},"q":{{"kind":"{kind}"}}}},
                    "models":{{"m":{{"targets":[{{"provider":"p","model":"x"}}],"cache":{{"ttl":"1m",
                                  "semantic":{{"embeddings":"{name}","threshold":1,"scope":"key"}}}}}},
                              "e":{{"targets":[{{"provider":"q","model":"x"}}]}},
                              "any-*":{{"targets":[{{"provider":"p","model":"*"}}]}}}},"teams":{{}},"keys":[]}}"#
            );
            crate::from_json(text.as_bytes()).map(drop).map_err(|found| found[0].to_string())
        };
        assert_eq!(embedder("e", "openai"), Ok(()));
        let none = embedder("e", "anthropic").unwrap_err();
        assert!(
            none.starts_with(&format!("{at}.embeddings: found \"e\", expected a model whose first provider")),
            "{none}"
        );
        let star = embedder("any-*", "openai").unwrap_err();
        assert!(
            star.starts_with(&format!("{at}.embeddings: found \"any-*\", expected a model whose first target")),
            "{star}"
        );
        let unknown = embedder("f", "openai").unwrap_err();
        assert!(unknown.starts_with(&format!("{at}.embeddings: found \"f\"")), "{unknown}");
    }

    #[test]
    fn what_is_asked_of_a_provider_by_its_own_name_has_no_cache() {
        let config = compile(r#","cache":{"ttl":"10m"}"#, "").unwrap();
        assert_eq!(config.direct["p/x"].cache, None);
    }

    #[test]
    fn each_mistake_is_named_with_what_would_be_right() {
        for (model, cache, expected) in [
            (r#","cache":{"ttl":"0s"}"#, "", "models.m.cache.ttl: found \"0s\", expected a time above zero"),
            (r#","cache":{"ttl":"25h"}"#, "", "models.m.cache.ttl: found \"25h\""),
            (
                r#","cache":{"ttl":"1m","ttl_jitter":51}"#,
                "",
                "models.m.cache.ttl_jitter: found 51, expected a percentage",
            ),
            (
                r#","cache":{"ttl":"1m","max_temperature":2.5}"#,
                "",
                "models.m.cache.max_temperature: found 2.5, expected a",
            ),
            (r#","cache":{"ttl":"1m","max_temperature":-1}"#, "", "models.m.cache.max_temperature: found -1"),
            ("", r#""memory":"64""#, "cache.memory: found \"64\", expected a size from 1MiB to 4GiB, such as 512KiB"),
            ("", r#""memory":"1023KiB""#, "cache.memory: found \"1023KiB\""),
            ("", r#""memory":"5GiB""#, "cache.memory: found \"5GiB\""),
            ("", r#""largest":"9MiB""#, "cache.largest: found \"9MiB\", expected a size from 1KiB to 8MiB"),
            ("", r#""largest":"0KiB""#, "cache.largest: found \"0KiB\""),
            (
                "",
                r#""memory":"1MiB","largest":"2MiB""#,
                "cache.largest: found \"2MiB\", expected at most the value of memory, 1MiB",
            ),
        ] {
            let diagnostics = compile(model, &format!(r#","cache":{{{cache}}}"#)).unwrap_err();
            assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
            assert!(diagnostics[0].to_string().starts_with(expected), "{}", diagnostics[0]);
        }
    }
}
