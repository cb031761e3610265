//! Google's Vertex AI: Google's and Anthropic's models in their own formats, at paths with project, location and model.
//! Requests carry a Google Cloud token.

use super::{Asked, Trouble, Wire, anthropic, gemini};
use crate::simulator::call::Call;
use crate::simulator::control::Control;
use crate::simulator::reply::{Refusal, Reply};

const WHOLE: &str = "/v1/projects/{project}/locations/{place}/publishers/google/models/{model}:generateContent";
const STREAM: &str = "/v1/projects/{project}/locations/{place}/publishers/google/models/{model}:streamGenerateContent";
const RAW: &str = "/v1/projects/{project}/locations/{place}/publishers/anthropic/models/{model}:rawPredict";
const RAW_STREAM: &str =
    "/v1/projects/{project}/locations/{place}/publishers/anthropic/models/{model}:streamRawPredict";

/// Google's models.
pub struct Google;

/// Anthropic's models.
pub struct Anthropic;

fn authenticate(call: &Call<'_>, control: &Control) -> Result<(), Refusal> {
    if control.accepts(call.bearer()) {
        return Ok(());
    }
    Err(Refusal::new(
        401,
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.",
    ))
}

/// The model in a path that matches one of the patterns, and whether the second matched.
fn model(call: &Call<'_>, whole: &str, stream: &str) -> (String, bool) {
    let streamed = call.captures(stream);
    let stream = streamed.is_some();
    (streamed.or_else(|| call.captures(whole)).and_then(|mut found| found.pop()).unwrap_or_default(), stream)
}

impl Wire for Google {
    fn serves(&self, call: &Call<'_>) -> bool {
        call.posts(WHOLE) || call.posts(STREAM)
    }

    fn authenticate(&self, call: &Call<'_>, control: &Control) -> Result<(), Refusal> {
        authenticate(call, control)
    }

    fn read(&self, call: &Call<'_>) -> Result<Asked, Refusal> {
        let (model, stream) = model(call, WHOLE, STREAM);
        gemini::read(call, &model, stream)
    }

    fn refuse(&self, refusal: &Refusal) -> Reply {
        Reply::json(refusal.status, &gemini::error(refusal))
    }

    fn trouble(&self, trouble: Trouble) -> Refusal {
        gemini::trouble(trouble)
    }

    fn limits(&self) -> &'static [(&'static str, &'static str)] {
        &gemini::LIMITS
    }

    fn hints_in_bodies(&self) -> bool {
        true
    }
}

impl Wire for Anthropic {
    fn serves(&self, call: &Call<'_>) -> bool {
        call.posts(RAW) || call.posts(RAW_STREAM)
    }

    fn authenticate(&self, call: &Call<'_>, control: &Control) -> Result<(), Refusal> {
        authenticate(call, control)
    }

    fn read(&self, call: &Call<'_>) -> Result<Asked, Refusal> {
        let (model, stream) = model(call, RAW, RAW_STREAM);
        let prompt = anthropic::request::hosted(call.json()?, &model, "vertex-2023-10-16", stream)?;
        Ok(Asked::Chat(prompt, &anthropic::Messages))
    }

    /// Authentication and quota errors are in Google's format, others in Anthropic's.
    fn refuse(&self, refusal: &Refusal) -> Reply {
        match refusal.status {
            401 | 403 | 404 | 429 => Google.refuse(refusal),
            _ => anthropic::refuse(refusal),
        }
    }

    fn trouble(&self, trouble: Trouble) -> Refusal {
        anthropic::Messages.trouble(trouble)
    }

    fn limits(&self) -> &'static [(&'static str, &'static str)] {
        &gemini::LIMITS
    }

    fn hints_in_bodies(&self) -> bool {
        true
    }
}
