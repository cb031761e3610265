//! Thought signatures: Google's seals on the reasoning behind a part, which want to come back on the part they came with.
//!
//! In the conversation a seal is the signature of a `Thinking` before that part. Clients of OpenAI's format gather all
//! reasoning before the text and the calls of a message, so a seal also says whether it came with a text.

use crate::conversation::seal;

/// Whose seals they are.
const OWNER: &str = "gemini";
/// Leads a seal that came with a text; base64 has no colon.
const OF_TEXT: &str = "text:";

/// The seal that Google documents for calls its models did not make: Gemini 3 answers 400 when the first call of a step has
/// none.
pub(super) const UNSEALED_CALL: &str = "skip_thought_signature_validator";

/// What a seal came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seal<'a> {
    /// A call, or a thought.
    Call(&'a str),
    /// A text, which may be empty.
    Text(&'a str),
}

impl<'a> Seal<'a> {
    /// The seal in the conversation's `marked`, if it is Google's.
    pub(super) fn of(marked: &'a str) -> Option<Self> {
        let signature = seal::of(OWNER, marked)?;
        let (of_text, signature) = match signature.strip_prefix(OF_TEXT) {
            Some(signature) => (true, signature),
            None => (false, signature),
        };
        (!signature.is_empty()).then_some(if of_text { Self::Text(signature) } else { Self::Call(signature) })
    }

    /// As Google made it.
    pub(super) fn signature(self) -> &'a str {
        let (Self::Call(signature) | Self::Text(signature)) = self;
        signature
    }

    /// As the conversation holds it.
    pub(super) fn marked(self) -> String {
        match self {
            Self::Call(signature) => seal::mark(OWNER, signature),
            Self::Text(signature) => seal::mark(OWNER, &format!("{OF_TEXT}{signature}")),
        }
    }
}
