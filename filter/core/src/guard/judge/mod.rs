//! Judges: services outside of the gateway that say whether a text may pass.
//!
//! A [`Judge`] writes the calls that ask its service about the texts of a request or response, and reads the responses as [`Verdict`]s.
//! It sends nothing itself and knows no exchange. The service is not trusted: an unexpected response is [`Unreadable`] and never a verdict.

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crate::callout::{Call, Called, Endpoint};
use crate::guard::spec::Side;
use crate::keys::caller::Caller;
use crate::matching::Match;
use crate::usage::price::Rate;

pub mod agentgateway;
pub mod azure;
pub mod bedrock;
mod judging;
pub mod litellm;
pub mod model_armor;
pub mod openai;
mod parts;
pub mod presidio;
pub mod prompt;
mod reply;
pub mod spec;
mod verdict;
pub mod webhook;

pub use judging::{JudgeReport, JudgeResult, Judged, JudgedText, Judging, Masking, add_reports};
pub use parts::{MOST_CALLS, Part};
pub use reply::Unreadable;
pub use verdict::{Edit, Verdict, edited};

use parts::Capacity;
use spec::{JudgeMode, OnError};

/// A guardrail whose texts a judge judges.
#[derive(Debug)]
pub struct JudgeGuard {
    /// The name in the gateway file.
    pub name: String,
    /// The requests it applies to. It cannot select by provider.
    pub matches: Match,
    /// The texts it judges.
    pub sides: Vec<Side>,
    /// The service.
    pub judge: Rc<Judge>,
    /// Whether it masks texts. If not, a text that the judge would change is blocked.
    pub masks: bool,
    /// The decision about texts that the judge did not judge.
    pub on_error: OnError,
    /// Whether its verdicts have an effect.
    pub mode: JudgeMode,
    /// Whether the provider works while the judge does.
    pub during: bool,
    /// Whether the judge receives prompts before other guardrails mask them.
    pub raw: bool,
    /// The number of bytes of a streamed response's text that are judged at once; `None`: the whole response.
    pub window: Option<usize>,
    /// A hash of its configuration and the judge's.
    pub digest: [u8; 32],
    /// Whether the last judging failed: only the first failure in a row is a warning.
    pub fails: Cell<bool>,
}

/// A service, and how to ask it.
#[derive(Debug, PartialEq)]
pub struct Judge {
    /// The name in the gateway file.
    pub name: String,
    /// Its Envoy cluster.
    pub cluster: String,
    /// Its server. The path is the base path.
    pub server: Endpoint,
    /// Timeout of each call, with its retries.
    pub timeout: Duration,
    /// How often Envoy sends a call again that fails.
    pub retries: u64,
    /// The price of a character.
    pub price: Option<Rate>,
    /// Its API with the settings.
    pub api: Api,
}

/// The API of a service, and its settings.
#[derive(Debug, PartialEq)]
pub enum Api {
    /// OpenAI's moderation endpoint.
    OpenAi(openai::Settings),
    /// Presidio's analyzer.
    Presidio(presidio::Settings),
    /// Azure AI Content Safety.
    Azure(azure::Settings),
    /// Amazon Bedrock's guardrails.
    Bedrock(bedrock::Settings),
    /// Google Cloud's Model Armor.
    ModelArmor(model_armor::Settings),
    /// The gateway's own webhook.
    Webhook,
    /// The guardrail webhook of agentgateway.
    Agentgateway,
    /// LiteLLM's generic guardrail API.
    LiteLlm(litellm::Settings),
}

/// A category that counts, with the score or severity from which it blocks.
pub type Category = (String, Option<f64>);

impl Api {
    /// Its name in the gateway file, and its settings, which [`Api::read`] reads back.
    pub fn parts(&self) -> (&'static str, &str, &[Category]) {
        match self {
            Self::OpenAi(settings) => ("openai_moderation", &settings.model, &settings.categories),
            Self::Presidio(settings) => ("presidio", &settings.0, &[]),
            Self::Azure(settings) => ("azure_content_safety", &settings.members, &settings.categories),
            Self::Bedrock(settings) => ("bedrock", &settings.0, &[]),
            Self::ModelArmor(settings) => ("model_armor", &settings.template, &[]),
            Self::Webhook => ("webhook", "", &[]),
            Self::Agentgateway => ("agentgateway", "", &[]),
            Self::LiteLlm(settings) => ("litellm", &settings.0, &[]),
        }
    }

    /// Whether its verdicts may change texts.
    pub fn may_mask(&self) -> bool {
        !matches!(self, Self::OpenAi(_) | Self::Azure(_))
    }

    /// Reads the parts of an API; `None` if there is none of this name.
    pub fn read(name: &str, text: &str, categories: Vec<Category>) -> Option<Self> {
        let owned = text.to_owned();
        Some(match name {
            "openai_moderation" => Self::OpenAi(openai::Settings { model: owned, categories }),
            "presidio" => Self::Presidio(presidio::Settings(owned)),
            "azure_content_safety" => Self::Azure(azure::Settings { categories, members: owned }),
            "bedrock" => Self::Bedrock(bedrock::Settings(owned)),
            "model_armor" => Self::ModelArmor(model_armor::Settings::new(text)),
            "webhook" => Self::Webhook,
            "agentgateway" => Self::Agentgateway,
            "litellm" => Self::LiteLlm(litellm::Settings(owned)),
            _ => return None,
        })
    }
}

/// The texts to judge, and whose they are.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The direction of the texts.
    pub side: Side,
    /// The texts. Empty ones are not sent.
    pub texts: &'a [&'a str],
    /// The requested model.
    pub model: &'a str,
    /// The caller's team.
    pub team: &'a str,
    /// The request's id.
    pub request_id: &'a str,
}

/// A call to a judge, and the parts of the texts that it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgeCall {
    /// The call.
    pub call: Call,
    /// The parts, in the order of the call.
    pub parts: Vec<Part>,
}

/// The guardrails with a judge that judge this side of a caller's requests for a model.
pub fn concerning(guards: &[Rc<JudgeGuard>], side: Side, caller: &Caller, model: &str) -> Vec<Rc<JudgeGuard>> {
    let concerns =
        |guard: &&Rc<JudgeGuard>| guard.sides.contains(&side) && super::is_about(&guard.matches, caller, model);
    guards.iter().filter(concerns).cloned().collect()
}

impl JudgeGuard {
    /// Whether texts pass that the judge did not judge. Never texts that are too long for it: a client could make any text so.
    fn allows(&self, failure: &Unreadable) -> bool {
        self.on_error == OnError::Allow && *failure != Unreadable::TooLarge
    }

    /// Reads the response to a call.
    pub fn verdict(&self, side: Side, parts: &[Part], texts: &[&str], called: &Called) -> Result<Verdict, Unreadable> {
        let verdict = self.judge.verdict(parts, texts, called)?;
        let masks = self.masks && !(self.raw && side == Side::Prompts);
        Ok(if masks { verdict } else { verdict.without_masks() })
    }
}

impl Judge {
    /// The calls that ask about the texts, at most [`MOST_CALLS`]. The verdicts on all of them count together: [`Verdict::and`].
    pub fn calls(&self, question: &Question<'_>) -> Result<Vec<JudgeCall>, Unreadable> {
        let calls = parts::divided(question.texts, self.capacity()).ok_or(Unreadable::TooLarge)?;
        Ok(calls.into_iter().map(|parts| JudgeCall { call: self.call(question, &parts), parts }).collect())
    }

    fn call(&self, question: &Question<'_>, parts: &[Part]) -> Call {
        let (path, body) = match &self.api {
            Api::OpenAi(settings) => settings.request(question, parts),
            Api::Presidio(settings) => settings.request(question, parts),
            Api::Azure(settings) => settings.request(question, parts),
            Api::Bedrock(settings) => settings.request(question, parts),
            Api::ModelArmor(settings) => settings.request(question, parts),
            Api::Webhook => webhook::request(question, parts),
            Api::Agentgateway => agentgateway::request(question, parts),
            Api::LiteLlm(settings) => settings.request(question, parts),
        };
        let path = format!("{}{path}", self.server.path);
        let path = if path.is_empty() { "/" } else { &path };
        let mut call = self.server.post_to(path, Cow::Owned(self.cluster.clone()), body.into_bytes(), self.timeout);
        if self.retries > 0 {
            // For Envoy: the judge does not receive them. A connection that is refused or reset counts as a 5xx.
            call.headers.push("x-envoy-retry-on", "5xx");
            call.headers.push("x-envoy-max-retries", self.retries.to_string());
        }
        call
    }

    /// Reads the response to a call about these parts of the texts.
    pub fn verdict(&self, parts: &[Part], texts: &[&str], called: &Called) -> Result<Verdict, Unreadable> {
        let reply = reply::read(called)?;
        match &self.api {
            Api::OpenAi(settings) => settings.verdict(&reply, parts),
            Api::Presidio(_) => presidio::verdict(&reply, parts, texts),
            Api::Azure(settings) => settings.verdict(&reply),
            Api::Bedrock(_) => bedrock::verdict(&reply, parts, texts),
            Api::ModelArmor(_) => model_armor::verdict(&reply, parts, texts),
            Api::Webhook => webhook::verdict(&reply, parts, texts),
            Api::Agentgateway => agentgateway::verdict(&reply, parts, texts),
            Api::LiteLlm(_) => litellm::verdict(&reply, parts, texts),
        }
    }

    fn capacity(&self) -> Capacity {
        match &self.api {
            Api::OpenAi(_) => openai::CAPACITY,
            Api::Presidio(_) => presidio::CAPACITY,
            Api::Azure(_) => azure::CAPACITY,
            Api::Bedrock(_) => bedrock::CAPACITY,
            Api::ModelArmor(_) => model_armor::CAPACITY,
            Api::Webhook | Api::Agentgateway | Api::LiteLlm(_) => webhook::CAPACITY,
        }
    }
}

/// Writes strings as a JSON array.
fn write_strings<'s>(strings: impl Iterator<Item = &'s str>, out: &mut String) {
    write_each(strings, out, ("", ""));
}

/// Writes a JSON array of objects, each with one of the strings between the given texts.
fn write_each<'s>(strings: impl Iterator<Item = &'s str>, out: &mut String, (before, after): (&str, &str)) {
    out.push('[');
    for (index, text) in strings.enumerate() {
        if index > 0 {
            out.push(',');
        }
        add(out, &[before]);
        sluice_wire::json::write_string(text, out);
        add(out, &[after]);
    }
    out.push(']');
}

/// Writes JSON members with strings as their values, after others.
fn write_members(members: &[(&str, &str)], out: &mut String) {
    for (name, value) in members {
        add(out, &[",\"", name, "\":"]);
        sluice_wire::json::write_string(value, out);
    }
}

/// Appends texts. It is called, not inlined: that would make each request function a third larger.
#[inline(never)]
fn add(out: &mut String, texts: &[&str]) {
    texts.iter().for_each(|text| out.push_str(text));
}

#[cfg(test)]
mod tests;
