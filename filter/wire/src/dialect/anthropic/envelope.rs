//! From a client's request in Anthropic's format to what a cloud that hosts Anthropic's models takes: the same bytes, but for what
//! that cloud wants otherwise. Nothing is translated, so that whatever Anthropic and its clients agree upon arrives.
//!
//! | in the client's request | at AWS | at Google |
//! |---|---|---|
//! | `model` | in the path | in the path |
//! | `stream` | in the path | stays |
//! | header `anthropic-version` | `anthropic_version` in the body | the same |
//! | header `anthropic-beta`, `betas` | `anthropic_beta` in the body | the header |
//! | betas that the cloud does not know | left out and named, for they are a 400 | the same |
//! | `output_format`, the older name | `output_config.format` | the same |
//! | `speed`, `service_tier`, `fallbacks` and other hints | left out and named | the same |
//! | `container`, `mcp_servers`, `inference_geo` and what else changes an answer | 400 that names it | the same |
//! | `context_management` | stays if all it asks for is compaction; else left out and named | stays |
//! | `cache_control.scope` | left out and named | the same |
//! | `cache_control.ttl` | left out and named for models before 4.5 | stays |
//! | `tools[].allowed_callers`, `tools[].custom`, `output_config.task_budget` | left out and named | the same |
//! | tools that run at Anthropic | 400 | 400, but for the search of the web |
//! | images and documents by URL, or that were uploaded | 400 | 400 if they were uploaded |
//!
//! Sources: Anthropic's Python SDK (`src/anthropic/lib/bedrock/_client.py`, `src/anthropic/lib/vertex/_client.py`); Anthropic's table of
//! features by platform, as `core/providers/anthropic/types.go` of maximhq/bifrost has it; BerriAI/litellm, which tried them:
//! `litellm/anthropic_beta_headers_config.json`, `litellm/llms/bedrock/messages/invoke_transformations/`, and
//! `litellm/llms/vertex_ai/vertex_ai_partner_models/anthropic/`.

use std::ops::Range;

use serde_json::value::RawValue;

use crate::dialect::WrittenRequest;
use crate::dialect::fields::{Fields, drop_hint};
use crate::dialect::models::claude::Claude;
use crate::dialect::quirk::{Becomes, Edits, Quirk, adapt, edited};
use crate::error::ApiError;
use crate::headers::HeaderMap;
use crate::json;
use crate::order;

/// The header with which clients turn on what is new.
const BETA: &str = "anthropic-beta";

/// What a cloud wants otherwise.
#[derive(Debug)]
pub(super) struct Cloud {
    /// What its bodies say the version of the format is.
    pub(super) version: &'static str,
    /// Whether betas stand in the body, and not in a header.
    betas_in_body: bool,
    /// The betas that it knows.
    betas: &'static [&'static str],
    /// What becomes of the body's own fields.
    fields: &'static [Quirk],
    /// Beginnings of the types of tools that it cannot run.
    tools: &'static [&'static str],
    /// Types of sources that it cannot fetch.
    sources: &'static [&'static str],
    /// Whether long conversations are cared for only by being summed up.
    only_compacts: bool,
    /// Whether an hour in the cache is known by newer models only.
    hour_is_new: bool,
}

const fn quirk(field: &'static str, becomes: Becomes) -> Quirk {
    Quirk { field, becomes }
}

pub(super) const AWS: Cloud = Cloud {
    version: "bedrock-2023-05-31",
    betas_in_body: true,
    betas: &[
        "compact-2026-01-12",
        "computer-use-2025-01-24",
        "computer-use-2025-11-24",
        "context-1m-2025-08-07",
        "context-management-2025-06-27",
        "dangerous-tool-use-2026-09-03",
        "effort-2025-11-24",
        "fine-grained-tool-streaming-2025-05-14",
        "interleaved-thinking-2025-05-14",
        "mid-conversation-output-config-2026-07-01",
        "mid-conversation-tool-changes-2026-07-01",
        "thinking-binding-controls-2026-08-01",
        "thinking-display-updates-2026-08-18",
        "tool-examples-2025-10-29",
        "tool-search-tool-2025-10-19",
    ],
    fields: &[
        quirk("stream", Becomes::Omitted),
        quirk("model", Becomes::Omitted),
        quirk("anthropic_version", Becomes::Omitted),
        quirk("anthropic_beta", Becomes::Omitted),
        quirk("betas", Becomes::Omitted),
        quirk("output_format", Becomes::Omitted),
        quirk("cache_control", Becomes::Dropped),
        quirk("diagnostics", Becomes::Dropped),
        quirk("fallback_credit_token", Becomes::Dropped),
        quirk("fallbacks", Becomes::Dropped),
        quirk("service_tier", Becomes::Dropped),
        quirk("speed", Becomes::Dropped),
        quirk("user_profile_id", Becomes::Dropped),
        quirk("workspace_id", Becomes::Dropped),
        quirk("billing_policy", Becomes::Refused(&[])),
        quirk("compaction", Becomes::Refused(&[])),
        quirk("container", Becomes::Refused(&[])),
        quirk("inference_geo", Becomes::Refused(&[])),
        quirk("mcp_servers", Becomes::Refused(&["[]"])),
        quirk("thread", Becomes::Refused(&[])),
    ],
    tools: &["web_search", "web_fetch", "code_execution", "mcp_toolset", "advisor"],
    sources: &["url", "file"],
    only_compacts: true,
    hour_is_new: true,
};

pub(super) const GOOGLE: Cloud = Cloud {
    version: "vertex-2023-10-16",
    betas_in_body: false,
    betas: &[
        "compact-2026-01-12",
        "compact-2026-09-04",
        "computer-use-2025-01-24",
        "computer-use-2025-11-24",
        "context-1m-2025-08-07",
        "context-management-2025-06-27",
        "dangerous-tool-use-2026-09-03",
        "interleaved-thinking-2025-05-14",
        "per-turn-control-2026-07-01",
        "thinking-binding-controls-2026-08-01",
        "thinking-display-updates-2026-08-18",
        "tool-search-tool-2025-10-19",
        "web-search-2025-03-05",
    ],
    fields: &[
        quirk("model", Becomes::Omitted),
        quirk("anthropic_version", Becomes::Omitted),
        quirk("anthropic_beta", Becomes::Omitted),
        quirk("betas", Becomes::Omitted),
        quirk("output_format", Becomes::Omitted),
        quirk("cache_control", Becomes::Dropped),
        quirk("diagnostics", Becomes::Dropped),
        quirk("fallback_credit_token", Becomes::Dropped),
        quirk("fallbacks", Becomes::Dropped),
        quirk("service_tier", Becomes::Dropped),
        quirk("speed", Becomes::Dropped),
        quirk("user_profile_id", Becomes::Dropped),
        quirk("workspace_id", Becomes::Dropped),
        quirk("billing_policy", Becomes::Refused(&[])),
        quirk("container", Becomes::Refused(&[])),
        quirk("inference_geo", Becomes::Refused(&[])),
        quirk("mcp_servers", Becomes::Refused(&["[]"])),
        quirk("thread", Becomes::Refused(&[])),
    ],
    tools: &["web_fetch", "code_execution", "mcp_toolset", "advisor"],
    sources: &["file"],
    only_compacts: false,
    hour_is_new: false,
};

const NO_CARE: Quirk = quirk("context_management", Becomes::Dropped);

impl Cloud {
    /// The body for `model`.
    pub(super) fn body(&self, body: &[u8], model: &str, headers: &HeaderMap) -> Result<WrittenRequest, ApiError> {
        let text = str::from_utf8(body)
            .map_err(|_| ApiError { param: None, ..ApiError::invalid("", "The request body is not valid UTF-8.") })?;
        let mut pass = Pass { text, cloud: self, model: Claude::of(model), edits: Vec::new(), dropped: Vec::new() };
        let Found { betas: mut wished, cares } = pass.whole()?;
        order::by_numbers(&mut pass.edits, |(range, _)| (range.start as u64, range.end as u64));
        let mut dropped = pass.dropped;
        let body = edited(body, &pass.edits);

        wished.splice(0..0, named(headers));
        let betas = self.known(&wished);
        if betas.len() < wished.len() {
            drop_hint(&mut dropped, BETA);
        }
        let no_care = (!cares).then_some(&NO_CARE);
        let adapted = adapt(&body, self.fields.iter().chain(no_care), &[])?;
        adapted.dropped.iter().for_each(|name| drop_hint(&mut dropped, name));
        let body = edited(&body, &adapted.edits);
        Ok(WrittenRequest { body: self.opened(body, &betas), dropped })
    }

    /// The header with the betas that this cloud knows; nothing where they stand in the body.
    pub(super) fn header(&self, name: &str, value: &str) -> Option<String> {
        let known = self.known(&value.split(',').map(|beta| beta.trim().to_owned()).collect::<Vec<_>>());
        (name == BETA && !self.betas_in_body && !known.is_empty()).then(|| known.join(","))
    }

    /// Those of the betas that this cloud knows, by its own names, each once.
    fn known(&self, wished: &[String]) -> Vec<&'static str> {
        let mut known = Vec::new();
        for beta in wished {
            // The clouds have a part of it, under its own name.
            let beta = if beta == "advanced-tool-use-2025-11-20" { "tool-search-tool-2025-10-19" } else { beta };
            let name = self.betas.iter().find(|name| **name == beta).copied();
            known.extend(name.filter(|name| !known.contains(name)));
        }
        known
    }

    /// The body with what stands at its front.
    fn opened(&self, body: Vec<u8>, betas: &[&str]) -> Vec<u8> {
        let Some(brace) = body.iter().position(|byte| *byte == b'{') else { return body };
        let mut front = format!(r#""anthropic_version":"{}""#, self.version);
        if self.betas_in_body && !betas.is_empty() {
            let betas: Vec<String> = betas.iter().map(|beta| format!("\"{beta}\"")).collect();
            front.push_str(&format!(r#","anthropic_beta":[{}]"#, betas.join(",")));
        }
        let rest = body.get(brace + 1..).unwrap_or_default();
        if !rest.trim_ascii_start().starts_with(b"}") {
            front.push(',');
        }
        edited(&body, &vec![(brace + 1..brace + 1, front)])
    }
}

/// The betas that headers name.
fn named(headers: &HeaderMap) -> Vec<String> {
    let values = headers.iter().filter(|(name, _)| *name == BETA.as_bytes());
    let values = values.filter_map(|(_, value)| str::from_utf8(value).ok());
    let betas = values.flat_map(|value| value.split(',')).map(str::trim).filter(|beta| !beta.is_empty());
    betas.map(str::to_owned).collect()
}

/// What was found in a body.
struct Found {
    betas: Vec<String>,
    /// Whether `context_management` may stay.
    cares: bool,
}

/// One look at a body, for what does not stand at its top.
struct Pass<'a> {
    text: &'a str,
    cloud: &'a Cloud,
    model: &'static Claude,
    edits: Edits,
    dropped: Vec<String>,
}

impl<'a> Pass<'a> {
    fn place(&self, raw: &RawValue) -> Range<usize> {
        let start = (raw.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        start..start + raw.get().len()
    }

    fn replace(&mut self, raw: &RawValue, with: String) {
        self.edits.push((self.place(raw), with));
    }

    fn whole(&mut self) -> Result<Found, ApiError> {
        let mut top = Fields::parse(self.text, "")?;
        let mut betas: Vec<String> = top.take("", "betas")?.unwrap_or_default();
        betas.extend(top.take::<Vec<String>>("", "anthropic_beta")?.unwrap_or_default());
        self.output(top.take_raw("output_config"), top.take_raw("output_format"))?;
        self.tools(top.take("", "tools")?.unwrap_or_default())?;
        if let Some(system) = top.take_raw("system") {
            self.blocks(system, "system")?;
        }
        let cares = self.care(top.take_raw("context_management"))?;
        if self.may_hold_more() {
            let messages: Vec<&RawValue> = top.take("", "messages")?.unwrap_or_default();
            for (index, message) in messages.into_iter().enumerate() {
                let at = format!("messages[{index}]");
                let mut message = Fields::parse(message.get(), &at)?;
                if let Some(content) = message.take_raw("content") {
                    self.blocks(content, &format!("{at}.content"))?;
                }
            }
        }
        Ok(Found { betas, cares })
    }

    /// Whether there may be anything in messages that has to be looked at: mostly there is not.
    fn may_hold_more(&self) -> bool {
        let has = |name: &str| self.text.contains(name);
        let files = self.cloud.sources.iter().any(|source| has(&format!("\"{source}\"")));
        has("\"scope\"") || files || (self.forgets_hours() && has("\"ttl\""))
    }

    fn forgets_hours(&self) -> bool {
        self.cloud.hour_is_new && !self.model.hour
    }

    /// `output_config`, with the form of the answer that stands under an older name, and without a budget for a whole task.
    fn output(&mut self, config: Option<&'a RawValue>, older: Option<&'a RawValue>) -> Result<(), ApiError> {
        let Some(raw) = config else {
            if let Some(format) = older {
                let config = format!(r#""output_config":{{"format":{}}},"#, format.get());
                self.edits.push((self.front(), config));
            }
            return Ok(());
        };
        let mut config = Fields::parse(raw.get(), "output_config")?;
        let budget = config.take_raw("task_budget").is_some();
        let format = older.filter(|_| !config.rest().any(|(name, _)| name == "format"));
        if budget {
            drop_hint(&mut self.dropped, "output_config.task_budget");
        }
        if budget || format.is_some() {
            let more = format.map(|format| ("format", format));
            self.replace(raw, written(config.rest().chain(more)));
        }
        Ok(())
    }

    /// Behind the brace that opens the body.
    fn front(&self) -> Range<usize> {
        let behind = self.text.find('{').map_or(0, |brace| brace + 1);
        behind..behind
    }

    fn tools(&mut self, tools: Vec<&'a RawValue>) -> Result<(), ApiError> {
        for (index, raw) in tools.into_iter().enumerate() {
            let at = format!("tools[{index}]");
            let mut tool = Fields::parse(raw.get(), &at)?;
            let kind = tool.rest().find(|(name, _)| *name == "type").map(|(_, kind)| kind.get().trim_matches('"'));
            if let Some(kind) = kind.filter(|kind| self.cloud.tools.iter().any(|tool| kind.starts_with(tool))) {
                let message = format!(
                    "'{at}.type': '{kind}' runs at Anthropic, and the cloud that serves this model does not offer it. \
                     Remove the tool, or use another model."
                );
                return Err(ApiError::unsupported(format!("{at}.type"), message));
            }
            let mut changed = false;
            if tool.rest().any(|(name, _)| name == "allowed_callers") {
                super::read_request::called_directly(&mut tool, &at, &mut self.dropped)?;
                changed = true;
            }
            if tool.take_raw("custom").is_some() {
                drop_hint(&mut self.dropped, "tools[].custom");
                changed = true;
            }
            let cache = tool.rest().find(|(name, _)| *name == "cache_control").map(|(_, raw)| raw);
            match cache.map(|cache| self.mark(cache)).transpose()?.flatten() {
                Some(mark) if changed => {
                    tool.take_raw("cache_control");
                    let mark = RawValue::from_string(mark).ok();
                    let mark = mark.as_deref().map(|mark| ("cache_control", mark));
                    self.replace(raw, written(tool.rest().chain(mark)));
                }
                Some(mark) => self.edits.extend(cache.map(|cache| (self.place(cache), mark))),
                None if changed => self.replace(raw, written(tool.rest())),
                None => {}
            }
        }
        Ok(())
    }

    /// Blocks, and those within the results of tools.
    fn blocks(&mut self, content: &'a RawValue, at: &str) -> Result<(), ApiError> {
        if !content.get().starts_with('[') {
            return Ok(());
        }
        let blocks: Vec<&RawValue> = json::read(content.get()).unwrap_or_default();
        for (index, raw) in blocks.into_iter().enumerate().filter(|(_, raw)| raw.get().starts_with('{')) {
            let at = format!("{at}[{index}]");
            let mut block = Fields::parse(raw.get(), &at)?;
            if let Some(cache) = block.take_raw("cache_control")
                && let Some(mark) = self.mark(cache)?
            {
                self.replace(cache, mark);
            }
            if let Some(source) = block.take_raw("source").filter(|source| source.get().starts_with('{')) {
                let kind: Option<String> = Fields::parse(source.get(), &at)?.take(&at, "type")?;
                if kind.as_deref().is_some_and(|kind| self.cloud.sources.contains(&kind)) {
                    let message = format!(
                        "'{at}': the cloud that serves this model accepts images and documents only as base64."
                    );
                    return Err(ApiError::unsupported(at, message));
                }
            }
            if let Some(inner) = block.take_raw("content") {
                self.blocks(inner, &format!("{at}.content"))?;
            }
        }
        Ok(())
    }

    /// A mark for the cache, if it has to be another one.
    fn mark(&mut self, cache: &RawValue) -> Result<Option<String>, ApiError> {
        if !cache.get().starts_with('{') {
            return Ok(None);
        }
        let mut mark = Fields::parse(cache.get(), "cache_control")?;
        let scope = mark.take_raw("scope").is_some();
        let hour = self.forgets_hours() && mark.take_raw("ttl").is_some();
        for (gone, name) in [(scope, "cache_control.scope"), (hour, "cache_control.ttl")] {
            if gone {
                drop_hint(&mut self.dropped, name);
            }
        }
        Ok((scope || hour).then(|| written(mark.rest())))
    }

    /// Whether what is asked for a long conversation can stay.
    fn care(&mut self, raw: Option<&RawValue>) -> Result<bool, ApiError> {
        let Some(raw) = raw.filter(|_| self.cloud.only_compacts) else { return Ok(true) };
        let mut fields = Fields::parse(raw.get(), "context_management")?;
        let edits: Vec<&RawValue> = fields.take("context_management", "edits")?.unwrap_or_default();
        let compacts = |edit: &&RawValue| {
            let edit = Fields::parse(edit.get(), "").ok();
            edit.and_then(|mut edit| edit.take::<String>("", "type").ok().flatten())
                .is_some_and(|kind| kind.starts_with("compact_"))
        };
        if edits.iter().all(compacts) {
            return Ok(true);
        }
        super::read_request::context_management(Some(raw), &mut self.dropped)?;
        Ok(false)
    }
}

/// An object of these fields.
fn written<'f>(fields: impl Iterator<Item = (&'f str, &'f RawValue)>) -> String {
    let mut out = "{".to_owned();
    for (name, value) in fields {
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(&serde_json::to_string(name).unwrap_or_default());
        out.push(':');
        out.push_str(value.get());
    }
    out.push('}');
    out
}
