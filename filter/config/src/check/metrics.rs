//! Checks the section `metrics`.

use std::time::Duration;

use sluice_core::callout::Endpoint;
use sluice_core::metrics::{Export, Settings};
use sluice_core::provider::url::Url;
use sluice_wire::calendar;

use super::super::diagnostic::{Path, quoted};
use super::super::file;
use super::Check;

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
        let section = Path::root().key("metrics");
        if !(FEWEST..=MOST).contains(&written.series) {
            let expected = format!("a number from {FEWEST} to {MOST}");
            self.diagnostic(&section.key("series"), written.series.to_string(), expected);
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
        let section = Path::root().key("alerts");
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
