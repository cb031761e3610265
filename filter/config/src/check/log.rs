//! Checks the section `log`.

use sluice_core::compiled::spec::Log;

use super::Check;
#[cfg(not(target_arch = "wasm32"))]
use super::{super::file, place::Path};

/// The path that Envoy appends to the collector's URL.
#[cfg(not(target_arch = "wasm32"))]
const SIGNAL: &str = "/v1/logs";

impl Check<'_> {
    /// The part of the section that concerns the filter. Envoy handles the rest.
    pub(super) fn log(&mut self) -> Log {
        let written = &self.file.log;
        #[cfg(not(target_arch = "wasm32"))]
        self.log_sinks(written);
        Log { client: written.client, provider_messages: written.provider_messages }
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn log_sinks(&mut self, written: &file::Log) {
        let section = Path::section("log");
        if written.file.as_deref().is_some_and(str::is_empty) {
            self.diagnostic(&section.key("file"), "no path", "the path of a file");
        }
        if let Some(otlp) = &written.otlp {
            let section = section.key("otlp");
            self.collector(&otlp.url, SIGNAL, &section.key("url"));
            if let Some(token) = &otlp.token {
                self.secret(token, &section.key("token"));
            }
        }
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use crate::Diagnostic;
    use crate::file::File;
    use sluice_core::compiled::CompiledConfig;
    use sluice_core::compiled::spec::{Log, LoggedClient};

    fn compile(log: &str) -> Result<CompiledConfig, Vec<Diagnostic>> {
        let text = format!(
            r#"{{"providers":{{"p":{{"kind":"openai"}}}},"models":{{"m":{{"targets":[{{"provider":"p","model":"x"}}]}}}},
            "teams":{{}},"keys":[],"log":{{{log}}}}}"#
        );
        crate::compile(&serde_json::from_str::<File>(&text).unwrap())
    }

    #[test]
    fn the_filter_gets_what_it_writes_and_not_where_it_goes() {
        let otlp = r#""otlp":{"url":"https://c/x","token":{"env":"T"}}"#;
        let log = compile(r#""client":"off","file":"/var/log/sluice""#).unwrap().log;
        assert_eq!(log, Log { client: LoggedClient::Off, ..Log::default() });
        assert_eq!(compile(otlp).unwrap().log, Log::default());
    }

    #[test]
    fn each_mistake_is_named_with_what_would_be_right() {
        for (log, expected) in [
            (r#""file":"""#, "log.file: found no path, expected the path of a file"),
            (r#""otlp":{"url":"collector:4318"}"#, "log.otlp.url: found no http:// or https://"),
            (
                r#""otlp":{"url":"http://c:4318/v1/logs"}"#,
                "log.otlp.url: found /v1/logs at its end, expected a collector's URL",
            ),
            (r#""otlp":{"url":"http://c","token":{}}"#, "log.otlp.token: found neither env nor file"),
        ] {
            let diagnostics = compile(log).unwrap_err();
            assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
            assert!(diagnostics[0].to_string().starts_with(expected), "{}", diagnostics[0]);
        }
    }
}
