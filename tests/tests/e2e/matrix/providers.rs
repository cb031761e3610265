//! The providers of the matrix: one of each kind that differs, all in one simulator.

use serde_json::{Map, Value, json};
use sluice_tests::gateway::{Builder, Gateway};
use sluice_tests::simulator::Simulator;

/// The visibility of a provider's thoughts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thoughts {
    /// Only their token count.
    Counted,
    /// Their text.
    Told,
    /// Their text with a signature, which must be sent back.
    Signed(&'static str),
}

/// A provider.
#[derive(Debug)]
pub struct Provider {
    pub name: &'static str,
    kind: &'static str,
    /// The simulator's path.
    path: &'static str,
    model: &'static str,
    pub thoughts: Thoughts,
    more: fn() -> Value,
}

/// The signatures of the simulator's thoughts.
const CLAUDE: &str = "EqQBsim0signature+of/the=thoughts";
const GEMINI: &str = "c2ltLXRob3VnaHQtc2lnbmF0dXJl";
pub const OPENAI: &str = "gAAAAABsim0sealed-thoughts==";
pub const SIGNATURES: [&str; 3] = [CLAUDE, GEMINI, OPENAI];

const PLAIN: Provider = Provider {
    name: "openai",
    kind: "openai",
    path: "/v1",
    model: "gpt-sim",
    thoughts: Thoughts::Counted,
    more: || json!({}),
};

/// All providers.
pub fn all() -> Vec<Provider> {
    vec![
        PLAIN,
        Provider {
            name: "openai, by responses",
            thoughts: Thoughts::Signed(OPENAI),
            more: || json!({"speaks": ["responses"]}),
            ..PLAIN
        },
        Provider { name: "azure", kind: "azure", path: "", ..PLAIN },
        Provider {
            name: "azure, by deployment",
            kind: "azure",
            path: "",
            more: || json!({"api_version": "2024-10-21"}),
            ..PLAIN
        },
        Provider {
            name: "anthropic",
            kind: "anthropic",
            model: "claude-sim",
            thoughts: Thoughts::Signed(CLAUDE),
            ..PLAIN
        },
        Provider {
            name: "gemini",
            kind: "gemini",
            path: "/v1beta",
            model: "gemini-3-sim",
            thoughts: Thoughts::Signed(GEMINI),
            ..PLAIN
        },
        Provider {
            name: "vertex",
            kind: "vertex",
            path: "/v1/projects/p/locations/l/publishers/google",
            model: "gemini-2.5-sim",
            thoughts: Thoughts::Told,
            ..PLAIN
        },
        Provider {
            name: "vertex-anthropic",
            kind: "vertex-anthropic",
            path: "/v1/projects/p/locations/l/publishers/anthropic",
            model: "claude-sim@20260101",
            thoughts: Thoughts::Signed(CLAUDE),
            ..PLAIN
        },
        Provider {
            name: "bedrock",
            kind: "bedrock",
            path: "",
            model: "anthropic.claude-sim-v1:0",
            thoughts: Thoughts::Signed(CLAUDE),
            ..PLAIN
        },
        Provider {
            name: "bedrock-anthropic",
            kind: "bedrock-anthropic",
            path: "",
            model: "arn:aws:bedrock:us-east-1:1:inference-profile/anthropic.claude-sim-v1:0",
            thoughts: Thoughts::Signed(CLAUDE),
            ..PLAIN
        },
        Provider {
            name: "cohere",
            kind: "cohere",
            path: "/v2",
            model: "command-a-reasoning-sim",
            thoughts: Thoughts::Told,
            ..PLAIN
        },
        Provider { name: "groq", kind: "groq", path: "/groq/openai/v1", ..PLAIN },
        Provider { name: "mistral", kind: "mistral", path: "/mistral/v1", ..PLAIN },
        Provider { name: "deepseek", kind: "deepseek", path: "/deepseek", thoughts: Thoughts::Told, ..PLAIN },
        Provider { name: "vllm", kind: "vllm", path: "/vllm/v1", thoughts: Thoughts::Told, ..PLAIN },
        Provider { name: "ollama", kind: "ollama", path: "/v1", ..PLAIN },
    ]
}

impl Thoughts {
    /// Whether the thoughts have this signature.
    pub fn signed_by(self, signature: &str) -> bool {
        self == Self::Signed(SIGNATURES.into_iter().find(|known| *known == signature).unwrap_or_default())
    }
}

impl Provider {
    /// The provider's name in the file, and its model's.
    pub fn id(&self) -> String {
        self.name.replace(", ", "-").replace(' ', "-")
    }
}

/// The failures of a gateway's model, by the ending after its provider's name.
pub const WAYS: [(&str, &str); 4] =
    [("", ""), (":cached", "+cached=2"), (":limited", "+status=429+retry-after=120"), (":wrong", "+status=400")];

/// A gateway with all providers. Each model has its provider's name, with the ending of a [way](WAYS).
pub async fn gateway(providers: &[Provider], simulator: &Simulator) -> Gateway {
    let mut entries = Map::new();
    let mut models = Map::new();
    for provider in providers {
        let id = provider.id();
        let url = simulator.url() + provider.path;
        let mut entry = json!({"kind": provider.kind, "url": url, "key": {"env": "A_KEY"}});
        for (name, value) in (provider.more)().as_object().into_iter().flatten() {
            entry[name] = value.clone();
        }
        entries.insert(id.clone(), entry);
        for (ending, faults) in WAYS {
            let target = json!({"provider": id, "model": format!("{}{faults}", provider.model)});
            models.insert(format!("{id}{ending}"), json!({"targets": [target]}));
        }
    }
    let file = json!({"providers": entries, "models": models, "circuit": {"failures": 1000}});
    let file = Builder::default().with(file);
    file.with(super::embeddings::file(simulator)).start().await
}
