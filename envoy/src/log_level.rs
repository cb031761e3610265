//! The level of Envoy's log on standard error, by component.
//!
//! At `debug` and `trace`, some of Envoy's components log what they process: whole request headers with the clients' keys, and the files
//! with the providers' keys. At these levels only components that log neither are enabled; all others stay at `info`.

/// The level of Envoy's log on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[expect(missing_docs, reason = "Envoy's words")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warning,
    Error,
    Critical,
    Off,
}

/// Components that log no header, body or secret at any level (tested with Envoy 1.40 at `trace`). The filter logs its decisions to `wasm`
/// or `dynamic_modules`.
const HARMLESS: [&str; 10] =
    ["wasm", "dynamic_modules", "upstream", "connection", "conn_handler", "pool", "dns", "hc", "main", "init"];

impl LogLevel {
    /// Envoy's arguments for this level.
    pub fn arguments(self) -> Vec<String> {
        let level = self.word();
        if !matches!(self, Self::Trace | Self::Debug) {
            return vec!["--log-level".to_owned(), level.to_owned()];
        }
        let harmless = HARMLESS.map(|component| format!("{component}:{level}")).join(",");
        ["--log-level", "info", "--component-log-level", &harmless].map(str::to_owned).into()
    }

    fn word(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Off => "off",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_components_that_write_no_secret_are_set_to_debug() {
        assert_eq!(LogLevel::Warning.arguments(), ["--log-level", "warning"]);
        let debug = LogLevel::Debug.arguments();
        assert_eq!(debug[..3], ["--log-level", "info", "--component-log-level"]);
        assert!(debug[3].starts_with("wasm:debug,dynamic_modules:debug,upstream:debug,"), "{debug:?}");
        for talkative in ["http", "http2", "router", "config", "secret", "aws", "oauth2", "credential_injector"] {
            assert!(!debug[3].split(',').any(|part| part == format!("{talkative}:debug")), "{talkative}");
        }
    }
}
