//! `sluice keys create|list|show|update|revoke|rotate`, `sluice usage` and `sluice cache`: the administration API of a running gateway on
//! the command line. The API makes all decisions.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};
use sluice_core::usage::price::MicroUsd;

use crate::cli::Failure;
use crate::locate;

mod client;
mod fields;
mod table;

use client::{Client, encode, query};
use fields::Fields;
use table::{cell, table};

const DEFAULT_URL: &str = "http://127.0.0.1:8081";

/// The API's address, and the output format.
#[derive(Debug, Args)]
pub struct Interface {
    /// The URL of the gateway's administration API [default: $SLUICE_ADMIN_URL, or http://127.0.0.1:8081]
    #[arg(long, value_name = "URL")]
    admin_url: Option<String>,
    /// The CA certificates that an https URL's certificate must be signed by [default: $SLUICE_ADMIN_CA, or the system's]
    #[arg(long, value_name = "PATH")]
    admin_ca: Option<PathBuf>,
    /// A client certificate for an https URL, with its private key in the same PEM file [default: $SLUICE_ADMIN_CERT, or none]
    #[arg(long, value_name = "PATH")]
    admin_cert: Option<PathBuf>,
    /// The environment variable that holds the administrator's key
    #[arg(long, value_name = "VARIABLE", default_value = "SLUICE_ADMIN_KEY")]
    admin_key_env: String,
    /// Print the API's JSON
    #[arg(long)]
    json: bool,
}

impl Interface {
    fn client(&self) -> Result<Client, Failure> {
        let variable = &self.admin_key_env;
        let key = std::env::var(variable).ok().filter(|key| !key.trim().is_empty()).ok_or_else(|| {
            Failure::new(format!("the environment variable {variable} is not set. Set it to the administrator's key"))
        })?;
        let url = self.admin_url.clone().or_else(|| std::env::var("SLUICE_ADMIN_URL").ok());
        let path = |option: &Option<PathBuf>, variable: &str| {
            option.clone().or_else(|| std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from))
        };
        let ca = path(&self.admin_ca, "SLUICE_ADMIN_CA").unwrap_or_else(locate::authorities);
        let identity = path(&self.admin_cert, "SLUICE_ADMIN_CERT");
        Client::new(url.as_deref().unwrap_or(DEFAULT_URL), key.trim().to_owned(), &ca, identity.as_deref())
    }

    fn print(&self, value: &Value, human: impl FnOnce(&Value) -> String) -> String {
        if self.json { format!("{value:#}\n") } else { human(value) }
    }
}

/// Operations on the keys stored in Redis.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Create a key in a running gateway, and print its secret once
    #[command(after_long_help = "Examples:
  sluice keys create --id alice --team research
  sluice keys create --id ci --team research --models 'chat*' --limit requests_per_minute=60 --budget monthly=20

The command needs `admin` and `redis` in the gateway file. Without Redis, use `sluice keys new` to create a key for the file.")]
    Create {
        /// The key's public name, in logs and usage reports
        #[arg(long)]
        id: String,
        /// The team that owns the key
        #[arg(long)]
        team: String,
        #[command(flatten)]
        fields: Box<Fields>,
        #[command(flatten)]
        interface: Interface,
    },
    /// List the keys of a running gateway
    List {
        /// Only keys of this team
        #[arg(long)]
        team: Option<String>,
        /// Only keys in this state: active, rotating, expired, revoked
        #[arg(long)]
        state: Option<String>,
        #[command(flatten)]
        interface: Interface,
    },
    /// Show a key and the usage of its limits and budgets
    Show {
        /// The key's id
        id: String,
        #[command(flatten)]
        interface: Interface,
    },
    /// Change a key
    #[command(after_long_help = "Examples:
  sluice keys update alice --owner Alice --limit requests_per_minute=120
  sluice keys update alice --clear models,expires

Fields that you do not set keep their values.")]
    Update {
        /// The key's id
        id: String,
        #[command(flatten)]
        fields: Box<Fields>,
        /// Fields to remove, comma-separated: app, owner, labels, models, endpoints, forbid, sources, control, expires, limits, budget
        #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
        clear: Vec<String>,
        #[command(flatten)]
        interface: Interface,
    },
    /// Revoke a key permanently
    Revoke {
        /// The key's id
        id: String,
        #[command(flatten)]
        interface: Interface,
    },
    /// Give a key a new secret; the old one stays valid for a while
    #[command(after_long_help = "Examples:
  sluice keys rotate alice
  sluice keys rotate alice --grace 0s        the old secret expires immediately
  sluice keys rotate alice --again           replace the newest secret, which was lost")]
    Rotate {
        /// The key's id
        id: String,
        /// How long the old secret stays valid
        #[arg(long, value_name = "TIME", default_value = "24h")]
        grace: String,
        /// During a rotation: replace the newest secret, and keep the previous one
        #[arg(long)]
        again: bool,
        #[command(flatten)]
        interface: Interface,
    },
}

/// Operations on the cached responses of a running gateway.
#[derive(Debug, Subcommand)]
pub enum Cache {
    /// Remove cached responses before they expire
    #[command(after_long_help = "Examples:
  sluice cache purge --team research
  sluice cache purge --team research --model chat    those of both
  sluice cache purge --all

Without `cache.shared`, each Envoy has its own cache: repeat the command with the --admin-url of each.")]
    Purge {
        #[command(flatten)]
        selection: Selection,
        #[command(flatten)]
        interface: Interface,
    },
}

/// The responses to purge: those with all of these names.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct Selection {
    /// Responses generated for this team's keys
    #[arg(long)]
    team: Option<String>,
    /// Responses generated for this key, by its id
    #[arg(long)]
    key: Option<String>,
    /// Responses generated for this app's keys
    #[arg(long)]
    app: Option<String>,
    /// Responses of this model
    #[arg(long)]
    model: Option<String>,
    /// Responses in this namespace
    #[arg(long)]
    namespace: Option<String>,
    /// All responses
    #[arg(long, conflicts_with_all = ["team", "key", "app", "model", "namespace"])]
    all: bool,
}

/// Runs a subcommand of `sluice cache` and returns its output.
pub fn cache(command: &Cache) -> Result<String, Failure> {
    let Cache::Purge { selection: Selection { team, key, app, model, namespace, all }, interface } = command;
    let names = [("team", team), ("key", key), ("app", app), ("model", model), ("namespace", namespace)];
    let given = names.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?))));
    let body = given.chain(all.then(|| ("all".to_owned(), json!(true)))).collect();
    let purged = interface.client()?.send("POST", "/cache/purge", Some(&Value::Object(body)))?;
    Ok(interface.print(&purged, |purged| {
        let others = match purged["covers"].as_str() {
            Some("envoys") => "Redis is purged too; other Envoys follow within a few seconds\n",
            _ => "",
        };
        format!("purged in this Envoy: {} responses\n{others}", purged["purged"])
    }))
}

/// How usage is grouped.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum By {
    Key,
    Team,
    App,
    Model,
}

impl By {
    fn word(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Team => "team",
            Self::App => "app",
            Self::Model => "model",
        }
    }
}

/// Usage of a running gateway.
#[derive(Debug, Args)]
pub struct Usage {
    /// Group usage by this; by day, by several: team,model
    #[arg(long, value_enum, value_delimiter = ',', default_value = "team")]
    by: Vec<By>,
    /// Show only this key, team, app or model, by day
    #[arg(long)]
    name: Option<String>,
    /// Show usage by day, from this day, such as 2027-01-01 [default: the first of the month]
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// Show usage by day, until this day, such as 2027-01-31 [default: today]
    #[arg(long, value_name = "DATE")]
    to: Option<String>,
    /// For the top by cost: the period, day or month [default: month]
    #[arg(long, conflicts_with_all = ["name", "from", "to"])]
    period: Option<String>,
    /// For the top by cost: the number of entries [default: 10]
    #[arg(long, value_name = "N", conflicts_with_all = ["name", "from", "to"])]
    top: Option<u32>,
    /// Print CSV: usage by day, or with --period or --top the top by cost
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    #[command(flatten)]
    interface: Interface,
}

/// Runs a subcommand of `sluice keys` and returns its output.
pub fn keys(command: &Keys) -> Result<String, Failure> {
    match command {
        Keys::Create { id, team, fields, interface } => {
            let mut body = fields.members()?;
            body.insert("id".to_owned(), json!(id));
            body.insert("team".to_owned(), json!(team));
            let made = interface.client()?.send("POST", "/keys", Some(&Value::Object(body)))?;
            Ok(interface.print(&made, with_secret))
        }
        Keys::List { team, state, interface } => list(team.as_deref(), state.as_deref(), interface),
        Keys::Show { id, interface } => {
            let client = interface.client()?;
            let key = client.send("GET", &format!("/keys/{}", encode(id)), None)?;
            let limits = client.send("GET", &format!("/limits?of=key&name={}", encode(id)), None)?;
            let both = json!({ "key": key, "limits": limits["limits"] });
            Ok(interface.print(&both, |both| format!("{}{}", one(&both["key"]), standing(&both["limits"]))))
        }
        Keys::Update { id, fields, clear, interface } => {
            let mut body = fields.members()?;
            if let Some(field) = clear.iter().find(|field| body.contains_key(*field)) {
                let message = format!("--clear {field}: another option sets it. First clear it, then set it");
                return Err(Failure::new(message));
            }
            body.extend(clear.iter().map(|field| (field.clone(), Value::Null)));
            let changed = change(interface, "PATCH", id, "", body)?;
            Ok(interface.print(&changed, one))
        }
        Keys::Revoke { id, interface } => {
            let revoked = change(interface, "POST", id, "/revoke", Map::new())?;
            Ok(interface.print(&revoked, one))
        }
        Keys::Rotate { id, grace, again, interface } => {
            let body = Map::from_iter([("grace".to_owned(), json!(grace)), ("again".to_owned(), json!(again))]);
            let rotated = change(interface, "POST", id, "/rotate", body)?;
            Ok(interface.print(&rotated, with_secret))
        }
    }
}

fn change(
    interface: &Interface,
    method: &str,
    id: &str,
    action: &str,
    body: Map<String, Value>,
) -> Result<Value, Failure> {
    interface.client()?.send(method, &format!("/keys/{}{action}", encode(id)), Some(&Value::Object(body)))
}

/// Lists all pages.
fn list(team: Option<&str>, state: Option<&str>, interface: &Interface) -> Result<String, Failure> {
    let client = interface.client()?;
    let mut keys = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let asked = query([("team", team), ("state", state), ("cursor", cursor.as_deref()), ("limit", Some("1000"))]);
        let mut page = client.send("GET", &format!("/keys{asked}"), None)?;
        if let Value::Array(more) = page["keys"].take() {
            keys.extend(more);
        }
        match page["next"].as_str() {
            Some(next) if cursor.as_deref() != Some(next) => cursor = Some(next.to_owned()),
            _ => break,
        }
    }
    let head = ["ID", "TEAM", "STATE", "SOURCE", "OWNER", "EXPIRES", "MODELS"];
    Ok(interface.print(&Value::Array(keys), |keys| {
        let row =
            |key: &Value| ["id", "team", "state", "source", "owner", "expires", "models"].map(|name| cell(&key[name]));
        table(head, &keys.as_array().into_iter().flatten().map(row).collect::<Vec<_>>())
    }))
}

fn with_secret(made: &Value) -> String {
    let secret = cell(&made["secret"]);
    format!("# The secret (shown only once; give it to the key's user):\n{secret}\n\n{}", one(&made["key"]))
}

/// One line per field.
fn one(key: &Value) -> String {
    key.as_object().into_iter().flatten().fold(String::new(), |mut text, (name, value)| {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{name:<15} {}", cell(value));
        text
    })
}

/// The usage of limits and budgets.
fn standing(limits: &Value) -> String {
    let row = |rule: &Value| {
        let money = rule["unit"] == "micro_usd";
        let amount = |name: &str| match money {
            true => cell(&rule[format!("{name}_usd")]),
            false => cell(&rule[name]),
        };
        let unit = if money { "usd".to_owned() } else { cell(&rule["unit"]) };
        let reset = rule["reset_seconds"].as_u64().map_or_else(|| "-".to_owned(), |seconds| format!("{seconds}s"));
        [cell(&rule["scope"]), unit, cell(&rule["period"]), amount("limit"), amount("used"), amount("remaining"), reset]
    };
    let rows: Vec<_> = limits.as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    format!("\n{}", table(["LIMIT ON", "OF", "PER", "ALLOWED", "USED", "LEFT", "RESETS IN"], &rows))
}

/// Runs `sluice usage` and returns its output.
pub fn usage(usage: &Usage) -> Result<String, Failure> {
    let client = usage.interface.client()?;
    let ranking = usage.period.is_some() || usage.top.is_some();
    if ranking && usage.by.len() > 1 {
        return Err(Failure::new("--period and --top need one grouping, such as --by team".to_owned()));
    }
    match usage.name.is_some() || usage.from.is_some() || usage.to.is_some() || (usage.csv && !ranking) {
        false if usage.by.len() == 1 => top(usage, &client),
        _ => by_day(usage, &client),
    }
}

/// The groupings as a value of the admin API's parameter `by`: joined by commas.
fn words(by: &[By]) -> String {
    by.iter().map(|by| by.word()).collect::<Vec<_>>().join(",")
}

fn top(usage: &Usage, client: &Client) -> Result<String, Failure> {
    let by = &*words(&usage.by);
    let (period, limit) = (usage.period.as_deref().unwrap_or("month"), usage.top.unwrap_or(10).to_string());
    let format = usage.csv.then_some("csv");
    let asked = query([("by", Some(by)), ("period", Some(period)), ("limit", Some(&*limit)), ("format", format)]);
    let path = format!("/usage/top{asked}");
    if usage.csv {
        return Ok(client.csv(&path)?.text);
    }
    let ranking = client.send("GET", &path, None)?;
    Ok(usage.interface.print(&ranking, |ranking| {
        let row = |rank: &Value| [cell(&rank["name"]), cell(&rank["cost_usd"])];
        let rows: Vec<_> = ranking["top"].as_array().into_iter().flatten().map(row).collect();
        table([&by.to_uppercase(), "USD"], &rows)
    }))
}

const INCOMPLETE: &str = "Usage is kept for 400 days, and without Redis only until Envoy restarts. Earlier days are not \
                          included.\n";

fn by_day(usage: &Usage, client: &Client) -> Result<String, Failure> {
    let by = words(&usage.by);
    let path = |from: Option<&str>| {
        let asked = query([
            ("by", Some(&*by)),
            ("name", usage.name.as_deref()),
            ("from", from),
            ("to", usage.to.as_deref()),
            ("format", usage.csv.then_some("csv")),
        ]);
        format!("/usage{asked}")
    };
    if usage.csv {
        let first = client.csv(&path(usage.from.as_deref()))?;
        let (mut text, mut next) = (first.text, first.next);
        while let Some(from) = next {
            let page = client.csv(&path(Some(&from)))?;
            text += page.text.split_once('\n').map_or("", |(_header, rows)| rows);
            next = page.next.filter(|next| *next > from);
        }
        if !first.complete {
            eprint!("sluice: {INCOMPLETE}");
        }
        return Ok(text);
    }
    let mut days = client.send("GET", &path(usage.from.as_deref()), None)?;
    while let Some(from) = days["next"].as_str().map(str::to_owned) {
        let page = client.send("GET", &path(Some(&from)), None)?;
        add_page(&mut days, page);
        if days["next"].as_str().is_some_and(|next| *next <= *from) {
            break;
        }
    }
    Ok(usage.interface.print(&days, by_day_for_people))
}

/// Appends the next page, and adds its total.
fn add_page(days: &mut Value, mut page: Value) {
    if let (Some(all), Some(more)) = (days["days"].as_array_mut(), page["days"].as_array_mut()) {
        all.append(more);
    }
    days["next"] = page["next"].take();
    for (name, sum) in days["total"].as_object_mut().into_iter().flatten() {
        if let (Some(one), Some(other)) = (sum.as_u64(), page["total"][name].as_u64()) {
            *sum = json!(one.saturating_add(other));
        }
    }
    for name in ["cost", "estimated_cost"] {
        let micro = days["total"][format!("{name}_micro_usd")].as_u64().unwrap_or_default();
        days["total"][format!("{name}_usd")] = json!(MicroUsd(micro).to_string());
    }
}

fn by_day_for_people(days: &Value) -> String {
    let by = days["by"].as_str().unwrap_or_default();
    let name = |day: &Value| match day.get("name") {
        Some(name) => cell(name),
        None => by.split(',').map(|word| cell(&day[word])).collect::<Vec<_>>().join(" "),
    };
    let row = |first: String, name: String, sums: &Value| {
        let [requests, input, output, cost, estimated] =
            ["requests", "input_tokens", "output_tokens", "cost_usd", "estimated_cost_usd"]
                .map(|name| cell(&sums[name]));
        [first, name, requests, input, output, cost, estimated]
    };
    let mut rows: Vec<_> =
        days["days"].as_array().into_iter().flatten().map(|day| row(cell(&day["date"]), name(day), day)).collect();
    rows.push(row("total".to_owned(), String::new(), &days["total"]));
    let head = ["DAY", &by.replace(',', " ").to_uppercase(), "REQUESTS", "INPUT", "OUTPUT", "USD", "ESTIMATED"];
    let mut text = table(head, &rows);
    if days["complete"] == false {
        text += INCOMPLETE;
    }
    text
}
