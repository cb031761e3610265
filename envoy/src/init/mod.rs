//! `sluice init`: writes a first gateway file for the providers with a key in the environment and the servers that respond on this machine.
//! It asks on a terminal for what it cannot know; options can answer everything as well.
//!
//! The file contains only the key's hash. The secret is printed once, or written to a file that only its owner can read, and stored nowhere
//! else.

use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use clap::Args;
use sluice_config::is_public_name;
use sluice_core::provider::kind::Kind;
use sluice_core::provider::url::Url;

use crate::check;
use crate::cli::Failure;
use crate::keys::Secret;
use crate::secrets::write_atomically;

mod detect;
mod draft;
mod litellm;

use detect::Found;
use draft::Draft;

/// Ports to try for the gateway, in order.
const PORTS: [u16; 4] = [8080, 8088, 8888, 9080];
const SCHEMA: &str = "gateway.schema.json";

/// The options of `sluice init`.
#[derive(Debug, Args)]
pub struct Init {
    /// The gateway file to write
    #[arg(default_value = "gateway.yaml")]
    file: PathBuf,
    /// Use this provider instead of searching: openai, or vllm=http://127.0.0.1:8000/v1; repeatable
    #[arg(long = "provider", value_name = "KIND[=URL]", value_parser = provider)]
    providers: Vec<(Kind, Option<String>)>,
    /// A model of the --provider providers; repeatable [default: a well-known model of the provider, or those that it lists]
    #[arg(long = "model", value_name = "NAME")]
    models: Vec<String>,
    /// The environment variable with the key of the --provider provider [default: the provider's usual one; none with a URL]
    #[arg(long, value_name = "NAME", value_parser = variable, requires = "providers")]
    key_env: Option<String>,
    /// The address for client connections [default: a free port of 127.0.0.1, preferably 8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// The first key's public name
    #[arg(long, value_name = "NAME", default_value = "me")]
    id: String,
    /// The team that owns the first key
    #[arg(long, value_name = "NAME", default_value = "default")]
    team: String,
    /// Write the key's secret to this file, readable only by its owner, instead of printing it
    #[arg(long, value_name = "PATH")]
    secret_file: Option<PathBuf>,
    /// Convert this LiteLLM configuration, instead of searching for providers
    #[arg(long, value_name = "FILE", conflicts_with_all = ["providers", "models"])]
    from_litellm: Option<PathBuf>,
    /// Overwrite existing files
    #[arg(long)]
    force: bool,
    /// Do not ask questions
    #[arg(long)]
    yes: bool,
}

fn provider(text: &str) -> Result<(Kind, Option<String>), String> {
    let (kind, url) = text.split_once('=').map_or((text, None), |(kind, url)| (kind, Some(url)));
    let kind = Kind::named(kind).ok_or_else(|| {
        let kinds: Vec<&str> = Kind::all().map(|kind| kind.row().name).collect();
        format!("expected one of {}", kinds.join(", "))
    })?;
    if let Some(Err(wrong)) = url.map(Url::parse) {
        return Err(format!("{wrong} in the URL; expected a base URL such as http://127.0.0.1:8000/v1"));
    }
    if url.is_none() && kind.row().url.is_none() {
        return Err(format!("expected {0}=URL: a provider of kind {0} has no default URL", kind.row().name));
    }
    Ok((kind, url.map(str::to_owned)))
}

fn variable(text: &str) -> Result<String, String> {
    let good = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    // The argument may be the secret itself.
    if good { Ok(text.to_owned()) } else { Err("expected the name of a variable, such as OPENAI_API_KEY".to_owned()) }
}

/// Writes the file and returns notes for its author.
pub fn init(arguments: &Init) -> Result<String, Failure> {
    for (option, name) in [("--id", &arguments.id), ("--team", &arguments.team)] {
        if !is_public_name(name) {
            return Err(Failure::new(format!(
                "{option} {name:?}: expected 1 to 64 letters, digits, and any of . _ - @"
            )));
        }
    }
    free_to_write(arguments)?;
    let mut draft = match &arguments.from_litellm {
        Some(path) => litellm::convert(path)?,
        None => found(arguments)?,
    };
    if draft.models.is_empty() {
        return Err(Failure::new("found no models to serve, so no file was written"));
    }
    draft.listen = match arguments.listen {
        Some(address) => address.to_string(),
        None => free_address(&draft),
    };
    let secret = Secret::generate()
        .map_err(|error| Failure::new(format!("the system could not provide random bytes: {error}")))?;
    (draft.id, draft.team, draft.sha256) = (arguments.id.clone(), arguments.team.clone(), secret.sha256());
    let text = draft.text();
    let directory = arguments.file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let diagnostics = check::check_in(&text, directory).err().unwrap_or_default();
    write(&arguments.file, text.as_bytes(), 0o644)?;
    let schema = directory.join(SCHEMA);
    if !schema.exists() {
        write(&schema, check::schema::text().as_bytes(), 0o644)?;
    }
    if let Some(path) = &arguments.secret_file {
        write(path, format!("{}\n", secret.text()).as_bytes(), 0o600)?;
    }
    for located in &diagnostics {
        eprintln!("{}:{located}", arguments.file.display());
    }
    let told = told(arguments, &draft, &secret);
    if diagnostics.is_empty() {
        Ok(told)
    } else {
        Err(Failure::new(format!("{told}\nCorrect the mistakes above before you start the gateway")))
    }
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    // The error's own text names a temporary file, which is renamed once it is complete.
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let cannot = |error: io::Error| {
        let (path, directory) = (path.display(), directory.display());
        Failure::new(format!("cannot write {path} in the directory {directory}: {}", error.kind()))
    };
    write_atomically(path, bytes, mode).map_err(cannot)
}

/// Fails if a file exists and may not be overwritten.
fn free_to_write(arguments: &Init) -> Result<(), Failure> {
    let files = [Some(&arguments.file), arguments.secret_file.as_ref()];
    let taken = files.into_iter().flatten().find(|path| fs::symlink_metadata(path).is_ok());
    match taken.filter(|_| !arguments.force) {
        Some(path) => Err(Failure::new(format!(
            "{} already exists. Use --force to replace it, or choose another file",
            path.display()
        ))),
        None => Ok(()),
    }
}

/// Drafts a file from the services found, or from the options.
fn found(arguments: &Init) -> Result<Draft, Failure> {
    let services = match arguments.providers.as_slice() {
        [] => detect::look_around(),
        named => {
            let found = |(kind, url): &(Kind, Option<String>)| detect::named(*kind, url.clone(), &arguments.models);
            let keyed = |found| match arguments.key_env.clone() {
                None => found,
                variable => Found { variable, ..found },
            };
            named.iter().map(found).map(keyed).collect()
        }
    };
    let (mut input, mut output) = (io::stdin().lock(), io::stderr());
    let mut talk = Talk { input: &mut input, output: &mut output };
    let services = match (services.is_empty(), is_talking(arguments)) {
        (true, false) => return Err(nothing_found()),
        (true, true) => vec![talk.ask_for_one()?],
        (false, true) if arguments.providers.is_empty() => talk.ask_which(services)?,
        (false, _) => services,
    };
    Ok(draft::of(&services))
}

fn nothing_found() -> Failure {
    let variables: Vec<&str> =
        detect::SERVICES.iter().filter_map(|service| service.variables.first().copied()).collect();
    Failure::new(format!(
        "found no provider. Set a provider's key ({}), start Ollama, vLLM, llama.cpp or LM Studio on this machine, or \
         use --provider KIND",
        variables.join(", ")
    ))
}

/// Whether a user can answer questions on the terminal.
fn is_talking(arguments: &Init) -> bool {
    !arguments.yes && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks questions on the terminal.
struct Talk<'a> {
    input: &'a mut dyn BufRead,
    output: &'a mut dyn Write,
}

impl Talk<'_> {
    /// Reads one line; an empty one means `otherwise`.
    fn ask(&mut self, question: &str, otherwise: &str) -> Result<String, Failure> {
        write!(self.output, "{question} [{otherwise}] ")?;
        self.output.flush()?;
        let mut line = String::new();
        if self.input.read_line(&mut line)? == 0 {
            return Err(Failure::new("received no answer, so no file was written"));
        }
        let answer = line.trim();
        Ok(if answer.is_empty() { otherwise.to_owned() } else { answer.to_owned() })
    }

    fn ask_which(&mut self, services: Vec<Found>) -> Result<Vec<Found>, Failure> {
        writeln!(self.output, "Found:")?;
        for found in &services {
            writeln!(self.output, "  {}", found.about())?;
        }
        let names: Vec<&str> = services.iter().map(|found| found.kind.row().name).collect();
        let answer =
            self.ask("Which providers should the gateway use? Separate names with commas", &names.join(","))?;
        let wanted: Vec<&str> = answer.split([',', ' ']).filter(|name| !name.is_empty()).collect();
        if let Some(unknown) = wanted.iter().find(|name| !names.contains(name)) {
            return Err(Failure::new(format!("{unknown:?} is not one of {}", names.join(", "))));
        }
        Ok(services.into_iter().filter(|found| wanted.contains(&found.kind.row().name)).collect())
    }

    fn ask_for_one(&mut self) -> Result<Found, Failure> {
        let names: Vec<&str> = detect::SERVICES.iter().map(|service| service.kind).collect();
        writeln!(
            self.output,
            "Found no provider's key in the environment and no model server on this machine. Supported providers: {}.",
            names.join(", ")
        )?;
        let answer = self.ask("Which provider should the gateway use?", names.first().copied().unwrap_or_default())?;
        let (kind, url) = provider(&answer).map_err(|wrong| Failure::new(format!("{answer:?}: {wrong}")))?;
        Ok(detect::named(kind, url, &[]))
    }
}

/// A free address on this machine that no provider of the draft uses.
fn free_address(draft: &Draft) -> String {
    let taken = |port: &u16| {
        let address = format!("127.0.0.1:{port}");
        let authority = |url: &String| Url::parse(url).is_ok_and(|url| url.authority() == address);
        draft.providers.iter().any(|provider| provider.url.as_ref().is_some_and(authority))
    };
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let port = PORTS.into_iter().find(|port| !taken(port) && free(port)).unwrap_or(PORTS[0]);
    format!("127.0.0.1:{port}")
}

fn told(arguments: &Init, draft: &Draft, secret: &Secret) -> String {
    let file = arguments.file.display();
    let mut text = format!("Wrote {file}.\n");
    let notes: Vec<String> = draft.notes.iter().map(|note| format!("  {note}\n")).collect();
    if !notes.is_empty() {
        text += &format!("\nNot converted, or converted with changes:\n{}", notes.concat());
    }
    let unset: Vec<&str> = draft.variables().filter(|name| std::env::var_os(name).is_none()).collect();
    if !unset.is_empty() {
        text += &format!("\nSet these variables before you start the gateway: {}\n", unset.join(", "));
    }
    let shown = match &arguments.secret_file {
        None => {
            text += &format!("\nThe secret of the key {} (shown only once):\n{}\n", draft.id, secret.text());
            secret.text().to_owned()
        }
        Some(path) => {
            text += &format!("\nThe secret of the key {} is in {}.\n", draft.id, path.display());
            format!("$(cat {})", path.display())
        }
    };
    let model =
        draft.models.iter().map(|model| model.name.as_str()).find(|name| !name.contains('*')).unwrap_or("MODEL");
    text += &format!(
        "\nStart it:\n  sluice run {file}\n\nTry it, in another terminal:\n  curl http://{}/v1/chat/completions \\\n    -H \
         \"authorization: Bearer {shown}\" -H 'content-type: application/json' \\\n    -d \
         '{{\"model\":{},\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}'\n",
        draft.listen,
        serde_json::Value::from(model)
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talked<T>(answer: &str, talk: impl FnOnce(&mut Talk<'_>) -> Result<T, Failure>) -> (Result<T, String>, String) {
        let (mut input, mut output) = (answer.as_bytes(), Vec::new());
        let done = talk(&mut Talk { input: &mut input, output: &mut output }).map_err(|failure| failure.to_string());
        (done, String::from_utf8(output).unwrap())
    }

    #[test]
    fn whoever_is_asked_may_take_all_or_name_some() {
        let found = || {
            let kinds = ["openai", "gemini"].map(|name| Kind::named(name).unwrap());
            kinds.map(|kind| detect::named(kind, None, &["m".to_owned()])).to_vec()
        };
        let names = |found: Vec<Found>| found.iter().map(|found| found.kind.row().name).collect::<Vec<_>>();
        for (answer, expected) in [("\n", Ok(vec!["openai", "gemini"])), ("gemini\n", Ok(vec!["gemini"]))] {
            let (done, said) = talked(answer, |talk| talk.ask_which(found()));
            assert_eq!(done.map(names), expected);
            assert!(said.contains("openai") && said.ends_with("[openai,gemini] "), "{said}");
        }
        let wrong = talked("opnai\n", |talk| talk.ask_which(found())).0;
        assert_eq!(wrong.unwrap_err(), "\"opnai\" is not one of openai, gemini");
        assert!(talked("", |talk| talk.ask_which(found())).0.is_err(), "nobody answers");
        let (one, _) = talked("anthropic\n", |talk| talk.ask_for_one());
        assert_eq!(one.unwrap().variable.as_deref(), Some("ANTHROPIC_API_KEY"));
    }
}
