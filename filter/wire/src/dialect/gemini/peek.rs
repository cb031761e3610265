//! Answers that pass unchanged, looked at: nothing is copied out of them but the model's name and the counters.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::{Glance, Said};
use crate::error::ApiError;

use super::answer::Seen as Answer;

/// One part, and of its texts only how long they are: escapes count as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PartGlimpse<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    function_call: Option<&'a RawValue>,
    #[serde(borrow)]
    inline_data: Option<&'a RawValue>,
}

impl PartGlimpse<'_> {
    fn said(&self) -> Said {
        let text = self.text.map_or(0, |text| text.get().len().saturating_sub(2));
        let rest = [self.function_call, self.inline_data].into_iter().flatten().map(|raw| raw.get().len());
        Said::of(rest.fold(text, usize::saturating_add))
    }
}

/// Learns from an answer, and tells whether it shows something. Usage never stands alone: Google's clients always get it.
fn note(glance: &mut Glance, mut answer: Answer<'_, PartGlimpse<'_>>) -> Result<bool, ApiError> {
    if glance.model.is_none() {
        glance.name(&answer.model());
    }
    glance.usage = answer.usage_metadata.and_then(|usage| usage.inclusive()).or(glance.usage);
    let candidates = answer.candidates();
    let mut ended = candidates.is_empty() && answer.is_blocked();
    let mut said = Said::default();
    for mut candidate in candidates {
        for part in candidate.parts() {
            said += part.said();
        }
        if let Some(reason) = candidate.finish_reason {
            reason.read(false)?;
            ended = true;
        }
    }
    glance.said += said;
    glance.finished |= ended;
    Ok(ended || said.pieces > 0)
}

/// Looks at a whole answer.
pub(super) fn response(body: &[u8]) -> Result<Glance, ApiError> {
    let mut glance = Glance::default();
    note(&mut glance, Answer::whole(body)?)?;
    Ok(Glance { finished: true, ..glance })
}
