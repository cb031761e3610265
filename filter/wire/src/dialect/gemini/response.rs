//! Reads whole responses.

use crate::conversation::{Choice, Finish, Guises, Part, Response};
use crate::dialect::functions::made_up_id;
use crate::error::ApiError;

use super::answer::{Candidate, FinishReason, ReceivedParts, ResponseIn};

/// Reads a provider's response.
pub(super) fn read(body: &[u8]) -> Result<Response, ApiError> {
    let mut seen = ResponseIn::whole(body)?;
    let id = seen.id();
    let candidates = seen.candidates();
    let choices = if candidates.is_empty() {
        let parts = seen.why_blocked().map(|text| Part::Refusal { text }).into_iter().collect();
        vec![Choice { parts, finish: Finish::ContentFilter }]
    } else {
        (0..).zip(candidates).map(|(position, seen)| choice(&id, position, seen)).collect::<Result<_, _>>()?
    };
    Ok(Response {
        model: seen.model(),
        id,
        created: None,
        choices,
        usage: seen.usage_metadata.and_then(|usage| usage.inclusive()),
        service_tier: None,
        guises: Guises::none(),
    })
}

fn choice(answer: &str, position: u32, mut seen: Candidate<'_>) -> Result<Choice, ApiError> {
    let number = seen.index.unwrap_or(position);
    let mut received = ReceivedParts::default();
    for part in seen.parts() {
        received.add(part, |call| made_up_id(answer, number, call))?;
    }
    let finish = seen.finish_reason.unwrap_or(FinishReason::Stop).read(received.calls > 0)?;
    received.parts.extend(seen.why(finish).map(|text| Part::Refusal { text }));
    Ok(Choice { parts: received.parts, finish })
}
