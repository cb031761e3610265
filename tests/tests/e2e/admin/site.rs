//! Gateways with an administrator: their second listener, and the `sluice` command as typed in a shell.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sluice_tests::client::{Answer, Client};
use sluice_tests::gateway::{Builder, Gateway, Kind};
use sluice_tests::port::Port;
use sluice_tests::redis::Store;
use sluice_tests::simulator::Simulator;
use sluice_tests::until;
use tokio::process::Command;

use crate::{CHAT, ask};

/// The administrator's key.
pub const ADMIN: &str = "sk-sluice-admin-of-the-tests";

/// US dollars per million tokens of prompts and of responses. The prices are odd, so that every cost is rounded.
const PRICES: [(&str, f64, f64); 2] = [("openai/gpt-sim", 1.37, 7.77), ("anthropic/claude-sim", 3.000_001, 15.13)];

/// A gateway, and its administrator's access.
pub struct Administered {
    pub gateway: Gateway,
    port: Port,
}

/// The output of a command.
#[derive(Debug)]
pub struct Said {
    pub success: bool,
    pub output: String,
    pub errors: String,
}

impl Administered {
    pub async fn start(builder: Builder, more: Value) -> Self {
        let port = Port::reserve();
        let admin = json!({"listen": format!("127.0.0.1:{}", port.number()), "sha256": sha256(ADMIN)});
        let gateway = builder.with(json!({ "admin": admin })).with(more);
        let number = port.number();
        let site = Self { gateway: gateway.start().await, port };
        until("the administration interface to accept connections", || {
            std::net::TcpStream::connect(("127.0.0.1", number)).ok()
        })
        .await;
        site
    }

    /// A client of the administration interface, without a key.
    pub fn stranger(&self) -> Client {
        Client::new(self.port.number())
    }

    /// A client of the administration interface with the administrator's key.
    pub fn admin(&self) -> Client {
        self.stranger().bearer(ADMIN)
    }

    /// Reads a resource.
    pub async fn get(&self, path: &str) -> Value {
        let answer = self.admin().request("GET", &format!("/admin/v1{path}"), "").await.expect("an answer");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// Runs the command as the administrator of this gateway.
    pub async fn sluice(&self, arguments: &[&str]) -> Said {
        let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/release/sluice");
        let binary = std::env::var_os("SLUICE_BIN").map_or_else(|| PathBuf::from(beside), PathBuf::from);
        let mut command = Command::new(binary);
        command.args(arguments).env("SLUICE_ADMIN_KEY", ADMIN);
        command.env("SLUICE_ADMIN_URL", format!("http://127.0.0.1:{}", self.port.number()));
        let done = command.stdin(Stdio::null()).kill_on_drop(true).output().await.expect("the command runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Said { success: done.status.success(), output: text(done.stdout), errors: text(done.stderr) }
    }

    /// Runs a command that must succeed; returns its output.
    pub async fn does(&self, arguments: &[&str]) -> String {
        let said = self.sluice(arguments).await;
        assert!(said.success, "{arguments:?}: {}", said.errors);
        said.output
    }

    /// Runs a command with `--json` that must succeed; returns its output.
    pub async fn json(&self, arguments: &[&str]) -> Value {
        let output = self.does(&[arguments, &["--json"]].concat()).await;
        serde_json::from_str(&output).unwrap_or_else(|_| panic!("{arguments:?}: {output}"))
    }

    /// Creates or rotates a key; returns its secret.
    pub async fn secret(&self, arguments: &[&str]) -> String {
        let made = self.json(arguments).await;
        made["secret"].as_str().expect("a secret").to_owned()
    }

    /// Sends a chat request with a key.
    pub async fn chat(&self, secret: &str, model: &str) -> Answer {
        self.gateway.anonymous().bearer(secret).post(CHAT, &ask(model, "say something or other")).await
    }

    /// Sends chat requests until the status is this one: the key's record may be cached for a while.
    pub async fn until_chat(&self, secret: &str, model: &str, status: u16) -> Answer {
        let started = std::time::Instant::now();
        loop {
            let answer = self.chat(secret, model).await;
            if answer.status == status {
                return answer;
            }
            assert!(started.elapsed() < sluice_tests::PATIENCE, "no {status} from {model}: {}", answer.text());
        }
    }
}

/// Two gateways that share only a Redis.
pub struct Site {
    pub gateways: [Administered; 2],
    pub store: Store,
    pub providers: [Simulator; 2],
}

impl Site {
    pub async fn start() -> Self {
        let providers = [Simulator::start().await, Simulator::start().await];
        let store = Store::lease().await;
        let more = file(json!({"redis": {"key_cache": "1s"}}));
        let start = || Administered::start(builder(&providers).store(&store), more.clone());
        let gateways = [start().await, start().await];
        Self { gateways, store, providers }
    }

    /// The logs of both gateways.
    pub fn logs(&self) -> String {
        self.gateways.iter().map(|one| one.gateway.output() + &one.gateway.errors()).collect()
    }
}

/// Two providers with one model each.
pub fn builder(providers: &[Simulator; 2]) -> Builder {
    let [openai, anthropic] = providers;
    Gateway::builder()
        .provider("openai", Kind::OpenAi, openai)
        .provider("anthropic", Kind::Anthropic, anthropic)
        .model("gpt", &[("openai", "gpt-sim")])
        .model("claude", &[("anthropic", "claude-sim")])
}

/// The rest of the file: teams, an app, prices, and `more`.
pub fn file(more: Value) -> Value {
    let prices: serde_json::Map<String, Value> = PRICES
        .iter()
        .map(|(name, input, output)| ((*name).to_owned(), json!({"input": input, "output": output})))
        .collect();
    let file = json!({
        "teams": {"test": {}, "research": {"budget": {"monthly": 50}}}, "apps": {"bot": {}},
        "prices": {"models": prices},
    });
    crate::with(file, more)
}

/// The sums of a response.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    pub requests: u64,
    pub input: u64,
    pub output: u64,
    pub micro_usd: u64,
}

impl Sums {
    /// From the provider's usage and the prices.
    pub fn of(answer: &Answer) -> Self {
        let provider = answer.header("x-sluice-provider").expect("a provider");
        let price = PRICES.iter().find(|(name, _, _)| name.split('/').next() == Some(provider)).expect("a price");
        let whole = Some(answer.json()["usage"].clone()).filter(Value::is_object);
        let streamed = || answer.events().iter().map(|event| event.json()["usage"].clone()).rfind(Value::is_object);
        let usage = whole.or_else(streamed).expect("a usage");
        let count = |name: &str| usage[name].as_u64().expect("tokens");
        let (input, output) = (count("prompt_tokens"), count("completion_tokens"));
        // A dollar per million tokens is a million picodollars per token.
        let picodollars = |dollars: f64| (dollars * 1e6).round() as u64;
        let cost = (input * picodollars(price.1) + output * picodollars(price.2)).div_ceil(1_000_000);
        Self { requests: 1, input, output, micro_usd: cost }
    }

    /// From the interface's response.
    pub fn read(sums: &Value) -> Self {
        let count = |name: &str| sums[name].as_u64().unwrap_or_else(|| panic!("no {name} in {sums}"));
        let micro_usd = count("cost_micro_usd");
        assert_eq!(sums["cost_usd"], dollars(micro_usd), "{sums}");
        Self { requests: count("requests"), input: count("input_tokens"), output: count("output_tokens"), micro_usd }
    }

    pub fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            input: self.input + other.input,
            output: self.output + other.output,
            micro_usd: self.micro_usd + other.micro_usd,
        }
    }
}

/// Micro-dollars in the interface's dollar format.
pub fn dollars(micro: u64) -> String {
    format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000)
}

pub fn sha256(secret: &str) -> String {
    Sha256::digest(secret).iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}
