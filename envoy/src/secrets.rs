//! Credentials of providers, judges, Redis and the trace collector: read from their sources in the gateway file, and written to files that Envoy
//! watches, one file each, readable only by its owner. They are never printed. `crate::credentials` handles those that are fetched.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use sluice_config::diagnostic::Path as Section;
use sluice_config::file::{Credentials, File, Judge, Secret, Tls};
use sluice_core::callout::{ALERTS_CLUSTER, METRICS_CLUSTER, REDIS_CLUSTER};
use sluice_core::pipeline::{LOG_CLUSTER, TRACING_CLUSTER};

use crate::credentials::aws;
use crate::render::downstream::secrets_of;
use crate::render::{ADMINISTRATORS, CLIENTS, quote};

/// The contents of the files that Envoy reads, by their names in the secrets directory.
pub type Secrets = BTreeMap<String, String>;

/// A file name with its content, or the reason why the credential is unavailable.
pub type Found = (String, Result<String, String>);

/// Reads all credentials, or says for each missing one what to do. Paths are relative to `base`, the gateway file's directory.
pub fn resolve(file: &File, base: &Path) -> Result<Secrets, Vec<String>> {
    let mut secrets = Secrets::new();
    let mut missing = Vec::new();
    for (name, text) in each(file, base) {
        match text {
            Ok(text) => drop(secrets.insert(name, text)),
            Err(problem) => missing.push(problem),
        }
    }
    if missing.is_empty() { Ok(secrets) } else { Err(missing) }
}

/// Reads each credential that has a source in the gateway file.
pub fn each(file: &File, base: &Path) -> Vec<Found> {
    let mut found = Vec::new();
    for (name, provider) in &file.providers {
        let owner = format!("provider {name}");
        for (cluster, key) in provider.clusters(name).into_iter().zip(provider.secrets()) {
            found.extend(token(&cluster, &owner, Some(key), "key", base));
        }
        found.extend(other(&provider.cluster(name), &owner, provider.credentials(), base));
    }
    for (name, judge) in &file.judges {
        let (cluster, owner) = (Judge::cluster(name), format!("judge {name}"));
        found.extend(token(&cluster, &owner, judge.key.as_ref(), "key", base));
        found.extend(other(&cluster, &owner, judge.credentials(), base));
    }
    for (cluster, section, secret) in tokens(file) {
        found.extend(token(cluster, &section.to_string(), Some(secret), "token", base));
    }
    let of_admin = file.admin.as_ref().and_then(|admin| admin.tls.as_ref());
    for (listener, owner, tls) in [(CLIENTS, "tls", file.tls.as_ref()), (ADMINISTRATORS, "admin.tls", of_admin)] {
        found.extend(tls.into_iter().flat_map(|tls| certificates(listener, owner, tls, base)));
    }
    found
}

/// The credentials of a provider or judge that are not API keys.
fn other(cluster: &str, owner: &str, credentials: Credentials<'_>, base: &Path) -> impl Iterator<Item = Found> {
    let client_secret = credentials.entra.map(|entra| &entra.client_secret);
    let keys = credentials.aws.and_then(|aws| aws::keys(aws, base));
    let keys = keys.map(|text| (aws_file(cluster), text.map_err(|problem| format!("{owner}: {problem}"))));
    token(cluster, owner, client_secret, "client secret", base).into_iter().chain(keys)
}

/// Reads back the credentials that were written earlier.
pub fn written(file: &File, base: &Path, directory: &Path) -> Secrets {
    let names = each(file, base).into_iter().map(|(name, _)| name);
    names.filter_map(|name| fs::read_to_string(directory.join(&name)).ok().map(|text| (name, text))).collect()
}

/// The tokens of Redis, of the collectors and of the webhook, each with its cluster and its section of the gateway file.
pub fn tokens(file: &File) -> Vec<(&'static str, Section, &Secret)> {
    let root = Section::root;
    let tokens = [
        (REDIS_CLUSTER, root().key("redis"), file.redis.as_ref().and_then(|redis| redis.token.as_ref())),
        (TRACING_CLUSTER, root().key("tracing"), file.tracing.as_ref().and_then(|tracing| tracing.token.as_ref())),
        (
            METRICS_CLUSTER,
            root().key("metrics").key("otlp"),
            file.metrics.otlp.as_ref().and_then(|otlp| otlp.token.as_ref()),
        ),
        (ALERTS_CLUSTER, root().key("alerts"), file.alerts.as_ref().and_then(|alerts| alerts.token.as_ref())),
        (LOG_CLUSTER, root().key("log").key("otlp"), file.log.otlp.as_ref().and_then(|otlp| otlp.token.as_ref())),
    ];
    tokens.into_iter().filter_map(|(cluster, section, token)| Some((cluster, section, token?))).collect()
}

/// A credential that Envoy sends unchanged. `owner` and `what` describe it in messages.
fn token(cluster: &str, owner: &str, secret: Option<&Secret>, what: &str, base: &Path) -> Option<Found> {
    let text = read(secret?, what, base).map(|secret| for_sds(cluster, &secret));
    Some((sds_file(cluster), text.map_err(|problem| format!("{owner}: {problem}"))))
}

/// A listener's certificate, its key, and the CA certificates for its clients.
fn certificates(listener: &str, owner: &str, tls: &Tls, base: &Path) -> Vec<Found> {
    let read = |file: &str, what: &str, label: &str| {
        let path = base.join(file);
        let text = fs::read_to_string(&path)
            .map_err(|error| format!("{owner}: cannot read the {what} from {}: {error}", path.display()))?;
        // With an invalid file, a running Envoy keeps the previous one, and a new Envoy does not start.
        let is_pem = text.lines().any(|line| line.starts_with("-----BEGIN ") && line.trim_end().ends_with(label));
        is_pem.then_some(text).ok_or_else(|| format!("{owner}: {} contains no {what} in PEM format", path.display()))
    };
    const CERTIFICATE: &str = "CERTIFICATE-----";
    let [own, authorities] = secrets_of(listener);
    let pair = tls.certificate.as_ref().zip(tls.key.as_ref()).map(|(certificate, key)| {
        let certificate = read(certificate, "certificate", CERTIFICATE)?;
        let key = read(key, "key", "PRIVATE KEY-----")?;
        Ok(resource(&own, &format!(
            "tls_certificate: {{ certificate_chain: {{ inline_string: {} }}, private_key: {{ inline_string: {} }} }}",
            quote(&certificate),
            quote(&key)
        )))
    });
    let clients = tls.client_ca.as_ref().map(|file| {
        let text = quote(&read(file, "client_ca", CERTIFICATE)?);
        Ok(resource(&authorities, &format!("validation_context: {{ trusted_ca: {{ inline_string: {text} }} }}")))
    });
    [(own, pair), (authorities, clients)]
        .into_iter()
        .filter_map(|(name, text)| Some((sds_file(&name), text?)))
        .collect()
}

/// The file name of an Envoy cluster's credential; a provider's cluster has the provider's name.
pub fn sds_file(cluster: &str) -> String {
    format!("{cluster}.yaml")
}

/// The file name of a provider's AWS access key.
pub fn aws_file(provider: &str) -> String {
    format!("{provider}.aws")
}

/// All file names that a cluster's credential may have.
pub fn files_of(cluster: &str) -> [String; 2] {
    [sds_file(cluster), aws_file(cluster)]
}

/// A credential in the format of Envoy's secret discovery service.
pub fn for_sds(cluster: &str, secret: &str) -> String {
    resource(cluster, &format!("generic_secret: {{ secret: {{ inline_string: {} }} }}", quote(secret)))
}

/// An SDS resource with any kind of secret.
fn resource(name: &str, secret: &str) -> String {
    let name = quote(name);
    format!(
        "resources:\n- \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret\n  \
         name: {name}\n  {secret}\n"
    )
}

/// Reads a secret that is a single word. `what` describes it in messages.
pub fn read(secret: &Secret, what: &str, base: &Path) -> Result<String, String> {
    let (text, source) = text(secret, what, base)?;
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(format!("{source} contains spaces or other characters that are not allowed in the {what}"));
    }
    Ok(text)
}

/// Reads a secret of any text, and returns its source.
pub fn text(secret: &Secret, what: &str, base: &Path) -> Result<(String, String), String> {
    let (text, source) = match (&secret.env, &secret.file) {
        (Some(variable), _) => {
            let text = std::env::var(variable).map_err(|_| {
                format!("the environment variable {variable} is not set. Set it: export {variable}=...")
            })?;
            (text, format!("the environment variable {variable}"))
        }
        (None, Some(file)) => {
            let path = base.join(file);
            let text = fs::read_to_string(&path)
                .map_err(|error| format!("cannot read the {what} from {}: {error}", path.display()))?;
            (text, format!("the file {}", path.display()))
        }
        (None, None) => return Err(format!("the {what} needs either env or file")),
    };
    match text.trim() {
        "" => Err(format!("{source} is empty. Put the {what} there")),
        text => Ok((text.to_owned(), source)),
    }
}

/// Writes the files to a directory that only its owner can enter.
pub fn write(secrets: &Secrets, directory: &Path) -> io::Result<()> {
    create_private(directory)?;
    secrets.iter().try_for_each(|(name, text)| write_one(directory, name, text))
}

/// Writes one file. An Envoy that watches it sees either the old or the new content.
pub fn write_one(directory: &Path, name: &str, text: &str) -> io::Result<()> {
    write_atomically(&directory.join(name), text.as_bytes(), 0o600)
}

fn create_private(directory: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    fs::set_permissions(directory, Permissions::from_mode(0o700))
}

/// Writes a file atomically: readers see either the old or the whole new content.
pub fn write_atomically(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(contents)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(key: &str) -> File {
        let text = format!(
            "providers: {{ p: {{ kind: openai, key: {key} }} }}\nmodels: {{ m: {{ targets: [{{ provider: p, model: m \
             }}] }} }}\nteams: {{}}\nkeys: []\n"
        );
        crate::check::check(&text).unwrap().file
    }

    #[test]
    fn a_certificate_that_is_none_is_missing() {
        let directory = tempfile::tempdir().unwrap();
        let tls = Tls {
            certificate: Some("tls.crt".to_owned()),
            key: Some("tls.key".to_owned()),
            client_ca: Some("ca.crt".to_owned()),
            ..Tls::default()
        };
        let mut with_tls = file("{ env: PATH }");
        with_tls.tls = Some(tls);
        with_tls.providers.clear();
        let resolved = |certificate: &str, key: &str| {
            for (name, label) in [("tls.crt", certificate), ("tls.key", key), ("ca.crt", certificate)] {
                fs::write(directory.path().join(name), format!("{label}\nMA==\n")).unwrap();
            }
            resolve(&with_tls, directory.path())
        };
        let (certificate, key) = ("-----BEGIN CERTIFICATE-----", "-----BEGIN EC PRIVATE KEY-----\r");
        assert_eq!(resolved(certificate, key).unwrap().len(), 2);
        let problems = resolved("garbage", key).unwrap_err();
        assert!(problems.len() == 2 && problems[0].ends_with("tls.crt contains no certificate in PEM format"));
        let problems = resolved(certificate, certificate).unwrap_err();
        assert!(problems.len() == 1 && problems[0].ends_with("tls.key contains no key in PEM format"));
    }

    #[test]
    fn a_secret_is_written_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("p.key"), "sk-\"1\n").unwrap();
        let secrets = resolve(&file("{ file: p.key }"), directory.path()).unwrap();
        let private = directory.path().join("secrets");
        write(&secrets, &private).unwrap();
        let written = private.join("p.yaml");
        assert!(fs::read_to_string(&written).unwrap().contains(r#"inline_string: "sk-\"1""#));
        assert_eq!(fs::metadata(&written).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&private).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn each_of_a_providers_keys_is_one() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["p.key", "q.key"] {
            fs::write(directory.path().join(name), name).unwrap();
        }
        let secrets = resolve(&file("{ file: p.key }, keys: [{ file: q.key }]"), directory.path()).unwrap();
        for (name, key) in [("p.yaml", "p.key"), ("p@2.yaml", "q.key")] {
            assert!(secrets[name].contains(&format!("inline_string: \"{key}\"")), "{}", secrets[name]);
        }
    }

    #[test]
    fn the_credentials_of_judges_are_among_them() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = file("{ env: PATH }");
        file.providers.clear();
        let judges = r#"{
            "w": { "type": "webhook", "url": "http://w", "key": { "file": "w.key" } },
            "b": { "type": "bedrock", "guardrail": "g", "aws": { "region": "r", "access_key_id": { "file": "w.key" },
                "secret_access_key": { "file": "w.key" } } }
        }"#;
        file.judges = serde_json::from_str(judges).unwrap();
        let missing = resolve(&file, directory.path()).unwrap_err();
        assert!(missing[0].starts_with("judge b: cannot read the access key id from"), "{missing:?}");
        assert!(missing[1].starts_with("judge w: cannot read the key from"), "{missing:?}");
        fs::write(directory.path().join("w.key"), "k-1").unwrap();
        let found = resolve(&file, directory.path()).unwrap();
        assert!(found["sluice-judge-w.yaml"].contains("\"k-1\""), "{found:?}");
        assert!(found["sluice-judge-b.aws"].contains("aws_access_key_id=k-1"), "{found:?}");
    }

    #[test]
    fn the_token_of_redis_is_one_of_them() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = file("{ file: p.key }");
        let redis = r#"{"url":"http://r","token":{"file":"r.token"}}"#;
        file.redis = serde_json::from_str(redis).unwrap();
        fs::write(directory.path().join("p.key"), "sk-1").unwrap();
        let missing = resolve(&file, directory.path()).unwrap_err();
        assert!(missing[0].starts_with("redis: cannot read the token from"), "{missing:?}");
        fs::write(directory.path().join("r.token"), "tok\n").unwrap();
        assert!(resolve(&file, directory.path()).unwrap()["sluice-redis.yaml"].contains("\"tok\""));
    }

    #[test]
    fn what_is_missing_is_named_with_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("empty"), " \n").unwrap();
        fs::write(directory.path().join("two"), "a\nb").unwrap();
        for (key, expected) in [
            ("{ env: SLUICE_NO_SUCH_VARIABLE }", "provider p: the environment variable SLUICE_NO_SUCH_VARIABLE is not"),
            ("{ file: absent }", "provider p: cannot read the key from"),
            ("{ file: empty }", "provider p: the file"),
            ("{ file: two }", "provider p: the file"),
        ] {
            let missing = resolve(&file(key), directory.path()).unwrap_err();
            assert!(missing[0].starts_with(expected), "{missing:?}");
        }
    }
}
