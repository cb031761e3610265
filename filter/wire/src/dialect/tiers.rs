//! Translates the service tier of a response. A client library fails on a tier that is not in its enumeration, so unknown tiers are
//! omitted.
//!
//! | provider says | OpenAI's clients read | Anthropic's |
//! |---|---|---|
//! | `default`, `standard`, Groq's `on_demand` | `default` | `standard` |
//! | `priority` | `priority` | `priority` |
//! | `auto`, `flex`, `scale` | the same | nothing |
//! | `batch` | nothing | `batch` |
//! | others: AWS's `reserved`, Groq's `performance` | nothing | nothing |
//!
//! Sources: openai-python, `ChatCompletion.service_tier`; anthropic-sdk-python, `Usage.service_tier`; console.groq.com, "Service tiers".

/// In OpenAI's terms.
pub(super) fn openais(given: &str) -> Option<&str> {
    Some(match given {
        "default" | "standard" | "on_demand" => "default",
        "auto" | "flex" | "priority" | "scale" => given,
        _ => return None,
    })
}

/// In Anthropic's terms.
pub(super) fn anthropics(given: &str) -> Option<&str> {
    Some(match given {
        "default" | "standard" | "on_demand" => "standard",
        "priority" | "batch" => given,
        _ => return None,
    })
}
