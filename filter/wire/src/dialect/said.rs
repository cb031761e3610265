//! Reads messages of providers' errors, and derives the kind of error from them.

use crate::error::ErrorKind;

/// Longer messages are cut: the rest explains nothing more, and may quote sensitive data.
const LONGEST_MESSAGE: usize = 1024;

/// The longest non-JSON body used as a message: a proxy's one line, not a page.
const LONGEST_PLAIN: usize = 200;

/// The message in a body that is not JSON; empty if there is none.
pub(super) fn plain(body: &[u8]) -> &str {
    let plain = str::from_utf8(body).unwrap_or_default().trim();
    let short = plain.len() <= LONGEST_PLAIN && !plain.starts_with(['<', '{', '[', '"']);
    if short { plain } else { "" }
}

/// Cuts a message at a character boundary.
pub(super) fn cut(said: &str) -> &str {
    said.get(..said.floor_char_boundary(LONGEST_MESSAGE)).unwrap_or(said)
}

/// Whether a message indicates `cause`. Errors about the gateway's own account disable it for all clients, so their cause must be at the
/// front: a message about a request may quote the client's text later on.
pub(super) fn tells(said: &str, cause: &str, kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Authentication | ErrorKind::InsufficientQuota => said.starts_with(cause),
        _ => said.contains(cause),
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use crate::dialect::halves::{ANTHROPIC, BEDROCK, GEMINI};
    use crate::error::ErrorKind;

    #[test]
    fn a_client_whose_words_are_quoted_does_not_put_the_gateways_account_out_of_use() {
        let anthropic = |said: &str| {
            let body = format!(r#"{{"type":"error","error":{{"type":"invalid_request_error","message":"{said}"}}}}"#);
            ANTHROPIC.read_error(400, None, body.as_bytes()).kind
        };
        let bedrock = |said: &str| {
            let body = format!(r#"{{"message":"{said}"}}"#);
            BEDROCK.read_error(400, Some("ValidationException"), body.as_bytes()).kind
        };
        let gemini = |said: &str| {
            let body = format!(r#"{{"error":{{"code":400,"status":"INVALID_ARGUMENT","message":"{said}"}}}}"#);
            GEMINI.read_error(400, None, body.as_bytes()).kind
        };
        let spent = "Your credit balance is too low to access the API.";
        assert_eq!((anthropic(spent), bedrock(spent)), (ErrorKind::InsufficientQuota, ErrorKind::InsufficientQuota));
        assert_eq!(gemini("API key not valid. Please pass a valid API key."), ErrorKind::Authentication);
        let quoted = |said: &str| format!("messages.0.content.0.type: Input tag '{said}' is none of those expected.");
        for read in [&anthropic as &dyn Fn(&str) -> ErrorKind, &bedrock, &gemini] {
            for said in [spent, "You have reached your specified API usage limits", "API key not valid", "spend limit"]
            {
                assert_eq!(read(&quoted(said)), ErrorKind::InvalidRequest, "{said}");
            }
        }
    }
}
