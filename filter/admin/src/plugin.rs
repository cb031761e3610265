//! Compiles the filter's configuration for its role.

use std::rc::Rc;

use serde::Deserialize;
use serde_json::{Map, Value};
use sluice_config::Diagnostic;
use sluice_config::plugin::{Reload, Written};
use sluice_core::compiled::CompiledConfig;
use sluice_core::metrics::Background;
use sluice_core::metrics::ConfigStatus;
use sluice_wire::calendar;
use sluice_wire::json;

use crate::Service;

/// The compiled configuration of a role.
#[derive(Debug)]
pub enum Plugin {
    /// The gateway role: handles requests.
    Gateway {
        /// The gateway file.
        gateway: Rc<CompiledConfig>,
        /// The file's reload status.
        reload: Option<Reload>,
    },
    /// The provider role: handles attempts.
    Provider,
    /// The admin role: serves the administration API.
    Admin(Rc<Service>),
    /// The background role: does the work that belongs to no request.
    Background(Background),
}

/// The gateway file, as the admin role shows it.
#[derive(Deserialize)]
struct Text {
    gateway: Map<String, Value>,
}

impl Plugin {
    /// Parses and checks a configuration.
    pub fn from_json(json: &[u8]) -> Result<Self, Vec<Diagnostic>> {
        match json::from_slice(json) {
            Ok(Written::Gateway { gateway, reload, shuts_down }) => {
                let since = reload.as_ref().and_then(|reload| calendar::rfc3339(&reload.applied_at));
                let status = reload.as_ref().map(|reload| ConfigStatus {
                    version: reload.version.clone(),
                    loaded: since.unwrap_or_default(),
                    is_last: reload.refused.is_none(),
                });
                let gateway = sluice_config::compile(&gateway)?;
                Ok(Self::Gateway { gateway: Rc::new(CompiledConfig { since, status, shuts_down, ..gateway }), reload })
            }
            Ok(Written::Provider {}) => Ok(Self::Provider),
            Ok(Written::Admin { gateway, reload }) => {
                let Text { gateway: text } = json::from_slice(json).map_err(|error| vec![no_configuration(&error)])?;
                Service::new(*gateway, text, reload).map(|service| Self::Admin(Rc::new(service)))
            }
            Ok(Written::Background { background }) => {
                sluice_config::compile_background(*background).map(Self::Background)
            }
            Err(error) => Err(vec![no_configuration(&error)]),
        }
    }
}

fn no_configuration(error: &serde_json::Error) -> Diagnostic {
    Diagnostic { path: String::new(), found: error.to_string(), expected: "a plugin configuration".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[cfg(not(target_arch = "wasm32"))]
    #[test]
    fn what_the_admin_role_shows_holds_no_secret_that_it_was_given() {
        let [hash, before, own] = ["5", "6", "7"].map(|digit| digit.repeat(64));
        let file = format!(
            r#"{{"providers":{{"p":{{"kind":"openai","key":{{"env":"SECRET"}}}},"q":{{"kind":"openai","keys":[{{"file":"/SECRET"}}]}}}},
                "models":{{"m":{{"targets":[{{"provider":"p","model":"x"}}]}}}},"teams":{{"t":{{}}}},
                "keys":[{{"id":"k","team":"t","sha256":"{hash}","previous":{{"sha256":"{before}","until":"2027-01-01T00:00:00Z"}}}}],
                "redis":{{"url":"http://127.0.0.1:7379","token":{{"env":"SECRET"}}}},
                "alerts":{{"url":"https://hooks.test/services/SECRET"}},"admin":{{"sha256":"{own}"}}}}"#
        );
        let written = format!(r#"{{"role":"admin","gateway":{file}}}"#);
        let Plugin::Admin(service) = Plugin::from_json(written.as_bytes()).unwrap() else { panic!("another role") };
        let shown = Value::Object(service.shown.clone());
        let text = shown.to_string();
        assert!(["SECRET", &hash, &before, &own].iter().all(|secret| !text.contains(secret)), "{text}");
        assert_eq!(shown["providers"]["p"]["url"], "https://api.openai.com/v1");
        assert_eq!(shown["alerts"]["url"], "https://hooks.test/***");
        assert_eq!((&shown["keys"][0]["id"], &shown["keys"][0]["previous"]["sha256"]), (&"k".into(), &"***".into()));
    }

    #[test]
    fn each_role_has_its_own_fields_and_no_others() {
        let file = r#"{"providers":{"p":{"kind":"openai"}},"models":{"m":{"targets":[{"provider":"p","model":"x"}]}},"teams":{},"keys":[]}"#;
        let redis = r#"{"url":"http://127.0.0.1:7379"}"#;
        for (written, is_good) in [
            (r#"{"role":"provider"}"#.to_owned(), true),
            (format!(r#"{{"role":"gateway","gateway":{file}}}"#), true),
            (format!(r#"{{"role":"shutdown","gateway":{file}}}"#), true),
            (format!(r#"{{"role":"background","background":{{"redis":{redis}}}}}"#), true),
            (r#"{"role":"background","background":{"metrics":{"otlp":{"url":"http://c:4318"}}}}"#.to_owned(), true),
            (r#"{"role":"background","background":{"alerts":{"url":"ftp://c"}}}"#.to_owned(), false),
            (format!(r#"{{"role":"provider","gateway":{file}}}"#), false),
            (format!(r#"{{"role":"gateway","gateway":{file},"background":{{}}}}"#), false),
            (r#"{"role":"gateway"}"#.to_owned(), false),
            (r#"{"role":"shutdown"}"#.to_owned(), false),
            (r#"{"role":"background"}"#.to_owned(), false),
            (r#"{"role":"nobody"}"#.to_owned(), false),
            (r#"{"role":"provider","x":1}"#.to_owned(), false),
            ("{}".to_owned(), false),
        ] {
            assert_eq!(Plugin::from_json(written.as_bytes()).is_ok(), is_good, "{written}");
        }
    }
}
