//! Credentials of providers, of Redis and of the collector of traces: read where the gateway file says, written where Envoy reads them, one file each and only for
//! its owner's eyes. They are never printed.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use sluice_core::config::file::{File, Secret};
use sluice_core::exchange::{REDIS_CLUSTER, TRACING_CLUSTER};

use crate::render::quote;

/// Credentials by Envoy cluster: each of a provider's keys has one.
pub type Secrets = BTreeMap<String, String>;

/// Reads the credential of everything that has one, or says for each missing one what to do. Files are found from
/// `base`, the gateway file's directory.
pub fn resolve(file: &File, base: &Path) -> Result<Secrets, Vec<String>> {
    let mut secrets = Secrets::new();
    let mut missing = Vec::new();
    for (name, provider) in &file.providers {
        for (cluster, key) in provider.clusters(name).into_iter().zip(provider.secrets()) {
            match read(key, "key", base) {
                Ok(secret) => drop(secrets.insert(cluster, secret)),
                Err(problem) => missing.push(format!("provider {name}: {problem}")),
            }
        }
    }
    if let Some(token) = file.redis.as_ref().and_then(|redis| redis.token.as_ref()) {
        match read(token, "token", base) {
            Ok(secret) => drop(secrets.insert(REDIS_CLUSTER.to_owned(), secret)),
            Err(problem) => missing.push(format!("redis: {problem}")),
        }
    }
    if let Some(token) = file.tracing.as_ref().and_then(|tracing| tracing.token.as_ref()) {
        match read(token, "token", base) {
            Ok(secret) => drop(secrets.insert(TRACING_CLUSTER.to_owned(), secret)),
            Err(problem) => missing.push(format!("tracing: {problem}")),
        }
    }
    if missing.is_empty() { Ok(secrets) } else { Err(missing) }
}

/// Reads a secret; `what` it is, for people.
fn read(secret: &Secret, what: &str, base: &Path) -> Result<String, String> {
    let (text, source) = match (&secret.env, &secret.file) {
        (Some(variable), _) => {
            let text = std::env::var(variable).map_err(|_| {
                format!("the environment variable {variable} is not set; set it: export {variable}=...")
            })?;
            (text, format!("the environment variable {variable}"))
        }
        (None, Some(file)) => {
            let path = base.join(file);
            let text = fs::read_to_string(&path).map_err(|error| {
                format!("cannot read its {what} from {}: {error}; write the {what} there", path.display())
            })?;
            (text, format!("the file {}", path.display()))
        }
        (None, None) => return Err(format!("its {what} names neither env nor file")),
    };
    let secret = text.trim();
    if secret.is_empty() {
        return Err(format!("{source} is empty; put the {what} there"));
    }
    if !secret.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(format!("{source} holds spaces or other characters that no {what} has"));
    }
    Ok(secret.to_owned())
}

/// Writes each credential as a file that Envoy reads and watches: `<directory>/<cluster>.yaml`.
pub fn write(secrets: &Secrets, directory: &Path) -> io::Result<()> {
    create_private(directory)?;
    for (name, secret) in secrets {
        let (quoted_name, secret) = (quote(name), quote(secret));
        let text = format!(
            "resources:\n- \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret\n  \
             name: {quoted_name}\n  generic_secret: {{ secret: {{ inline_string: {secret} }} }}\n"
        );
        write_atomically(&directory.join(format!("{name}.yaml")), text.as_bytes(), 0o600)?;
    }
    Ok(())
}

fn create_private(directory: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    fs::set_permissions(directory, Permissions::from_mode(0o700))
}

/// Writes a file that is either the old one or the whole new one for whoever reads it.
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
    fn a_secret_is_written_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("p.key"), "sk-\"1\n").unwrap();
        let secrets = resolve(&file("{ file: p.key }"), directory.path()).unwrap();
        assert_eq!(secrets["p"], "sk-\"1");
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
        assert_eq!((secrets["p"].as_str(), secrets["p@2"].as_str()), ("p.key", "q.key"));
    }

    #[test]
    fn the_token_of_redis_is_one_of_them() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = file("{ file: p.key }");
        let redis = r#"{"url":"http://r","token":{"file":"r.token"}}"#;
        file.redis = serde_json::from_str(redis).unwrap();
        fs::write(directory.path().join("p.key"), "sk-1").unwrap();
        let missing = resolve(&file, directory.path()).unwrap_err();
        assert!(missing[0].starts_with("redis: cannot read its token from"), "{missing:?}");
        fs::write(directory.path().join("r.token"), "tok\n").unwrap();
        assert_eq!(resolve(&file, directory.path()).unwrap()["sluice-redis"], "tok");
    }

    #[test]
    fn what_is_missing_is_named_with_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("empty"), " \n").unwrap();
        fs::write(directory.path().join("two"), "a\nb").unwrap();
        for (key, expected) in [
            ("{ env: SLUICE_NO_SUCH_VARIABLE }", "provider p: the environment variable SLUICE_NO_SUCH_VARIABLE is not"),
            ("{ file: absent }", "provider p: cannot read its key from"),
            ("{ file: empty }", "provider p: the file"),
            ("{ file: two }", "provider p: the file"),
        ] {
            let missing = resolve(&file(key), directory.path()).unwrap_err();
            assert!(missing[0].starts_with(expected), "{missing:?}");
        }
    }
}
