//! Normalizes the request path. Clients leave `/v1` out of a base URL, write it twice, end it with a slash, or keep the prefix of another
//! provider or gateway.
//!
//! All later steps, including a key's `endpoints` and the path for the provider, use only the canonical path. So no spelling bypasses a
//! permission.

use std::borrow::Cow;

use super::endpoint::{VERSION, is_served};

/// Prefixes of other gateways and clouds before the version: Azure and OpenRouter-like gateways use `/openai/v1`, Azure also `/anthropic`
/// (<https://learn.microsoft.com/azure/ai-foundry/foundry-models/how-to/use-foundry-models-claude>).
const PREFIXES: [&str; 2] = ["/openai", "/anthropic"];

/// The endpoint's path for `path`; `path` itself if there is none.
pub(super) fn canonical(path: &str) -> Cow<'_, str> {
    let is_tidy = !path.ends_with('/') || path == "/";
    if !path.starts_with('/') || (is_tidy && is_served(path)) {
        return path.into();
    }
    let tidy = tidy(path);
    let below = PREFIXES.iter().find_map(|prefix| below(&tidy, prefix)).unwrap_or(&tidy);
    let mut rest = below;
    while let Some(inner) = self::below(rest, VERSION) {
        rest = inner;
    }
    let whole = format!("{VERSION}{rest}");
    [tidy.as_str(), &whole]
        .into_iter()
        .find(|path| is_served(path))
        .map_or(path.into(), |found| found.to_owned().into())
}

/// Removes empty segments and the slash at the end.
fn tidy(path: &str) -> String {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    let tidy: String = segments.flat_map(|segment| ["/", segment]).collect();
    if tidy.is_empty() && path.starts_with('/') { "/".to_owned() } else { tidy }
}

/// The rest of a path below `root`.
fn below<'a>(path: &'a str, root: &str) -> Option<&'a str> {
    path.strip_prefix(root).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The gateway's address as this client sees it: only for messages to humans.
pub(super) fn origin(scheme: Option<&str>, authority: Option<&str>) -> String {
    let is_plain = |authority: &&str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
        (1..=255).contains(&authority.len()) && authority.bytes().all(plain)
    };
    let scheme = scheme.filter(|scheme| ["http", "https"].contains(scheme)).unwrap_or("http");
    format!("{scheme}://{}", authority.filter(is_plain).unwrap_or("GATEWAY"))
}

/// Whether it looks like Azure's path of a deployment, which contains the model.
pub(super) fn is_azures(path: &str) -> bool {
    tidy(path).starts_with("/openai/deployments/")
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn spellings_of_a_path_lead_to_one() {
        for (paths, expected) in [
            (
                &[
                    "/v1/chat/completions",
                    "/v1/chat/completions/",
                    "//v1///chat/completions//",
                    "/v1/v1/chat/completions",
                    "/v1/v1/v1/chat/completions",
                    "/chat/completions",
                    "/openai/v1/chat/completions",
                    "/openai/chat/completions",
                ][..],
                "/v1/chat/completions",
            ),
            (&["/messages", "/v1/v1/messages", "/anthropic/v1/messages", "/anthropic/v1/messages/"], "/v1/messages"),
            (&["/v1/v1/messages/count_tokens", "/messages/count_tokens"], "/v1/messages/count_tokens"),
            (&["/models", "/v1/models/", "/v1/v1/models", "/openai/v1/models"], "/v1/models"),
            (&["/models/openai/gpt-5", "/v1/models/openai/gpt-5/"], "/v1/models/openai/gpt-5"),
            (&["/files/file-1/content", "/v1/files//file-1/content/"], "/v1/files/file-1/content"),
            (&["/images/generations/", "/v1/v1/images/generations"], "/v1/images/generations"),
            (&["/", "//", "/v1", "/v1/", "/v1/v1"], "/"),
            (&["/health", "/health/", "//health"], "/health"),
            (&["/ready", "/ready/"], "/ready"),
        ] {
            for path in paths {
                let found = canonical(path);
                let found = if found == VERSION { "/" } else { &found };
                assert_eq!(found, expected, "{path}");
            }
        }
    }

    #[test]
    fn other_paths_stay_as_they_are() {
        for path in [
            "/v2/chat/completions",
            "/v1/chat",
            "/v1beta/models/gemini:generateContent",
            "/v1chat/completions",
            "/x/v1/chat/completions",
            "/openai/deployments/gpt/chat/completions",
            "/v1/files/../chat/completions",
            "/v1/health/../ready",
            "/metrics",
            "*",
            "",
        ] {
            assert_eq!(canonical(path), path);
        }
        assert!(is_azures("/openai//deployments/gpt/chat/completions") && !is_azures("/openai/v1/deployments"));
    }

    #[test]
    fn the_gateways_address_is_repeated_only_when_it_is_plain() {
        assert_eq!(origin(Some("https"), Some("llm.example:8443")), "https://llm.example:8443");
        assert_eq!(origin(None, Some("[::1]:80")), "http://[::1]:80");
        for odd in ["", "a b", "a/b", "<script>", "\"", &"a".repeat(256)] {
            assert_eq!(origin(Some("x"), Some(odd)), "http://GATEWAY", "{odd}");
        }
    }
}
