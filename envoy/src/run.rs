//! Runs Envoy with a gateway file: starts it in a private directory, reports when it is ready and how to call it, and stops it cleanly.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sluice_config::file::File;
use sluice_core::pipeline::redis_cache::SECRET;

use crate::check::Checked;
use crate::cli::Failure;
use crate::drain::{Drain, End, Signals, until_sent};
use crate::envoy_admin;
use crate::live::Live;
use crate::log_level::LogLevel;
use crate::process::{self, Private};
use crate::proxy::Proxy;
use crate::reload::{self, searches_for_aws};
use crate::render;

/// Options that are not in the gateway file.
#[derive(Debug)]
pub struct Options {
    /// The gateway file.
    pub file: PathBuf,
    /// The directory to which the gateway file's paths are relative.
    pub base: PathBuf,
    pub module: render::Module,
    pub envoy: PathBuf,
    pub admin: SocketAddr,
    pub concurrency: Option<u32>,
    pub access_log: Option<PathBuf>,
    pub ca: PathBuf,
    /// The proxy for outbound connections.
    pub proxy: Option<Proxy>,
    /// How long requests in flight may finish after a shutdown signal.
    pub drain: Duration,
    pub log_level: LogLevel,
    /// Whether to apply the gateway file when it changes.
    pub watch: bool,
}

/// Polling interval, during startup and at runtime.
const POLL: Duration = Duration::from_millis(20);
const WATCH: Duration = Duration::from_millis(50);
const TIDY: Duration = Duration::from_secs(10);
const READY_WITHIN: Duration = Duration::from_secs(60);
const STOPPED_WITHIN: Duration = Duration::from_secs(5);

/// Runs until a signal arrives or Envoy exits. Must be called on the main thread: Envoy ends with its parent thread.
pub fn run(checked: Checked, options: &Options) -> Result<(), Failure> {
    let signals = Signals::new()?;
    let listen: SocketAddr = checked.file.listen.parse().map_err(|error| Failure::new(format!("listen: {error}")))?;
    free(listen, "change `listen` in the gateway file, or stop the program that uses the address")?;
    free(options.admin, "choose another address with --admin")?;
    if let Some(admin) = &checked.file.admin {
        let listen = admin.listen.parse().map_err(|error| Failure::new(format!("admin.listen: {error}")))?;
        free(listen, "change `admin.listen` in the gateway file, or stop the program that uses the address")?;
    }

    // Removed on exit, together with its secrets.
    let directory = Private::new()?;
    let rendering = rendering(options, directory.path())?;
    let module = rendering.module.clone();
    let mut live = Live::new(checked, options, rendering, directory.path())?;
    let mut envoy = Envoy::start(&live, options, &module, directory.path())?;
    if let Some(admin) = envoy.wait_until_ready(&signals)? {
        let _ = write!(io::stderr(), "{}", welcome(live.checked(), listen, admin));
        let end = envoy.wait_until_stopped(&signals, &mut live, admin, options.watch)?;
        let redis = live.checked().gateway.redis.as_ref();
        let mut drain = Drain {
            admin,
            signals: &signals,
            sent: until_sent(redis),
            lives: || matches!(envoy.child.try_wait(), Ok(None)),
        };
        if !drain.finishes(end, options.drain) && redis.is_some() {
            drain.cut(|| live.end_requests());
        }
    }
    Ok(())
}

/// The rendering options for this machine.
fn rendering(options: &Options, directory: &Path) -> Result<render::Options, Failure> {
    Ok(render::Options {
        base: options.base.clone(),
        module: own_module(&options.module, directory, process::is_executable(directory))?,
        secrets: reload::secrets_in(directory),
        admin: options.admin,
        access_log: options.access_log.as_deref().map(std::path::absolute).transpose()?,
        ca: options.ca.clone(),
        proxy: options.proxy.clone(),
        concurrency: options.concurrency,
        cgroup: render::overload::is_limited(Path::new("/sys/fs/cgroup")),
    })
}

/// Copies the module for this Envoy alone. Envoy reads the module again with each change; a module that was replaced in the meantime would
/// not share a VM with the running one. Envoy cannot load a native module from a directory that is not `executable`, as `/dev/shm` is in a
/// container: there it loads the original.
pub fn own_module(module: &render::Module, directory: &Path, executable: bool) -> Result<render::Module, Failure> {
    let own = match module {
        render::Module::Wasm(_) => render::Module::Wasm(directory.join("sluice.wasm")),
        render::Module::Native(path) if !executable => return Ok(render::Module::Native(std::path::absolute(path)?)),
        render::Module::Native(_) => render::Module::Native(directory.join("libsluice.so")),
    };
    let (from, to) = (module.path(), own.path());
    let cannot = |error| Failure::new(format!("cannot copy {} to {}: {error}", from.display(), to.display()));
    std::fs::copy(from, to).map_err(cannot)?;
    Ok(own)
}

/// Checks that an address is free. Envoy itself would silently share a port with another Envoy.
pub fn free(address: SocketAddr, advice: &str) -> Result<(), Failure> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::new(format!("cannot listen on {address}: {error}; {advice}"))),
    }
}

/// Selects the environment variables that Envoy needs. The others may contain provider keys, which Envoy reads from files.
pub fn environment(
    file: &File,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> impl Iterator<Item = (OsString, OsString)> {
    const NEEDED: [&str; 10] =
        ["HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", SECRET, "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "TZ"];
    // Envoy's default AWS credential chain includes environment variables.
    let aws = searches_for_aws(file);
    variables.filter(move |(name, _)| {
        let name = name.to_string_lossy();
        NEEDED.contains(&&*name) || name.starts_with("ENVOY_") || (aws && name.starts_with("AWS_"))
    })
}

struct Envoy {
    child: Child,
    admin_file: PathBuf,
    admin: Option<SocketAddr>,
}

impl Envoy {
    fn start(live: &Live, options: &Options, module: &render::Module, directory: &Path) -> Result<Self, Failure> {
        let admin_file = directory.join("admin");
        let mut command = process::follower(&options.envoy);
        command.arg("-c").arg(live.bootstrap()).arg("--admin-address-path").arg(&admin_file);
        // Several Envoys may run on one machine, so they must not share memory.
        command.arg("--disable-hot-restart").args(options.log_level.arguments());
        command.args(reload::DRAINING);
        // A person may be watching the access log, and Envoy's default interval is 10 s.
        command.args(["--file-flush-interval-msec", "200"]);
        if let Some(concurrency) = options.concurrency {
            command.args(["--concurrency", &concurrency.to_string()]);
        }
        command.env_clear().envs(environment(&live.checked().file, std::env::vars_os()));
        if let render::Module::Native(path) = module {
            command.env(render::SEARCH_PATH, path.parent().unwrap_or(directory));
        }
        // Its own process group, so that only this process receives a terminal's Ctrl-C and can stop Envoy in order.
        let child = command.process_group(0).stdin(Stdio::null()).spawn();
        let child =
            child.map_err(|error| Failure::new(format!("cannot start {}: {error}", options.envoy.display())))?;
        Ok(Self { child, admin_file, admin: None })
    }

    /// Waits for Envoy and returns the address of its administration interface, or `None` after a shutdown signal.
    fn wait_until_ready(&mut self, signals: &Signals) -> Result<Option<SocketAddr>, Failure> {
        let begun = Instant::now();
        while signals.next().is_none() {
            if let Some(status) = self.child.try_wait()? {
                return Err(obituary(status));
            }
            if let Some(admin) = self.ready() {
                return Ok(Some(admin));
            }
            if begun.elapsed() > READY_WITHIN {
                return Err(Failure::new(format!("Envoy is not ready after {} s", READY_WITHIN.as_secs())));
            }
            thread::sleep(POLL);
        }
        Ok(None)
    }

    fn ready(&mut self) -> Option<SocketAddr> {
        if self.admin.is_none() {
            self.admin = std::fs::read_to_string(&self.admin_file).ok().and_then(|text| text.trim().parse().ok());
        }
        // `/ready` returns 200 once listeners accept connections.
        self.admin.filter(|admin| envoy_admin::ask(*admin, "GET", "/ready").is_ok())
    }

    /// Applies changes until a shutdown signal arrives or Envoy exits.
    fn wait_until_stopped(
        &mut self,
        signals: &Signals,
        live: &mut Live,
        admin: SocketAddr,
        watch: bool,
    ) -> Result<End, Failure> {
        let mut tidied = Instant::now();
        let stop = || signals.is_told_to_end();
        loop {
            if let Some(end) = signals.next() {
                return Ok(end);
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(obituary(status));
            }
            if signals.hung_up() {
                live.read(admin, &stop);
            } else if watch {
                live.look(admin, &stop);
            }
            if tidied.elapsed() > TIDY {
                tidied = Instant::now();
                live.tidy(admin, &stop);
            }
            thread::sleep(WATCH);
        }
    }
}

/// Reports Envoy's exit. Its own errors went to standard error, right above this message.
fn obituary(status: ExitStatus) -> Failure {
    Failure::new(format!("Envoy exited unexpectedly ({status}); see its last log lines above"))
}

impl Drop for Envoy {
    /// Asks Envoy to stop, and kills it after a while.
    fn drop(&mut self) {
        let running = |child: &mut Child| matches!(child.try_wait(), Ok(None));
        if running(&mut self.child) {
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
            let asked = Instant::now();
            while running(&mut self.child) && asked.elapsed() < STOPPED_WITHIN {
                thread::sleep(POLL);
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The message for the user once the gateway is ready.
fn welcome(checked: &Checked, listen: SocketAddr, envoy: SocketAddr) -> String {
    let file = &checked.file;
    let reachable = match (listen.ip().is_unspecified(), listen) {
        (true, SocketAddr::V4(_)) => SocketAddr::from(([127, 0, 0, 1], listen.port())),
        (true, SocketAddr::V6(_)) => SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, listen.port())),
        (false, _) => listen,
    };
    let list = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let models: Vec<&str> = file.models.keys().map(String::as_str).collect();
    let first = example(checked);
    let model = serde_json::Value::from(first).to_string().replace('\'', r"'\''");
    let body = format!(r#"{{"model":{model},"messages":[{{"role":"user","content":"Hello"}}]}}"#);
    let scheme = if file.tls.is_some() { "https" } else { "http" };
    let mut text = format!("\nSluice is ready: {scheme}://{reachable}/v1\n");
    text += &format!("  models     {}\n", list(models.clone()));
    text += &format!("  keys       {}\n", list(file.keys.iter().map(|key| key.id.as_str()).collect()));
    text += &format!("  providers  {}\n", list(file.providers.keys().map(String::as_str).collect()));
    text += &format!("  admin      http://{envoy}\n");
    if let Some(admin) = &file.admin {
        let scheme = if admin.tls.is_some() { "https" } else { "http" };
        text += &format!("  admin API  {scheme}://{}/admin/v1\n", admin.listen);
    }
    text += &format!(
        "\nTry it, with a key's secret in SLUICE_KEY:\n  curl {scheme}://{reachable}/v1/chat/completions \\\n    -H \
         \"authorization: Bearer $SLUICE_KEY\" -H 'content-type: application/json' \\\n    -d '{body}'\n\nCtrl-C stops \
         it.\n\n"
    );
    text
}

/// A model for the example request: one with a full name, or a known model that matches a pattern. Among those, one that can call tools, as
/// most chat models can.
fn example(checked: &Checked) -> String {
    let plain = checked.file.models.keys().find(|name| !name.contains('*'));
    let known = || {
        let names = checked.gateway.known_names(false);
        let converses = |name: &&String| {
            let found = checked.gateway.find(name, false);
            let target = found.and_then(|found| found.model.targets.first().cloned());
            target.is_some_and(|target| target.capabilities.tools == Some(true))
        };
        names.iter().find(converses).or(names.first()).cloned()
    };
    plain.cloned().or_else(known).unwrap_or_else(|| "MODEL".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envoy_loads_a_copy_of_the_module_unless_it_could_not_execute_it() {
        let directory = tempfile::tempdir().unwrap();
        let original = directory.path().join("libother.so");
        std::fs::write(&original, "").unwrap();
        let private = directory.path().join("private");
        std::fs::create_dir(&private).unwrap();
        let own = |module: fn(PathBuf) -> render::Module, executable| {
            own_module(&module(original.clone()), &private, executable).unwrap().path().to_owned()
        };
        assert_eq!(own(render::Module::Native, true), private.join("libsluice.so"));
        assert_eq!(own(render::Module::Native, false), original);
        assert_eq!(own(render::Module::Wasm, false), private.join("sluice.wasm"));
    }

    #[test]
    fn envoy_gets_the_variables_that_it_needs_and_no_key_of_a_provider() {
        let variables = ["PATH", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "ENVOY_X", "REDIS_TOKEN"];
        let given = |credential: &str| {
            let text = format!(
                r#"{{"providers":{{"p":{{"kind":"bedrock","url":"https://x.test",{credential}}}}},"models":{{}},"teams":{{}},
                    "keys":[]}}"#
            );
            let file: File = serde_json::from_str(&text).unwrap();
            let all = variables.into_iter().map(|name| (name.into(), "x".into()));
            environment(&file, all).map(|(name, _)| name.into_string().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(given(r#""key":{"env":"OPENAI_API_KEY"}"#), ["PATH", "ENVOY_X"]);
        let own = r#""aws":{"region":"r","access_key_id":{"env":"A"},"secret_access_key":{"env":"B"}}"#;
        assert_eq!(given(own), ["PATH", "ENVOY_X"]);
        assert_eq!(
            given(r#""aws":{"region":"r"}"#),
            ["PATH", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "ENVOY_X"],
            "Envoy looks for them by itself"
        );
    }
}
