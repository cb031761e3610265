//! Tests every row of the field table, each with a request that has the field.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::dialect::FieldPolicy;

/// A row's name, and the additions to a minimal request that use the field.
const SAMPLES: &[(&str, Sample)] = &[
    ("model", Sample::Least),
    ("messages", Sample::Least),
    ("max_tokens", Sample::Least),
    ("system", Sample::Fields(r#""system":"s""#)),
    ("tools", Sample::Tool("")),
    ("tool_choice", Sample::Fields(r#""tool_choice":{"type":"auto"}"#)),
    ("stop_sequences", Sample::Fields(r#""stop_sequences":["END"]"#)),
    ("temperature", Sample::Fields(r#""temperature":0.5"#)),
    ("top_p", Sample::Fields(r#""top_p":0.5"#)),
    ("top_k", Sample::Fields(r#""top_k":5"#)),
    ("thinking", Sample::Fields(r#""thinking":{"type":"adaptive"}"#)),
    ("output_config", Sample::Fields(r#""output_config":{"effort":"low"}"#)),
    ("output_format", Sample::Fields(r#""output_format":{"type":"json_schema","schema":{}}"#)),
    ("metadata", Sample::Fields(r#""metadata":{"user_id":"u"}"#)),
    ("service_tier", Sample::Fields(r#""service_tier":"auto""#)),
    ("stream", Sample::Fields(r#""stream":true"#)),
    ("betas", Sample::Fields(r#""betas":["interleaved-thinking-2025-05-14"]"#)),
    ("cache_control", Sample::Fields(r#""cache_control":{"type":"ephemeral"}"#)),
    (
        "context_management",
        Sample::Fields(r#""context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]}"#),
    ),
    ("diagnostics", Sample::Fields(r#""diagnostics":{"previous_message_id":"msg_1"}"#)),
    ("fallback_credit_token", Sample::Fields(r#""fallback_credit_token":"t""#)),
    ("fallbacks", Sample::Fields(r#""fallbacks":"default""#)),
    ("speed", Sample::Fields(r#""speed":"fast""#)),
    ("user_profile_id", Sample::Fields(r#""user_profile_id":"u""#)),
    ("workspace_id", Sample::Fields(r#""workspace_id":"w""#)),
    ("billing_policy", Sample::Fields(r#""billing_policy":{"type":"billing_policy"}"#)),
    ("compaction", Sample::Fields(r#""compaction":{"type":"summarize"}"#)),
    ("container", Sample::Fields(r#""container":"c""#)),
    ("inference_geo", Sample::Fields(r#""inference_geo":"us""#)),
    ("mcp_servers", Sample::Fields(r#""mcp_servers":[{"type":"url","url":"https://m.test","name":"m"}]"#)),
    ("thread", Sample::Fields(r#""thread":{"type":"create"}"#)),
    ("output_config.task_budget", Sample::Fields(r#""output_config":{"task_budget":{"type":"tokens","total":9}}"#)),
    ("thinking.block_binding", Sample::Fields(r#""thinking":{"type":"adaptive","block_binding":{}}"#)),
    ("thinking.display", Sample::Fields(r#""thinking":{"type":"adaptive","display":"omitted"}"#)),
    ("tools[].allowed_callers", Sample::Tool(r#","allowed_callers":["direct","code_execution_20260120"]"#)),
    ("tools[].cache_control", Sample::Tool(r#","cache_control":{"type":"ephemeral","ttl":"1h"}"#)),
    ("tools[].defer_loading", Sample::Tool(r#","defer_loading":true"#)),
    ("tools[].eager_input_streaming", Sample::Tool(r#","eager_input_streaming":true"#)),
    ("tools[].input_examples", Sample::Tool(r#","input_examples":[{}]"#)),
    ("tools[].strict", Sample::Tool(r#","strict":true"#)),
    ("messages[].role", Sample::Turn(r#"{"role":"system","content":"Be brief."}"#)),
    ("messages[].clear_at", Sample::Turn(r#"{"role":"system","content":"Now.","clear_at":"next_user_message"}"#)),
    (
        "messages[].output_config",
        Sample::Turn(r#"{"role":"system","content":"Now.","output_config":{"effort":"low"}}"#),
    ),
    ("messages[].content[].text", Sample::Block(r#"{"type":"text","text":"a"}"#)),
    ("messages[].content[].text.citations", Sample::Block(r#"{"type":"text","text":"a","citations":[{}]}"#)),
    (
        "messages[].content[].cache_control",
        Sample::Block(r#"{"type":"text","text":"a","cache_control":{"type":"ephemeral","scope":"global"}}"#),
    ),
    (
        "messages[].content[].image",
        Sample::Block(r#"{"type":"image","source":{"type":"url","url":"https://i.test/i.png"}}"#),
    ),
    (
        "messages[].content[].image.transformations",
        Sample::Block(r#"{"type":"image","source":{"type":"url","url":"https://i.test"},"transformations":{}}"#),
    ),
    (
        "messages[].content[].document",
        Sample::Block(
            r#"{"type":"document","source":{"type":"content","content":"words"},"citations":{"enabled":false}}"#,
        ),
    ),
    (
        "messages[].content[].document.citations",
        Sample::Block(
            r#"{"type":"document","source":{"type":"content","content":"words"},"citations":{"enabled":true}}"#,
        ),
    ),
    (
        "messages[].content[].search_result",
        Sample::Block(r#"{"type":"search_result","source":"https://s.test","title":"t","content":[]}"#),
    ),
    (
        "messages[].content[].search_result.citations",
        Sample::Block(r#"{"type":"search_result","source":"s","title":"t","content":[],"citations":{"enabled":true}}"#),
    ),
    ("messages[].content[].thinking", Sample::Block(r#"{"type":"thinking","thinking":"a","signature":"s"}"#)),
    ("messages[].content[].redacted_thinking", Sample::Block(r#"{"type":"redacted_thinking","data":"d"}"#)),
    ("messages[].content[].tool_use", Sample::Block(r#"{"type":"tool_use","id":"t","name":"f","input":{}}"#)),
    (
        "messages[].content[].tool_use.cache_control",
        Sample::Block(r#"{"type":"tool_use","id":"t","name":"f","input":{},"cache_control":{"type":"ephemeral"}}"#),
    ),
    (
        "messages[].content[].tool_use.caller",
        Sample::Block(r#"{"type":"tool_use","id":"t","name":"f","input":{},"caller":{"type":"direct"}}"#),
    ),
    (
        "messages[].content[].tool_use.toolset_name",
        Sample::Block(r#"{"type":"tool_use","id":"t","name":"f","input":{},"toolset_name":"s"}"#),
    ),
    ("messages[].content[].tool_result", Sample::Block(r#"{"type":"tool_result","tool_use_id":"t","content":"ok"}"#)),
    (
        "messages[].content[].tool_result.toolset_name",
        Sample::Block(r#"{"type":"tool_result","tool_use_id":"t","content":"ok","toolset_name":"s"}"#),
    ),
    (
        "messages[].content[].tool_reference",
        Sample::Block(
            r#"{"type":"tool_result","tool_use_id":"t","content":[{"type":"tool_reference","tool_name":"f"}]}"#,
        ),
    ),
    ("messages[].content[].compaction", Sample::Block(r#"{"type":"compaction","content":"So far."}"#)),
    (
        "messages[].content[].compaction.signature",
        Sample::Block(r#"{"type":"compaction","content":"So far.","signature":"s"}"#),
    ),
    (
        "messages[].content[].compaction.tool_changes",
        Sample::Block(r#"{"type":"compaction","content":"So far.","tool_changes":[{}]}"#),
    ),
    (
        "messages[].content[].fallback",
        Sample::Block(r#"{"type":"fallback","from":{"model":"a"},"to":{"model":"b"},"trigger":null}"#),
    ),
    (
        "messages[].content[].server_tool_use",
        Sample::Block(r#"{"type":"server_tool_use","id":"s","name":"web_search","input":{}}"#),
    ),
    ("messages[].content[].mcp_tool_use", Sample::Block(r#"{"type":"mcp_tool_use","id":"s","name":"f","input":{}}"#)),
    ("messages[].content[].container_upload", Sample::Block(r#"{"type":"container_upload","file_id":"f"}"#)),
    ("messages[].content[].tool_addition", Sample::Block(r#"{"type":"tool_addition","tool":{}}"#)),
    ("messages[].content[].browser_state", Sample::Block(r#"{"type":"browser_state","tabs":[]}"#)),
];

#[derive(Debug, Clone, Copy)]
enum Sample {
    /// A minimal request.
    Least,
    /// Fields of the request.
    Fields(&'static str),
    /// A tool with these fields.
    Tool(&'static str),
    /// A turn after the first.
    Turn(&'static str),
    /// A block of an assistant's turn, or of the turn that follows it.
    Block(&'static str),
}

impl Sample {
    fn body(self) -> String {
        let (mut more, mut turn) = (String::new(), String::new());
        match self {
            Self::Least => {}
            Self::Fields(fields) => more = format!(",{fields}"),
            Self::Tool(fields) => more = format!(r#","tools":[{{"name":"f","input_schema":{{}}{fields}}}]"#),
            Self::Turn(text) => turn = format!(",{text}"),
            Self::Block(block) => turn = format!(r#",{{"role":"assistant","content":[{block}]}}"#),
        }
        format!(r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"Hi"}}{turn}]{more}}}"#)
    }
}

#[test]
fn fields_share_the_fates_of_the_table() {
    let rows: Vec<&str> = ANTHROPIC.fields().iter().map(|(name, ..)| *name).collect();
    let samples: Vec<&str> = SAMPLES.iter().map(|(name, _)| *name).collect();
    assert_eq!(rows, samples, "each row has its sample, in the same order");
    for ((name, policy, _), (_, sample)) in ANTHROPIC.fields().iter().zip(SAMPLES) {
        let read = ANTHROPIC.read_request(sample.body().as_bytes());
        match policy {
            FieldPolicy::Refused => {
                let error = read.expect_err(name);
                assert_eq!((error.status, error.code.as_deref()), (400, Some("unsupported_parameter")), "{name}");
                let blamed = error.param.unwrap_or_default();
                let at = blamed.replace("[0]", "[]").replace("[1]", "[]");
                assert!(
                    !at.is_empty()
                        && (name.starts_with(&*at) || at.ends_with(".citations") || at.ends_with(".tool_changes")),
                    "{name}: {blamed}"
                );
            }
            FieldPolicy::Dropped => assert_eq!(read.expect(name).dropped, [*name], "{name}"),
            FieldPolicy::Mapped => assert_eq!(read.expect(name).dropped, Vec::<String>::new(), "{name}"),
        }
    }
    // These values pass because they have no effect.
    let nothing = Sample::Fields(r#""mcp_servers":[],"container":null"#).body();
    assert_eq!(ANTHROPIC.read_request(nothing.as_bytes()).unwrap().dropped, Vec::<String>::new());
}
