//! Checks the section `metrics`.

use std::time::Duration;

use sluice_core::callout::Endpoint;
use sluice_core::metrics::{Export, Settings};
use sluice_core::provider::url::Url;
use sluice_wire::calendar;

use super::super::file;
use super::Check;
use super::place::{Path, quoted, text};

/// The path that is appended to the collector's URL.
const SIGNAL: &str = "/v1/metrics";
/// Fewer could not hold the series that are always there.
const FEWEST: usize = 1_000;
const MOST: usize = 1_000_000;
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(600);

impl Check<'_> {
    pub(super) fn metrics(&mut self) -> Settings {
        let written = &self.file.metrics;
        let section = Path::section("metrics");
        if !(FEWEST..=MOST).contains(&written.series) {
            let expected = text!("a number from {FEWEST} to {MOST}");
            self.diagnostic(&section.key("series"), text!("{}", written.series), expected);
        }
        let scraper = written.sha256.as_ref().and_then(|hash| self.key_hash(hash, &section.key("sha256")));
        if written.public && written.sha256.is_some() {
            self.diagnostic(
                &section.key("public"),
                "true, with a sha256",
                "one of the two: a public /metrics needs no key",
            );
        }
        let export = written.otlp.as_ref().and_then(|otlp| self.export(otlp, &section.key("otlp")));
        Settings { series: written.series, key_label: written.key_label, public: written.public, scraper, export }
    }

    fn export(&mut self, written: &file::MetricsExport, path: &Path) -> Option<Export> {
        let url = self.collector(&written.url, SIGNAL, &path.key("url"));
        let interval = calendar::duration(&written.interval).filter(|time| (SHORTEST..=LONGEST).contains(time));
        if interval.is_none() {
            self.diagnostic(&path.key("interval"), quoted(&written.interval), "a time from 1s to 10m, such as 60s");
        }
        #[cfg(not(target_arch = "wasm32"))]
        if let Some(token) = &written.token {
            self.secret(token, &path.key("token"));
        }
        let url = url?;
        let endpoint = Endpoint { authority: url.authority(), tls: url.tls, path: url.base_path + SIGNAL };
        Some(Export { endpoint, interval: interval? })
    }

    /// Where alerts are sent.
    pub(super) fn alerts(&mut self) -> Option<Endpoint> {
        let written = self.file.alerts.as_ref()?;
        let section = Path::section("alerts");
        #[cfg(not(target_arch = "wasm32"))]
        if let Some(token) = &written.token {
            self.secret(token, &section.key("token"));
        }
        match Url::parse(&written.url) {
            Ok(url) => Some(Endpoint { authority: url.authority(), tls: url.tls, path: url.base_path }),
            Err(found) => {
                self.diagnostic(
                    &section.key("url"),
                    found,
                    "a webhook's URL such as https://hooks.example.com/budgets",
                );
                None
            }
        }
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use std::time::Duration;

    use sluice_core::callout::Endpoint;
    use sluice_core::compiled::CompiledConfig;
    use sluice_core::metrics::Export;

    use crate::Diagnostic;
    use crate::file::File;

    fn compile(more: &str) -> Result<CompiledConfig, Vec<Diagnostic>> {
        let text = format!(
            r#"{{"providers":{{"p":{{"kind":"openai"}}}},"models":{{"m":{{"targets":[{{"provider":"p","model":"x"}}]}}}},
            "teams":{{}},"keys":[]{more}}}"#
        );
        crate::compile(&serde_json::from_str::<File>(&text).unwrap())
    }

    fn endpoint(authority: &str, tls: bool, path: &str) -> Endpoint {
        Endpoint { authority: authority.into(), tls, path: path.into() }
    }

    #[test]
    fn without_the_sections_metrics_need_a_key_and_nothing_is_sent() {
        let compiled = compile("").unwrap();
        let metrics = compiled.metrics;
        assert_eq!((metrics.series, metrics.key_label, metrics.public), (10_000, false, false));
        assert_eq!((metrics.scraper, metrics.export, compiled.alerts), (None, None, None));
    }

    #[test]
    fn the_filter_knows_where_metrics_and_alerts_are_sent() {
        let export = |otlp: &str| compile(&format!(r#","metrics":{{"otlp":{otlp}}}"#)).unwrap().metrics.export.unwrap();
        let minute = Duration::from_secs(60);
        let plain = Export { endpoint: endpoint("c:4318", false, "/v1/metrics"), interval: minute };
        assert_eq!(export(r#"{"url":"http://c:4318"}"#), plain);
        let other = Export { endpoint: endpoint("c", true, "/otlp/v1/metrics"), interval: minute * 10 };
        assert_eq!(export(r#"{"url":"https://c/otlp/","interval":"10m","token":{"env":"T"}}"#), other);
        let alerts = compile(r#","alerts":{"url":"https://hooks.test/budgets"}"#).unwrap().alerts;
        assert_eq!(alerts, Some(endpoint("hooks.test", true, "/budgets")));
    }

    #[test]
    fn each_mistake_is_named_with_what_would_be_right() {
        let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let both = format!(r#""metrics":{{"public":true,"sha256":"{hash}"}}"#);
        for (section, expected) in [
            (r#""metrics":{"series":999}"#, "metrics.series: found 999, expected a number from 1000 to 1000000"),
            (r#""metrics":{"series":1000001}"#, "metrics.series: found 1000001"),
            (r#""metrics":{"sha256":"sk-secret"}"#, "metrics.sha256: found 9 characters that are not a SHA-256"),
            (&both, "metrics.public: found true, with a sha256, expected one of the two"),
            (r#""metrics":{"otlp":{"url":"c:4318"}}"#, "metrics.otlp.url: found no http:// or https://"),
            (
                r#""metrics":{"otlp":{"url":"http://c/v1/metrics"}}"#,
                "metrics.otlp.url: found /v1/metrics at its end, expected a collector's URL",
            ),
            (
                r#""metrics":{"otlp":{"url":"http://c","interval":"0s"}}"#,
                "metrics.otlp.interval: found \"0s\", expected a time from 1s to 10m",
            ),
            (r#""metrics":{"otlp":{"url":"http://c","interval":"601s"}}"#, "metrics.otlp.interval: found \"601s\""),
            (r#""metrics":{"otlp":{"url":"http://c","interval":"soon"}}"#, "metrics.otlp.interval: found \"soon\""),
            (r#""metrics":{"otlp":{"url":"http://c","token":{}}}"#, "metrics.otlp.token: found neither env nor file"),
            (r#""alerts":{"url":"hooks.test"}"#, "alerts.url: found no http:// or https://"),
            (r#""alerts":{"url":"http://c","token":{}}"#, "alerts.token: found neither env nor file"),
        ] {
            let diagnostics = compile(&format!(",{section}")).unwrap_err();
            assert_eq!(diagnostics.len(), 1, "{section}: {diagnostics:?}");
            assert!(diagnostics[0].to_string().starts_with(expected), "{}", diagnostics[0]);
        }
    }
}
