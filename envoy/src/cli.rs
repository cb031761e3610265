//! The command line: runs its commands, and reports errors.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{self, Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{CommandFactory as _, Parser as _};
use clap_complete::Shell;

use crate::admin;
use crate::apply;
use crate::check::{self, Checked};
use crate::credentials::google;
use crate::doctor;
use crate::embed::Written;
use crate::evaluate;
use crate::explain;
use crate::init;
use crate::locate;
use crate::process;
use crate::proxy::Proxy;
use crate::reload::RESTARTED;
use crate::render;
use crate::run;
use crate::secrets;
pub use arguments::{Build, Common, Module, duration};
use arguments::{Cache, Cli, Command, Keys, Render, Run};
use new_key::new_key;

mod arguments;
mod new_key;

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// The error has been printed already.
    Said,
    /// The gateway file cannot be read.
    Unreadable(String),
    /// Any other error: what happened and what to do.
    Other(String),
}

impl Failure {
    /// Creates an error that does not concern the gateway file.
    pub fn new(text: impl Into<String>) -> Self {
        Self::Other(text.into())
    }

    fn code(&self) -> u8 {
        match self {
            Self::Said | Self::Other(_) => 1,
            Self::Unreadable(_) => 2,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said => Ok(()),
            Self::Unreadable(text) | Self::Other(text) => f.write_str(text),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Other(error.to_string())
    }
}

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Init(arguments) => init::init(&arguments).and_then(|text| print(&text)),
        Command::Check { file, offline } => check_file(&file, offline),
        Command::Doctor(arguments) => doctor::doctor(arguments).and_then(|(text, well)| {
            print(&text)?;
            if well { Ok(()) } else { Err(Failure::Said) }
        }),
        Command::Completions { shell } => print(&completions(shell)),
        Command::Schema => print(&check::schema::text()),
        Command::Render(arguments) => render_file(arguments),
        Command::Run(arguments) => run_file(arguments),
        Command::Apply(arguments) => apply::apply(arguments).and_then(|text| print(&text)),
        Command::Explain(arguments) => explain_file(&arguments),
        Command::Follow { parent, program } => Err(process::follow(parent, &program)),
        Command::Keys(Keys::New(arguments)) => new_key(&arguments),
        Command::Keys(Keys::Running(command)) => admin::keys(&command).and_then(|text| print(&text)),
        Command::Usage(usage) => admin::usage(&usage).and_then(|text| print(&text)),
        Command::Cache(Cache::Evaluate(arguments)) => evaluate_cache(&arguments),
        Command::Cache(Cache::Running(command)) => admin::cache(&command).and_then(|text| print(&text)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let text = failure.to_string();
            if !text.is_empty() {
                eprintln!("sluice: {text}");
            }
            ExitCode::from(failure.code())
        }
    }
}

/// Prints to standard output. A closed pipe is not an error.
fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => Ok(done?),
    }
}

/// The script that completes this command line in a shell.
fn completions(shell: Shell) -> String {
    // The hidden command is for this program itself.
    let all = Cli::command();
    let shown = all.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    let mut command = clap::Command::new("sluice").version("").subcommands(shown);
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "sluice", &mut script);
    String::from_utf8(script).unwrap_or_default()
}

/// Reads and checks a gateway file; prints its mistakes.
fn load(path: &Path) -> Result<Checked, Failure> {
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::Unreadable(format!("cannot read {}: {error}", path.display())))?;
    check::check_in(&text, &base(path)?).map_err(|diagnostics| {
        for located in &diagnostics {
            eprintln!("{}:{located}", path.display());
        }
        eprintln!("sluice: {} in {}", count(diagnostics.len(), "mistake"), path.display());
        Failure::Said
    })
}

fn check_file(path: &Path, offline: bool) -> Result<(), Failure> {
    let checked = load(path)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if let Some(text) = fs::read_to_string(path).ok().and_then(|text| check::warnings::schema(&text, &base(path).ok()?))
    {
        eprintln!("{}:1: warning: {text}", path.display());
    }
    if let Err(problem) = Proxy::of_environment() {
        eprintln!("{}: warning: {problem}; `sluice run` will not start", path.display());
    }
    for warning in check::warnings::find(&checked, &base(path)?, now, !offline) {
        eprintln!("{}:{warning}", path.display());
    }
    let streams = check::streams::told(&checked);
    let streams: String = streams.iter().map(|line| format!("{}: {line}\n", path.display())).collect();
    let Checked { file, table, .. } = checked;
    print(&format!(
        "{0}: good: {1}, {2}, {3}, {4}\n{0}: prices: {table}\n{streams}{0}: a running gateway applies all changes except \
         {RESTARTED}\n",
        path.display(),
        count(file.providers.len(), "provider"),
        count(file.models.len(), "model"),
        count(file.teams.len(), "team"),
        count(file.keys.len(), "key")
    ))
}

fn explain_file(arguments: &explain::Explain) -> Result<(), Failure> {
    let gateway = load(&arguments.file)?.gateway;
    let (text, served) = explain::explain(arguments, gateway)?;
    print(&text)?;
    if served { Ok(()) } else { Err(Failure::Said) }
}

fn evaluate_cache(arguments: &evaluate::Evaluate) -> Result<(), Failure> {
    let (text, found) = evaluate::evaluate(arguments)?;
    print(&text)?;
    if found { Ok(()) } else { Err(Failure::Said) }
}

pub fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The gateway file's directory, to which its paths are relative.
pub fn base(file: &Path) -> io::Result<PathBuf> {
    let file = path::absolute(file)?;
    Ok(file.parent().map_or_else(PathBuf::new, Path::to_owned))
}

/// Joins all problems into one error.
pub fn missing(problems: impl IntoIterator<Item = String>) -> Failure {
    Failure::new(problems.into_iter().collect::<Vec<_>>().join("\nsluice: "))
}

fn render_file(arguments: Render) -> Result<(), Failure> {
    let mut checked = load(&arguments.file)?;
    let out = arguments.out.as_deref().map(path::absolute).transpose()?;
    let etc = Path::new("/etc/sluice");
    let beside = out.as_deref().unwrap_or(etc).join("secrets");
    // Where Envoy will find the files; it is started elsewhere.
    let (module, secrets) = arguments.embed.places(etc, &beside);
    let options = render::Options {
        base: base(&arguments.file)?,
        module: arguments.module.in_envoys_place(&module)?,
        secrets: arguments.secrets.map_or(Ok(secrets), path::absolute)?,
        admin: arguments.admin,
        access_log: arguments.common.access_log,
        ca: arguments.common.ca.unwrap_or_else(|| arguments.embed.authorities()),
        concurrency: arguments.common.concurrency,
        proxy: if arguments.embed.is_own() { Proxy::without_password()? } else { None },
        cgroup: arguments.cgroup,
    };
    let base = options.base.clone();
    let Written { file, text, notes } = arguments.embed.render(&mut checked, options)?;
    for note in notes {
        eprintln!("sluice: note: {note}");
    }
    let Some(out) = out else { return print(&text) };
    let found = secrets::resolve(&checked.file, &base).map_err(missing)?;
    let cannot = |error: io::Error| Failure::new(format!("cannot write into {}: {error}", out.display()));
    fs::create_dir_all(&out).map_err(cannot)?;
    secrets::write(&found, &beside).map_err(cannot)?;
    google::leave_to_others(&checked.file, &beside).map_err(cannot)?;
    secrets::write_atomically(&out.join(file), text.as_bytes(), 0o644).map_err(cannot)?;
    eprintln!("sluice: wrote {} and {} in the same directory", out.join(file).display(), count(found.len(), "secret"));
    Ok(())
}

fn run_file(arguments: Run) -> Result<(), Failure> {
    let checked = load(&arguments.file)?;
    let base = base(&arguments.file)?;
    let build = arguments.module.build()?;
    run::run(
        checked,
        &run::Options {
            file: arguments.file,
            base,
            module: arguments.module.here()?,
            envoy: locate::envoy(arguments.envoy, build)?,
            proxy: Proxy::of_environment().map_err(Failure::new)?,
            drain: arguments.drain,
            log_level: arguments.log_level,
            watch: !arguments.no_watch,
            admin: arguments.admin,
            concurrency: arguments.common.concurrency,
            access_log: arguments.common.access_log,
            ca: arguments.common.ca.unwrap_or_else(locate::authorities),
        },
    )
}
