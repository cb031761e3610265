//! Checks the section `tracing`.

use sluice_core::callout::Endpoint;
use sluice_core::provider::url::Url;
use sluice_core::trace::Settings;

use super::Check;
use super::place::{Path, decimal, text};

/// The path that is appended to the collector's URL.
const SIGNAL: &str = "/v1/traces";
/// The lowest rate besides zero.
const LEAST: f64 = 0.01;
/// The sampling is a share of a million.
const PER_PERCENT: f64 = 10_000.0;

impl Check<'_> {
    pub(super) fn tracing(&mut self) -> Option<Settings> {
        let written = self.file.tracing.as_ref()?;
        let section = Path::section("tracing");
        let url = self.collector(&written.url, SIGNAL, &section.key("url"));
        if written.sampling != 0.0 && !(LEAST..=100.0).contains(&written.sampling) {
            let found = decimal(written.sampling);
            self.diagnostic(&section.key("sampling"), found, "0, or a number from 0.01 to 100");
        }
        #[cfg(not(target_arch = "wasm32"))]
        if let Some(token) = &written.token {
            self.secret(token, &section.key("token"));
        }
        let url = url?;
        let collector = Endpoint { authority: url.authority(), tls: url.tls, path: url.base_path + SIGNAL };
        let sampling = (written.sampling * PER_PERCENT).round() as u32;
        Some(Settings { sampling, names: written.names, content: written.content, collector })
    }

    /// Checks a collector's URL. `signal` is the path that is appended to it.
    pub(super) fn collector(&mut self, url: &str, signal: &str, path: &Path) -> Option<Url> {
        let expected = "a collector's URL such as http://collector:4318";
        match Url::parse(url) {
            Err(found) => self.diagnostic(path, found, expected),
            Ok(url) if url.base_path.ends_with(signal) => {
                let expected = text!("{expected}: the gateway adds the path");
                self.diagnostic(path, text!("{signal} at its end"), expected);
            }
            Ok(url) => return Some(url),
        }
        None
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use crate::Diagnostic;
    use crate::file::File;
    use sluice_core::callout::Endpoint;
    use sluice_core::compiled::CompiledConfig;
    use sluice_core::trace::TraceNames;

    fn compile(more: &str) -> Result<CompiledConfig, Vec<Diagnostic>> {
        let text = format!(
            r#"{{"providers":{{"p":{{"kind":"openai"}}}},"models":{{"m":{{"targets":[{{"provider":"p","model":"x"}}]}}}},
            "teams":{{}},"keys":[]{more}}}"#
        );
        crate::compile(&serde_json::from_str::<File>(&text).unwrap())
    }

    #[test]
    fn the_filter_knows_what_is_traced_and_where_it_is_sent() {
        assert_eq!(compile("").unwrap().tracing, None);
        let collector =
            |authority: &str, tls, path: &str| Endpoint { authority: authority.into(), tls, path: path.into() };
        let plain = compile(r#","tracing":{"url":"http://collector:4318"}"#).unwrap().tracing.unwrap();
        assert_eq!(plain.collector, collector("collector:4318", false, "/v1/traces"));
        assert_eq!((plain.sampling, plain.names, plain.content), (1_000_000, TraceNames::OpenTelemetry, false));
        let more = r#""sampling":0.01,"names":"openinference","content":true,"token":{"env":"T"}"#;
        let other = compile(&format!(r#","tracing":{{"url":"https://c/otlp/",{more}}}"#)).unwrap().tracing.unwrap();
        assert_eq!(other.collector, collector("c", true, "/otlp/v1/traces"));
        assert_eq!((other.sampling, other.names, other.content), (100, TraceNames::OpenInference, true));
    }

    #[test]
    fn each_mistake_is_named_with_what_would_be_right() {
        for (field, expected) in [
            (r#""url":"collector:4318""#, "tracing.url: found no http:// or https://"),
            (
                r#""url":"http://c:4318/v1/traces/""#,
                "tracing.url: found /v1/traces at its end, expected a collector's URL",
            ),
            (r#""sampling":101"#, "tracing.sampling: found 101, expected 0, or a number from 0.01 to 100"),
            (r#""sampling":-1"#, "tracing.sampling: found -1"),
            (r#""sampling":0.001"#, "tracing.sampling: found 0.001"),
            (r#""token":{}"#, "tracing.token: found neither env nor file"),
        ] {
            let url = if field.starts_with(r#""url""#) { "" } else { r#""url":"http://c","# };
            let diagnostics = compile(&format!(r#","tracing":{{{url}{field}}}"#)).unwrap_err();
            assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
            assert!(diagnostics[0].to_string().starts_with(expected), "{}", diagnostics[0]);
        }
    }
}
