//! Bedrock's `Converse` and `ConverseStream`.

use super::{HEADERS, LIMITS, answer, authenticate, exception_event, refuse, request, trouble};
use crate::simulator::call::Call;
use crate::simulator::control::Control;
use crate::simulator::fault::Faults;
use crate::simulator::prompt::{Answer, Prompt};
use crate::simulator::reply::{Event, Framing, Refusal, Reply};
use crate::simulator::wire::{Asked, Chat, Trouble, Wire};

const WHOLE: &str = "/model/{id}/converse";
const STREAM: &str = "/model/{id}/converse-stream";

/// Both operations.
pub struct Converse;

impl Wire for Converse {
    fn serves(&self, call: &Call<'_>) -> bool {
        call.posts(WHOLE) || call.posts(STREAM)
    }

    fn authenticate(&self, call: &Call<'_>, control: &Control) -> Result<(), Refusal> {
        authenticate(call, control)
    }

    fn read(&self, call: &Call<'_>) -> Result<Asked, Refusal> {
        let streamed = call.captures(STREAM);
        let stream = streamed.is_some();
        let model = streamed.or_else(|| call.captures(WHOLE)).unwrap_or_default().concat();
        let prompt = request::read(&call.json()?, &model)?;
        Ok(Asked::Chat(Prompt { stream, ..prompt }, &Converse))
    }

    fn refuse(&self, refusal: &Refusal) -> Reply {
        refuse(refusal)
    }

    fn trouble(&self, about: Trouble) -> Refusal {
        trouble(about)
    }

    fn limits(&self) -> &'static [(&'static str, &'static str)] {
        &LIMITS
    }

    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &HEADERS
    }
}

impl Chat for Converse {
    fn whole(&self, _: &Prompt, answer: &Answer, faults: &Faults) -> Reply {
        Reply::json(200, &answer::whole(answer, faults))
    }

    fn stream(&self, _: &Prompt, answer: &Answer, faults: &Faults) -> Vec<Event> {
        answer::stream(answer, faults)
    }

    fn framing(&self) -> Framing {
        Framing::Frames
    }

    fn error_event(&self, refusal: &Refusal) -> Event {
        exception_event(refusal)
    }
}
