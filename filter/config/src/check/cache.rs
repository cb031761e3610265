//! Checks the cache of responses.

use std::time::Duration;

use sluice_core::cache::{Bounds, Rule};
use sluice_wire::json::decimal;

use super::super::diagnostic::{Path, quoted};
use super::super::file;
use super::super::size;
use super::Check;

/// In percent of the time to live.
const MOST_JITTER: u8 = 50;
const LEAST_MEMORY: &str = "1MiB";
const MOST_MEMORY: &str = "4GiB";
const LEAST_ANSWER: &str = "1KiB";
/// A worker holds a response in its VM while it collects or sends it, and the VM's memory never shrinks.
const MOST_ANSWER: &str = "8MiB";
const LONGEST_LOOKUP: Duration = Duration::from_secs(1);

impl Check<'_> {
    /// The cache policy of a model; `None` without a cache.
    pub(super) fn model_cache(&mut self, model: &file::Model, path: &Path) -> Option<Rule> {
        let written = model.cache.as_ref()?;
        let path = path.key("cache");
        let ttl = self.wait(&written.ttl, &path.key("ttl"));
        let file::ModelCache { scope, ttl_jitter: jitter, max_temperature, tools, images, single_flight, .. } =
            *written;
        if jitter > MOST_JITTER {
            self.diagnostic(
                &path.key("ttl_jitter"),
                jitter.to_string(),
                format!("a percentage from 0 to {MOST_JITTER}"),
            );
        }
        if let Some(most) = max_temperature.filter(|most| !(0.0..=2.0).contains(most)) {
            self.diagnostic(&path.key("max_temperature"), decimal(most), "a temperature from 0 to 2".to_owned());
        }
        Some(Rule { ttl, jitter, scope, max_temperature, tools, images, single_flight })
    }

    /// The size limits of the cache.
    pub(super) fn cache(&mut self) -> Bounds {
        let written = &self.file.cache;
        let memory = self.cache_size("memory", &written.memory, LEAST_MEMORY, MOST_MEMORY);
        let largest = self.cache_size("largest", &written.largest, LEAST_ANSWER, MOST_ANSWER);
        if let (Some(memory), Some(largest)) = (memory, largest)
            && largest > memory
        {
            let expected = format!("at most the value of memory, {}", written.memory);
            self.diagnostic(&Path::root().key("cache").key("largest"), quoted(&written.largest), expected);
        }
        let largest = largest.and_then(|largest| usize::try_from(largest).ok());
        if written.shared && self.file.redis.is_none() {
            let expected = "a section redis, because Envoys share responses in Redis".to_owned();
            self.diagnostic(&Path::root().key("cache").key("shared"), "true".to_owned(), expected);
        }
        let path = Path::root().key("cache").key("shared_timeout");
        let timeout = self.wait(&written.shared_timeout, &path);
        if timeout > LONGEST_LOOKUP {
            self.diagnostic(&path, quoted(&written.shared_timeout), "a time from 1ms to 1s, such as 50ms".to_owned());
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
            let path = Path::root().key("cache").key(field);
            self.diagnostic(&path, quoted(text), format!("a size from {least} to {most}, such as 512KiB or 64MiB"));
        }
        size
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::Diagnostic;
    use crate::file::File;
    use sluice_core::cache::{Bounds, Rule, Scope};
    use sluice_core::compiled::CompiledConfig;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

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
