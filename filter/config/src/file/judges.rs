//! Judges: services outside of the gateway that guardrails ask.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice_core::guard::judge::spec::{JudgeMode, JudgeType, OnError};
use sluice_core::provider::kind::{BEARER, Presented};

use super::{Aws, Credentials, Entra, Google, Secret};

/// A service that judges texts for guardrails, and how to reach it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Judge {
    /// The service's API.
    #[serde(rename = "type")]
    pub kind: JudgeType,
    /// The base URL, to which the gateway adds the path of the API; of a `webhook`, the whole URL. Default: the public service of
    /// `openai_moderation`, of `bedrock` in the region of `aws`, and of `model_armor` in the location of `template`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The API key. Omit it for a service that needs none. Never sent to the filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
    /// `bedrock` only: sign requests for AWS, instead of `key`. Never sent to the filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<Aws>,
    /// `model_armor` only: Google access tokens, instead of `key`. Never sent to the filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub google: Option<Google>,
    /// `azure_content_safety` only: Microsoft Entra access tokens, instead of `key`. Never sent to the filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entra: Option<Entra>,
    /// The price in US dollars per million characters that the judge receives, for the log and metrics. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<f64>,
    /// How long to wait for each response, from `10ms` to `1m`. Default: `2s`.
    #[serde(default = "default_timeout", skip_serializing_if = "is_default_timeout")]
    pub timeout: String,
    /// How often Envoy sends a call again within `timeout`, from 0 to 5: if the judge refuses or resets the connection, or its status is
    /// 5xx. Default: 1.
    #[serde(default = "default_retries", skip_serializing_if = "is_default_retries")]
    pub retries: u32,
    /// `openai_moderation` only: the model. Default: `omni-moderation-latest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// `openai_moderation` and `azure_content_safety` only: the categories that block, in the service's spelling. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// `openai_moderation` and `azure_content_safety` only: the score (0 to 1) or the severity (1 to 7) from which a category blocks. A
    /// category in it need not be in `categories` too. Default: the service decides; for Azure 4, medium.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub thresholds: BTreeMap<String, f64>,
    /// `azure_content_safety` only: names of blocklists. Each match blocks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocklists: Vec<String>,
    /// `presidio` only: the language of the texts. Default: `en`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// `presidio` only: the entities to find, such as `PERSON`. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entities: Vec<String>,
    /// `presidio` only: the lowest score of a find, from 0 to 1. Default: the service's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// `bedrock` only: the guardrail's id or ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardrail: Option<String>,
    /// `bedrock` only: the guardrail's version, a number. Default: `DRAFT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `model_armor` only: the template, `projects/PROJECT/locations/LOCATION/templates/TEMPLATE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// `litellm` only: parameters for the service, sent as `additional_provider_specific_params`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, Value>,
    /// The compiled judge, for the filter, which needs nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub rendered: Option<Value>,
}

/// The judges by name. The filter receives them compiled, and reads no field but `rendered`.
#[cfg(not(target_arch = "wasm32"))]
pub type Judges = BTreeMap<String, Judge>;
/// The judges by name, of which only `rendered` is read.
#[cfg(target_arch = "wasm32")]
pub type Judges = serde_json::Map<String, Value>;

/// How a guardrail uses a judge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GuardJudge {
    /// The judge, one of `judges`.
    pub service: String,
    /// What happens to a text if the judge fails: it does not respond in time, or not with a verdict. Texts that are too long for it are
    /// blocked in any case. There is no default: `allow` can let
    /// anything pass, and `block` makes the judge's outages yours.
    pub on_error: OnError,
    /// Whether verdicts have an effect. Default: `enforce`.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub mode: JudgeMode,
    /// Whether the judge works while the provider does. It delays no request, but a blocked prompt has reached the provider, which is
    /// paid, and prompts cannot be masked. Needs `on: [prompts]`. Default: `false`.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub during: bool,
    /// Whether the judge receives prompts before other guardrails mask them. Then it cannot mask them itself. Not with `during`. Default:
    /// `false`.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub raw: bool,
    /// How many bytes of a streamed response's text the judge judges at once, from 64 to 100000: each takes a call, and waits for it. Not
    /// used with `delivery: whole`. Default: 1000.
    #[serde(default = "default_window", skip_serializing_if = "is_default_window")]
    pub window: u32,
}

fn default_window() -> u32 {
    1000
}

fn is_default_window(window: &u32) -> bool {
    *window == default_window()
}

impl Judge {
    /// The URL as written, or the public service's; `None` if there is none.
    pub fn url(&self) -> Option<Cow<'_, str>> {
        if let Some(url) = &self.url {
            return Some(Cow::Borrowed(url));
        }
        Some(Cow::Owned(match self.kind {
            JudgeType::OpenaiModeration => "https://api.openai.com/v1".to_owned(),
            JudgeType::Bedrock => format!("https://bedrock-runtime.{}.amazonaws.com", self.aws.as_ref()?.region),
            JudgeType::ModelArmor => {
                let location = self.template.as_ref()?.split('/').nth(3)?;
                format!("https://modelarmor.{location}.rep.googleapis.com")
            }
            _ => return None,
        }))
    }

    /// The name of a judge's Envoy cluster. No provider's name begins like this.
    pub fn cluster(name: &str) -> String {
        format!("sluice-judge-{name}")
    }

    /// Its credential's sources.
    pub fn credentials(&self) -> Credentials<'_> {
        let Self { key, aws, google, entra, .. } = self;
        Credentials { key: key.as_ref(), aws: aws.as_ref(), google: google.as_ref(), entra: entra.as_ref() }
    }

    /// How it expects its key.
    pub fn presented(&self) -> Presented {
        match self.kind {
            JudgeType::AzureContentSafety => Presented { header: "ocp-apim-subscription-key", prefix: "" },
            JudgeType::Litellm => Presented { header: "x-api-key", prefix: "" },
            _ => BEARER,
        }
    }

    /// The judge for the filter: compiled, and without its credential.
    pub fn for_the_filter(&self, rendered: Value) -> Self {
        Self {
            kind: self.kind,
            rendered: Some(rendered),
            url: None,
            key: None,
            aws: None,
            google: None,
            entra: None,
            price: None,
            timeout: default_timeout(),
            retries: default_retries(),
            model: None,
            categories: Vec::new(),
            thresholds: BTreeMap::new(),
            blocklists: Vec::new(),
            language: None,
            entities: Vec::new(),
            threshold: None,
            guardrail: None,
            version: None,
            template: None,
            params: BTreeMap::new(),
        }
    }
}

fn default_timeout() -> String {
    "2s".to_owned()
}

fn is_default_timeout(timeout: &String) -> bool {
    *timeout == default_timeout()
}

fn default_retries() -> u32 {
    1
}

fn is_default_retries(retries: &u32) -> bool {
    *retries == default_retries()
}
