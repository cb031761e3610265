//! Converts a client's request in Anthropic's format for a cloud that hosts Anthropic's models: the same bytes with a few edits. Nothing is
//! translated, so fields that only Anthropic and its clients know arrive.
//!
//! | in the client's request | at AWS | at Google |
//! |---|---|---|
//! | `model` | in the path | in the path |
//! | `stream` | in the path | unchanged |
//! | header `anthropic-version` | `anthropic_version` in the body | the same |
//! | header `anthropic-beta`, `betas` | `anthropic_beta` in the body | the header |
//! | betas unknown to the cloud | dropped and reported, as they would be a 400 | the same |
//! | `output_format`, the older name | `output_config.format` | the same |
//! | `speed`, `service_tier`, `fallbacks` and other hints | dropped and reported | the same |
//! | `container`, `mcp_servers`, `inference_geo` and others that change a response | 400 that names the field | the same |
//! | `context_management` | unchanged if it only asks for compaction; else dropped and reported | unchanged |
//! | `cache_control.scope` | dropped and reported | the same |
//! | `cache_control.ttl` | dropped and reported for models before 4.5 | unchanged |
//! | `tools[].allowed_callers`, `tools[].custom`, `output_config.task_budget` | dropped and reported | the same |
//! | tools that run at Anthropic | 400 | 400, except web search |
//! | images and documents by URL, or uploaded ones | 400 | 400 if uploaded |
//!
//! Sources: Anthropic's Python SDK (`src/anthropic/lib/bedrock/_client.py`, `src/anthropic/lib/vertex/_client.py`); Anthropic's table of
//! features by platform, as `core/providers/anthropic/types.go` of maximhq/bifrost has it; BerriAI/litellm, which tested them:
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

/// The header that enables beta features.
const BETA: &str = "anthropic-beta";

/// The edits that a cloud requires.
#[derive(Debug)]
pub(super) struct Cloud {
    /// The format's version in its bodies.
    pub(super) version: &'static str,
    /// Whether betas are in the body, and not in a header.
    betas_in_body: bool,
    /// The betas that it supports.
    betas: &'static [&'static str],
    /// The policy for the body's own fields.
    fields: &'static [Quirk],
    /// Prefixes of the types of tools that it cannot run.
    tools: &'static [&'static str],
    /// Types of sources that it cannot fetch.
    sources: &'static [&'static str],
    /// Whether compaction is the only context management.
    only_compacts: bool,
    /// Whether only newer models take a cache lifetime of an hour.
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
    /// Returns the body for `model`.
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

    /// The header with the betas that this cloud supports; `None` if betas are in the body.
    pub(super) fn header(&self, name: &str, value: &str) -> Option<String> {
        let known = self.known(&value.split(',').map(|beta| beta.trim().to_owned()).collect::<Vec<_>>());
        (name == BETA && !self.betas_in_body && !known.is_empty()).then(|| known.join(","))
    }

    /// The betas in `wished` that this cloud supports, by its own names, without duplicates.
    fn known(&self, wished: &[String]) -> Vec<&'static str> {
        let mut known = Vec::new();
        for beta in wished {
            // The clouds support a part of it, under its own name.
            let beta = if beta == "advanced-tool-use-2025-11-20" { "tool-search-tool-2025-10-19" } else { beta };
            let name = self.betas.iter().find(|name| **name == beta).copied();
            known.extend(name.filter(|name| !known.contains(name)));
        }
        known
    }

    /// Inserts the version and the betas at the front of the body.
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

/// The betas named by headers.
fn named(headers: &HeaderMap) -> Vec<String> {
    let values = headers.iter().filter(|(name, _)| *name == BETA.as_bytes());
    let values = values.filter_map(|(_, value)| str::from_utf8(value).ok());
    let betas = values.flat_map(|value| value.split(',')).map(str::trim).filter(|beta| !beta.is_empty());
    betas.map(str::to_owned).collect()
}

struct Found {
    betas: Vec<String>,
    /// Whether `context_management` may stay.
    cares: bool,
}

/// Walks a body for edits below the top level.
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

    /// Whether the messages may need edits; most requests need none.
    fn may_hold_more(&self) -> bool {
        let has = |name: &str| self.text.contains(name);
        let files = self.cloud.sources.iter().any(|source| has(&format!("\"{source}\"")));
        has("\"scope\"") || files || (self.forgets_hours() && has("\"ttl\""))
    }

    fn forgets_hours(&self) -> bool {
        self.cloud.hour_is_new && !self.model.hour
    }

    /// Edits `output_config`: adds the response format from the older field and removes the task budget.
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

    /// The empty range behind the opening brace of the body.
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

    /// Edits blocks, and those inside tool results.
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

    /// Returns the replacement for a cache mark, if it needs one.
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

    /// Whether `context_management` can stay.
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

/// Writes an object of these fields.
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
