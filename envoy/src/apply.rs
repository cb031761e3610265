//! `sluice apply`: writes a gateway file for an Envoy that the operator runs, as files that Envoy watches.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use rustix::fs::{FlockOperation, flock};

use crate::cli::{Common, Failure, Module, base, count};
use crate::credentials::{google, print_message};
use crate::proxy::Proxy;
use crate::reload::{Applied, DRAINING, NotApplied, Prepared, Running, read, secrets_in};
use crate::secrets::{self, Secrets};
use crate::{locate, render};

#[derive(Debug, Args)]
pub struct Apply {
    /// The gateway file
    file: PathBuf,
    /// The directory that Envoy reads, as in `envoy -c DIR/envoy.yaml`
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    module: Module,
    /// The address of Envoy's own administration interface
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9901")]
    admin: SocketAddr,
    /// Envoy is not running: write everything for its next start, including changes that need a restart
    #[arg(long)]
    offline: bool,
    /// Reject requests before a container's memory limit is reached. Requires the access log on standard output
    #[arg(long, conflicts_with = "access_log")]
    cgroup: bool,
    #[command(flatten)]
    common: Common,
}

/// Writes the files and returns a report.
pub fn apply(arguments: Apply) -> Result<String, Failure> {
    let Apply { file, out, module, admin, offline, cgroup, common } = arguments;
    let out = std::path::absolute(out)?;
    let cannot = |error: io::Error| Failure::new(format!("cannot write into {}: {error}", out.display()));
    fs::create_dir_all(&out).map_err(cannot)?;
    let _lock = lock(&out).map_err(cannot)?;
    let options = render::Options {
        base: base(&file)?,
        // Envoy may run elsewhere.
        module: module.in_envoys_place(Path::new("/etc/sluice"))?,
        secrets: secrets_in(&out),
        admin,
        access_log: common.access_log,
        ca: common.ca.unwrap_or_else(locate::authorities),
        concurrency: common.concurrency,
        proxy: Proxy::without_password()?,
        cgroup,
    };
    let next = read(&file, &options.base).and_then(|checked| {
        let next = Prepared::new(checked, &out, &options);
        let found = secrets::resolve(&next.checked.file, &options.base)?;
        Ok((next, found))
    });
    let running = if offline { None } else { Applied::read(&out, MODE, options.clone())? };
    match running {
        Some(applied) => change(applied, next, &file, admin),
        None => {
            let (first, found) = next.map_err(|problems| refused(&file, &problems))?;
            leave_tokens(&first, &secrets_in(&out)).map_err(cannot)?;
            let applied = Applied::start(&first, &found, &out, MODE, options).map_err(cannot)?;
            Ok(format!(
                "{}: version {} is ready; start Envoy with: envoy -c {} {}\n",
                file.display(),
                applied.version(),
                applied.bootstrap().display(),
                DRAINING.join(" ")
            ))
        }
    }
}

/// World-readable: the files contain no secret, and Envoy may run as another user.
const MODE: u32 = 0o644;

/// Applies the prepared file to a running Envoy, or reports its mistakes there.
fn change(
    mut applied: Applied,
    next: Result<(Prepared, Secrets), Vec<String>>,
    file: &Path,
    admin: SocketAddr,
) -> Result<String, Failure> {
    let running = Running::of(admin, &|| false).map_err(|problem| {
        Failure::new(format!(
            "Envoy at {admin}: {problem}. Set its admin address with --admin, or add --offline if Envoy is not \
             running"
        ))
    })?;
    if applied.has_another_module() {
        return Err(Failure::new(
            "the filter's module differs from the one that Envoy started with. Run this command with --offline, and \
             restart Envoy",
        ));
    }
    let changed = next.and_then(|(next, found)| {
        let one = |problem: NotApplied| vec![format!("{}: {problem}", file.display())];
        leave_tokens(&next, &applied.secrets()).map_err(|error| one(error.into()))?;
        if applied.is(&next) && applied.is_written(&next) {
            return applied.renew(&found).map_err(|error| one(error.into()));
        }
        applied.change(&next, &found, &running).map_err(one)
    });
    match changed {
        Ok(()) => Ok(format!("{}: version {} is active\n", file.display(), applied.version())),
        Err(problems) => {
            // Start a new count: Envoy's rejections so far do not concern the next write.
            let told = Running::of(admin, &|| false).map_err(NotApplied::Envoy);
            if let Err(error) = told.and_then(|running| applied.refuse(problems.clone(), &running)) {
                print_message(&format!("the admin API cannot report this problem: {error}"));
            }
            Err(refused(file, &problems))
        }
    }
}

fn refused(file: &Path, problems: &[String]) -> Failure {
    problems.iter().for_each(|problem| eprintln!("{problem}"));
    Failure::new(format!("{} was not applied: {}", file.display(), count(problems.len(), "mistake")))
}

/// Creates the files of Google's tokens, which Envoy needs before their clusters.
fn leave_tokens(next: &Prepared, secrets: &Path) -> io::Result<()> {
    secrets::write(&Secrets::new(), secrets)?;
    google::leave_to_others(&next.checked.file, secrets)
}

/// Locks the directory: concurrent runs would undo each other's work.
fn lock(directory: &Path) -> io::Result<File> {
    let lock = File::create(directory.join("lock"))?;
    flock(&lock, FlockOperation::LockExclusive)?;
    Ok(lock)
}
