//! Thought signatures: Google's signatures on the reasoning behind a part, which must come back on the same part.
//!
//! In the conversation a signature is the `signature` of a `Thinking` before that part. Clients of OpenAI's format gather all reasoning
//! before the text and the calls of a message, so a signature also says whether it came with a text.

use crate::conversation::signature;

/// The owner of Google's signatures.
const OWNER: &str = "gemini";
/// The prefix of a signature that came with a text; base64 has no colon.
const OF_TEXT: &str = "text:";

/// The signature that Google documents for calls that its models did not make: Gemini 3 answers 400 if the first call of a step has none.
pub(super) const UNSIGNED_CALL: &str = "skip_thought_signature_validator";

/// A signature, by the part that it came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signature<'a> {
    /// With a call or a thought.
    Call(&'a str),
    /// With a text, which may be empty.
    Text(&'a str),
}

impl<'a> Signature<'a> {
    /// Parses the conversation's `marked`; `None` if the signature is not Google's.
    pub(super) fn of(marked: &'a str) -> Option<Self> {
        let signature = signature::of(OWNER, marked)?;
        let (of_text, signature) = match signature.strip_prefix(OF_TEXT) {
            Some(signature) => (true, signature),
            None => (false, signature),
        };
        (!signature.is_empty()).then_some(if of_text { Self::Text(signature) } else { Self::Call(signature) })
    }

    /// The signature in Google's form.
    pub(super) fn signature(self) -> &'a str {
        let (Self::Call(signature) | Self::Text(signature)) = self;
        signature
    }

    /// The signature in the conversation's form.
    pub(super) fn marked(self) -> String {
        match self {
            Self::Call(signature) => signature::mark(OWNER, signature),
            Self::Text(signature) => signature::mark(OWNER, &format!("{OF_TEXT}{signature}")),
        }
    }
}
