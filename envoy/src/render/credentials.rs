//! How Envoy adds each provider's credential: the filter that adds it to every attempt, after the Sluice filter, and the clusters that such
//! filters call. The configuration contains no secret, only the file that Envoy reads it from.

use sluice_config::file::{Availability, Aws, Credentials, Entra, WebIdentity};
use sluice_core::provider::kind::{BEARER, Presented};
use sluice_core::provider::url::Url;

use crate::secrets::{aws_file, sds_file};

use super::clusters::{self, Cluster};
use super::downstream;
use super::text::{fill, quote};
use super::{Options, proxied, quote_path};

/// The filter that adds the credential in a cluster of a provider or a judge; empty without a credential. `presented` is how it expects an
/// API key. Only a provider with API keys can have several clusters.
pub fn filter(name: &str, credentials: Credentials<'_>, presented: Presented, options: &Options) -> String {
    match credentials {
        Credentials { aws: Some(aws), .. } => self::aws(name, aws, options),
        Credentials { entra: Some(entra), .. } => self::entra(name, entra, options),
        Credentials { google: Some(_), .. } => clusters::credential(name, BEARER, options),
        Credentials { key: Some(_), .. } => clusters::credential(name, presented, options),
        _ => String::new(),
    }
}

/// The cluster of the token authority that Envoy calls for the provider or judge with this cluster.
pub(super) fn authority(cluster: &str, credentials: Credentials<'_>, options: &Options) -> Option<Cluster> {
    let url = credentials.entra?.authority();
    let name = token_cluster(cluster);
    let text =
        clusters::cluster(&name, url, &Availability::default(), clusters::CONNECT, clusters::CALLOUT, "", options);
    Some(Cluster { text, listener: proxied::listener(&name, url, options), name })
}

/// A name that no provider can have.
fn token_cluster(provider: &str) -> String {
    format!("sluice-entra-{provider}")
}

fn aws(name: &str, aws: &Aws, options: &Options) -> String {
    let provider = if let Some(identity) = &aws.web_identity {
        role(identity, options)
    } else if aws.access_key_id.is_some() {
        let file = options.secrets.join(aws_file(name));
        let values = [("file", &*quote_path(&file)), ("directory", &*quote_path(&options.secrets))];
        fill(include_str!("aws_keys.yaml"), &values)
    } else {
        String::new()
    };
    fill(include_str!("aws.yaml"), &[("region", &quote(&aws.region)), ("provider", &provider)])
}

fn role(identity: &WebIdentity, options: &Options) -> String {
    let file = options.base.join(&identity.token.file);
    let session = identity.session_name.as_ref().map(|name| format!("role_session_name: {}", quote(name)));
    fill(
        include_str!("aws_role.yaml"),
        &[
            ("role", &quote(&identity.role_arn)),
            ("session", &session.unwrap_or_default()),
            ("file", &quote_path(&file)),
            ("directory", &quote_path(file.parent().unwrap_or(&options.base))),
        ],
    )
}

fn entra(name: &str, entra: &Entra, options: &Options) -> String {
    // Validated by the check, like the listener.
    let Ok(url) = Url::parse(entra.authority()) else { return String::new() };
    let scheme = if url.tls { "https" } else { "http" };
    let uri = format!("{scheme}://{}{}/{}/oauth2/v2.0/token", url.authority(), url.base_path, entra.tenant);
    fill(
        include_str!("entra.yaml"),
        &[
            ("uri", &quote(&uri)),
            ("cluster", &quote(&token_cluster(name))),
            ("client", &quote(&entra.client_id)),
            ("secret", &downstream::source(name, &options.secrets.join(sds_file(name)))),
        ],
    )
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::super::{Options, bootstrap};

    const REST: &str = "models: { m: { targets: [{ provider: p, model: m }] } }\nteams: {}\nkeys: []\n";

    fn rendered(credential: &str) -> String {
        let file = format!("providers: {{ p: {{ kind: openai, {credential} }} }}\n{REST}");
        let options = Options {
            base: "/gateway".into(),
            module: crate::render::Module::Wasm("/sluice.wasm".into()),
            secrets: "/secrets".into(),
            admin: SocketAddr::from(([127, 0, 0, 1], 9901)),
            access_log: None,
            ca: "/ca.crt".into(),
            proxy: None,
            concurrency: None,
            cgroup: false,
        };
        bootstrap(&crate::check::check(&file).unwrap(), &options)
    }

    #[track_caller]
    fn has(credential: &str, expected: &[&str]) {
        let rendered = rendered(credential);
        for expected in expected {
            assert!(rendered.contains(expected), "{expected}\n{rendered}");
        }
        for hidden in ["SOME_ID", "SOME_SECRET", "account.json"] {
            assert!(!rendered.contains(hidden), "{hidden}\n{rendered}");
        }
        // The filter's configuration has one line per field.
        for field in ["\"aws\"", "\"google\"", "\"entra\"", "\"key\""] {
            assert!(!rendered.contains(field), "{field}\n{rendered}");
        }
    }

    #[test]
    fn an_access_key_is_in_a_file_that_envoy_watches() {
        has(
            "aws: { region: eu-west-3, access_key_id: { env: SOME_ID }, secret_access_key: { env: SOME_SECRET } }",
            &[
                "service_name: bedrock\n",
                "region: \"eu-west-3\"\n",
                "{ filename: \"/secrets/p.aws\", watched_directory: { path: \"/secrets\" } }",
            ],
        );
    }

    #[test]
    fn a_roles_token_is_read_where_it_is() {
        let identity = "role_arn: \"arn:aws:iam::1:role/x\", token: { file: var/token }, session_name: here";
        has(
            &format!("aws: {{ region: us-east-1, web_identity: {{ {identity} }} }}"),
            &[
                "role_arn: \"arn:aws:iam::1:role/x\"\n",
                "role_session_name: \"here\"\n",
                "{ filename: \"/gateway/var/token\", watched_directory: { path: \"/gateway/var\" } }",
            ],
        );
        assert!(!rendered("aws: { region: us-east-1 }").contains("credential_provider:"), "Envoy's own chain");
    }

    #[test]
    fn a_token_of_google_is_a_bearer_token_in_a_file() {
        let expected = ["header_value_prefix: \"Bearer \"\n", "path: \"/secrets/p.yaml\""];
        has("google: { service_account: { file: account.json } }", &expected);
        has("google: {}", &expected);
    }

    #[test]
    fn entra_has_a_cluster_of_its_own_without_the_filter() {
        let entra = "tenant: contoso.com, client_id: the-app, client_secret: { env: SOME_SECRET }";
        has(
            &format!("entra: {{ {entra} }}"),
            &[
                "{ uri: \"https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token\", cluster: \"sluice-entra-p\"",
                "client_id: \"the-app\"\n",
                "client_secret: { name: \"p\", sds_config: { path_config_source: { path: \"/secrets/p.yaml\", watched_directory: { path: \"/secrets\" } } } }",
                "sni: \"login.microsoftonline.com\"",
            ],
        );
        let local = rendered(&format!("entra: {{ {entra}, authority: \"http://127.0.0.1:9/x\" }}"));
        assert!(local.contains("uri: \"http://127.0.0.1:9/x/contoso.com/oauth2"), "{local}");
        let (_, rest) = local.split_once("- name: \"sluice-entra-p\"\n").unwrap();
        let cluster = rest.split("\n  - name: ").next().unwrap();
        assert!(!cluster.contains("filters.http.wasm"), "{cluster}");
    }
}
