//! Checks the section `redis`.

use std::time::Duration;

use sluice_core::metrics::Background;
use sluice_core::provider::url::Url;
use sluice_core::store::redis::settings::Redis;
use sluice_wire::calendar;
use sluice_wire::json;

use super::super::{Diagnostic, file};
use super::Check;
use super::place::{Path, quoted, text};

const PREFIX_MAX: usize = 64;

/// A minimal gateway file, to which the section is added.
const NOTHING: &str = r#"{"providers":{},"models":{},"teams":{},"keys":[]}"#;

/// Checks the sections of the background role alone.
pub(in super::super) fn compile(written: file::Background) -> Result<Background, Vec<Diagnostic>> {
    // Parsed from bytes, like the filter's configuration: a second parser for strings would double the code size.
    let nothing: file::File = json::from_slice(NOTHING.as_bytes()).map_err(|_| Vec::new())?;
    let file::Background { redis, cache, metrics, alerts } = written;
    let file = file::File { redis, cache, metrics, alerts, ..nothing };
    let mut check = Check { file: &file, diagnostics: Vec::new() };
    let (redis, metrics, alerts) = (check.redis(), check.metrics(), check.alerts());
    let shared_cache = check.cache().shared.is_some();
    let background = Background { redis, shared_cache, export: metrics.export, alerts, key_label: metrics.key_label };
    if check.diagnostics.is_empty() { Ok(background) } else { Err(check.diagnostics) }
}

impl Check<'_> {
    pub(super) fn redis(&mut self) -> Option<Redis> {
        let written = self.file.redis.as_ref()?;
        let section = Path::section("redis");
        let url = Url::parse(&written.url);
        if let Err(found) = &url {
            let is_redis = ["redis:", "rediss:"].iter().any(|scheme| written.url.starts_with(scheme));
            let expected = match is_redis {
                true => "the URL of Webdis, such as http://127.0.0.1:7379: Redis itself does not speak HTTP",
                false => "a base URL such as http://127.0.0.1:7379",
            };
            self.diagnostic(&section.key("url"), found, expected);
        }
        #[cfg(not(target_arch = "wasm32"))]
        if let Some(token) = &written.token {
            self.secret(token, &section.key("token"));
        }
        let timeout = self.redis_time("timeout", &written.timeout, "10ms", "10s");
        let sync = self.redis_time("sync", &written.sync, "100ms", "1m");
        let key_cache = self.redis_time("key_cache", &written.key_cache, "1s", "1h");
        if !is_prefix(&written.prefix) {
            self.diagnostic(
                &section.key("prefix"),
                quoted(&written.prefix),
                "1 to 64 letters, digits, and any of . _ -",
            );
        }
        let url = url.ok()?;
        Some(Redis {
            protocol: written.protocol,
            authority: url.authority(),
            tls: url.tls,
            base_path: url.base_path,
            mode: written.mode,
            when_down: written.when_down,
            timeout,
            sync,
            key_cache,
            prefix: written.prefix.clone(),
        })
    }

    fn redis_time(&mut self, field: &str, text: &str, shortest: &str, longest: &str) -> Duration {
        let bound = |text: &str| calendar::duration(text).unwrap_or_default();
        let duration = calendar::duration(text).filter(|time| (bound(shortest)..=bound(longest)).contains(time));
        if duration.is_none() {
            let path = Path::section("redis").key(field);
            self.diagnostic(&path, quoted(text), text!("a time from {shortest} to {longest}"));
        }
        duration.unwrap_or_default()
    }
}

/// The prefix is between braces in the entries' names, so it must not contain any.
fn is_prefix(prefix: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    !prefix.is_empty() && prefix.len() <= PREFIX_MAX && prefix.bytes().all(good)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Diagnostic;
    use crate::file::File;
    use sluice_core::compiled::CompiledConfig;
    use sluice_core::store::redis::settings::{Mode, Protocol, WhenDown};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn compile(redis: &str) -> Result<CompiledConfig, Vec<Diagnostic>> {
        let text = format!(
            r#"{{"providers":{{"p":{{"kind":"openai"}}}},"models":{{"m":{{"targets":[{{"provider":"p","model":"x"}}]}}}},
            "teams":{{}},"keys":[],"redis":{redis}}}"#
        );
        crate::compile(&serde_json::from_str::<File>(&text).unwrap())
    }

    #[test]
    fn a_url_is_enough() {
        let redis = compile(r#"{"url":"http://redis:7379/base/"}"#).unwrap().redis.unwrap();
        let expected = Redis {
            protocol: Protocol::Webdis,
            authority: "redis:7379".to_owned(),
            tls: false,
            base_path: "/base".to_owned(),
            mode: Mode::Strict,
            when_down: WhenDown::Local,
            timeout: Duration::from_millis(250),
            sync: Duration::from_secs(1),
            key_cache: Duration::from_secs(5),
            prefix: "sluice".to_owned(),
        };
        assert_eq!(redis, expected);
    }

    #[cfg(not(target_arch = "wasm32"))]
    #[test]
    fn each_mistake_is_named_with_what_would_be_right() {
        for (field, expected) in [
            (r#""url":"redis:7379""#, "redis.url: found no http:// or https://"),
            (r#""token":{}"#, "redis.token: found neither env nor file"),
            (r#""timeout":"5ms""#, "redis.timeout: found \"5ms\", expected a time from 10ms to 10s"),
            (r#""timeout":"11s""#, "redis.timeout: found \"11s\""),
            (r#""sync":"50ms""#, "redis.sync: found \"50ms\", expected a time from 100ms to 1m"),
            (r#""key_cache":"forever""#, "redis.key_cache: found \"forever\", expected a time from 1s to 1h"),
            (r#""prefix":"{a}""#, "redis.prefix: found \"{a}\", expected 1 to 64 letters"),
            (r#""prefix":"""#, "redis.prefix: found \"\""),
        ] {
            let url = if field.starts_with(r#""url""#) { "" } else { r#""url":"http://r","# };
            let diagnostics = compile(&format!("{{{url}{field}}}")).unwrap_err();
            assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
            assert!(diagnostics[0].to_string().starts_with(expected), "{}", diagnostics[0]);
        }
    }
}
