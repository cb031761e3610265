//! Where a token comes from: the token endpoint of a service account, or Google's metadata server.

use std::path::{self, Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use sluice_config::file::{Google, Secret};

use crate::secrets;

use super::account::{Account, SCOPE};
use super::endpoint::{Endpoint, Question, Token};

/// The environment variable of Google's tools that names a service account key file.
const DEFAULT_KEY: &str = "GOOGLE_APPLICATION_CREDENTIALS";
/// The environment variable of Google's tools for another metadata server.
const METADATA_HOST: &str = "GCE_METADATA_HOST";

/// The source of a token.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A service account. Its key is read again each time, since it may have been replaced.
    Account { key: Secret, base: PathBuf },
    /// The machine's service account.
    Metadata { host: String },
}

impl Source {
    /// Selects the source from the gateway file and the environment. Paths are relative to `base`.
    pub fn of(google: &Google, base: &Path, variable: impl Fn(&str) -> Option<String>) -> Self {
        let named = |name: &str| variable(name).filter(|value| !value.is_empty());
        let from_environment = || {
            let file = named(DEFAULT_KEY)?;
            // The variable's path is relative to the working directory.
            let file = path::absolute(&file).map_or(file, |path| path.to_string_lossy().into_owned());
            Some(Secret { env: None, file: Some(file) })
        };
        match google.service_account.clone().or_else(from_environment) {
            Some(key) => Self::Account { key, base: base.to_owned() },
            None => {
                Self::Metadata { host: named(METADATA_HOST).unwrap_or_else(|| "metadata.google.internal".to_owned()) }
            }
        }
    }

    /// Checks that the source is usable.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Account { key, base } => account(key, base).map(drop),
            Self::Metadata { .. } => Ok(()),
        }
    }

    /// Asks for a token.
    pub fn fetch(&self, endpoint: &Endpoint) -> Result<Token, String> {
        match self {
            Self::Account { key, base } => {
                let account = account(key, base)?;
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
                let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
                // URL-safe Base64 needs no escapes.
                let form = format!("grant_type={grant}&assertion={}", account.assertion(now)?);
                endpoint.ask(&account.token_uri, Question::Form(form))
            }
            Self::Metadata { host } => {
                let path = "computeMetadata/v1/instance/service-accounts/default/token";
                endpoint.ask(&format!("http://{host}/{path}?scopes={SCOPE}"), Question::Metadata)
            }
        }
    }
}

fn account(key: &Secret, base: &Path) -> Result<Account, String> {
    let (text, source) = secrets::text(key, "service account key", base)?;
    Account::read(&text).map_err(|problem| format!("{source}: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_file_comes_first_then_the_environment_then_the_machine() {
        let account = Secret { env: Some("KEY".to_owned()), file: None };
        let here = Path::new("/gateway");
        let set = |name: &str| Some(if name == DEFAULT_KEY { "/key.json" } else { "127.0.0.1:1" }.to_owned());
        let of = |account: Option<&Secret>, variable: &dyn Fn(&str) -> Option<String>| {
            Source::of(&Google { service_account: account.cloned() }, here, variable)
        };
        assert!(matches!(of(Some(&account), &set), Source::Account { key, .. } if key == account));
        assert!(matches!(of(None, &set), Source::Account { key, .. } if key.file.as_deref() == Some("/key.json")));
        let host = |name: &str| set(name).filter(|_| name == METADATA_HOST);
        assert!(matches!(of(None, &host), Source::Metadata { host } if host == "127.0.0.1:1"));
        let empty = |_: &str| Some(String::new());
        assert!(matches!(of(None, &empty), Source::Metadata { host } if host == "metadata.google.internal"));
    }
}
