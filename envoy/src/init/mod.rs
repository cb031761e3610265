//! `sluice init`: a first gateway file, of what is there: providers whose keys are in the environment, and servers on this machine
//! that answer. What it cannot know it asks on a terminal; options say all of it too.
//!
//! The file holds a hash. The secret is printed once, or written where only its owner can read it, and is nowhere else.

use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use clap::Args;
use sluice_core::config::is_public_name;
use sluice_core::config::kind::Kind;
use sluice_core::config::url::Url;

use crate::check;
use crate::cli::Failure;
use crate::keys::Secret;
use crate::secrets::write_atomically;

mod detect;
mod draft;
mod litellm;

use detect::Found;
use draft::Draft;

/// Where the gateway listens: the first of these that is free.
const PORTS: [u16; 4] = [8080, 8088, 8888, 9080];
const SCHEMA: &str = "gateway.schema.json";

/// The options.
#[derive(Debug, Args)]
pub struct Init {
    /// The gateway file to write
    #[arg(default_value = "gateway.yaml")]
    file: PathBuf,
    /// Use this provider, instead of what is found; can be given several times: openai, or vllm=http://127.0.0.1:8000/v1
    #[arg(long = "provider", value_name = "KIND[=URL]", value_parser = provider)]
    providers: Vec<(Kind, Option<String>)>,
    /// A model of the providers given with --provider; can be given several times [default: one that the provider is known for,
    /// or those that it lists]
    #[arg(long = "model", value_name = "NAME")]
    models: Vec<String>,
    /// Where clients connect [default: a free port of 127.0.0.1, 8080 if it can be]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// The first key's public name
    #[arg(long, value_name = "NAME", default_value = "me")]
    id: String,
    /// The team that answers for it
    #[arg(long, value_name = "NAME", default_value = "default")]
    team: String,
    /// Write the key's secret into this file, which only its owner can read, instead of printing it
    #[arg(long, value_name = "PATH")]
    secret_file: Option<PathBuf>,
    /// Convert LiteLLM's configuration, instead of looking around
    #[arg(long, value_name = "FILE", conflicts_with_all = ["providers", "models"])]
    from_litellm: Option<PathBuf>,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
    /// Ask nothing
    #[arg(long)]
    yes: bool,
}

fn provider(text: &str) -> Result<(Kind, Option<String>), String> {
    let (kind, url) = text.split_once('=').map_or((text, None), |(kind, url)| (kind, Some(url)));
    let kind = Kind::named(kind).ok_or_else(|| {
        let kinds: Vec<&str> = Kind::all().map(|kind| kind.row().name).collect();
        format!("one of {}, please", kinds.join(", "))
    })?;
    if let Some(Err(wrong)) = url.map(Url::parse) {
        return Err(format!("{wrong} in the URL; a base URL such as http://127.0.0.1:8000/v1, please"));
    }
    if url.is_none() && kind.row().url.is_none() {
        return Err(format!("{0}=URL, please: a provider of kind {0} has no address of its own", kind.row().name));
    }
    Ok((kind, url.map(str::to_owned)))
}

/// Writes the file, and gives back what its author should know.
pub fn init(arguments: &Init) -> Result<String, Failure> {
    for (option, name) in [("--id", &arguments.id), ("--team", &arguments.team)] {
        if !is_public_name(name) {
            return Err(Failure::new(format!(
                "{option} {name:?}: 1 to 64 letters, digits, and any of . _ - @, please"
            )));
        }
    }
    free_to_write(arguments)?;
    let mut draft = match &arguments.from_litellm {
        Some(path) => litellm::convert(path)?,
        None => found(arguments)?,
    };
    if draft.models.is_empty() {
        return Err(Failure::new("nothing that could be served was found: no model is left"));
    }
    draft.listen = match arguments.listen {
        Some(address) => address.to_string(),
        None => free_address(&draft),
    };
    let secret =
        Secret::generate().map_err(|error| Failure::new(format!("the system gives no randomness: {error}")))?;
    (draft.id, draft.team, draft.sha256) = (arguments.id.clone(), arguments.team.clone(), secret.sha256());
    let text = draft.text();
    let directory = arguments.file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mistakes = check::check_in(&text, directory).err().unwrap_or_default();
    write(&arguments.file, text.as_bytes(), 0o644)?;
    let schema = directory.join(SCHEMA);
    if !schema.exists() {
        write(&schema, check::schema::text().as_bytes(), 0o644)?;
    }
    if let Some(path) = &arguments.secret_file {
        write(path, format!("{}\n", secret.text()).as_bytes(), 0o600)?;
    }
    for located in &mistakes {
        eprintln!("{}:{located}", arguments.file.display());
    }
    let told = told(arguments, &draft, &secret);
    if mistakes.is_empty() {
        Ok(told)
    } else {
        Err(Failure::new(format!("{told}\nThe mistakes above are yours to mend")))
    }
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let cannot = |error: io::Error| Failure::new(format!("cannot write {}: {error}", path.display()));
    write_atomically(path, bytes, mode).map_err(cannot)
}

/// Nothing is replaced that nobody said may be.
fn free_to_write(arguments: &Init) -> Result<(), Failure> {
    let files = [Some(&arguments.file), arguments.secret_file.as_ref()];
    let taken = files.into_iter().flatten().find(|path| fs::symlink_metadata(path).is_ok());
    match taken.filter(|_| !arguments.force) {
        Some(path) => {
            Err(Failure::new(format!("{} is there already; --force replaces it, or name another file", path.display())))
        }
        None => Ok(()),
    }
}

/// A draft of what was found, or of what the options say.
fn found(arguments: &Init) -> Result<Draft, Failure> {
    let services = match arguments.providers.as_slice() {
        [] => detect::look_around(),
        named => named.iter().map(|(kind, url)| detect::named(*kind, url.clone(), &arguments.models)).collect(),
    };
    let services = match (services.is_empty(), is_talking(arguments)) {
        (true, false) => return Err(nothing_found()),
        (true, true) => vec![ask_for_one()?],
        (false, true) if arguments.providers.is_empty() => ask_which(services)?,
        (false, _) => services,
    };
    Ok(draft::of(&services))
}

fn nothing_found() -> Failure {
    let variables: Vec<&str> =
        detect::SERVICES.iter().filter_map(|service| service.variables.first().copied()).collect();
    Failure::new(format!(
        "no provider was found: set the key of one ({}), start Ollama, vLLM, llama.cpp or LM Studio on this machine, or say \
         --provider KIND",
        variables.join(", ")
    ))
}

/// Whether somebody is there who can be asked.
fn is_talking(arguments: &Init) -> bool {
    !arguments.yes && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// One line of an answer; an empty one is `otherwise`.
fn ask(question: &str, otherwise: &str) -> Result<String, Failure> {
    eprint!("{question} [{otherwise}] ");
    io::stderr().flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let answer = line.trim();
    Ok(if answer.is_empty() { otherwise.to_owned() } else { answer.to_owned() })
}

fn ask_which(services: Vec<Found>) -> Result<Vec<Found>, Failure> {
    eprintln!("Found:");
    for found in &services {
        eprintln!("  {}", found.about());
    }
    let names: Vec<&str> = services.iter().map(|found| found.kind.row().name).collect();
    let answer = ask("Which of them shall serve? Names with commas between", &names.join(","))?;
    let wanted: Vec<&str> = answer.split([',', ' ']).filter(|name| !name.is_empty()).collect();
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(name)) {
        return Err(Failure::new(format!("{unknown:?} is none of {}", names.join(", "))));
    }
    Ok(services.into_iter().filter(|found| wanted.contains(&found.kind.row().name)).collect())
}

fn ask_for_one() -> Result<Found, Failure> {
    let names: Vec<&str> = detect::SERVICES.iter().map(|service| service.kind).collect();
    eprintln!("No provider's key is set, and no server on this machine answers. There are: {}.", names.join(", "));
    let answer = ask("Which provider shall serve?", names.first().copied().unwrap_or_default())?;
    let (kind, url) = provider(&answer).map_err(|wrong| Failure::new(format!("{answer:?}: {wrong}")))?;
    Ok(detect::named(kind, url, &[]))
}

/// A free port of this machine that no provider has.
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
        text += &format!("\nNot converted, or not as it was:\n{}", notes.concat());
    }
    let unset: Vec<&str> = draft.variables().filter(|name| std::env::var_os(name).is_none()).collect();
    if !unset.is_empty() {
        text += &format!("\nSet before it runs: {}\n", unset.join(", "));
    }
    let shown = match &arguments.secret_file {
        None => {
            text += &format!("\nThe secret of the key {}, shown this once:\n{}\n", draft.id, secret.text());
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
