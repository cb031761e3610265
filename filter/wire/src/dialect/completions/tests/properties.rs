//! The capabilities of this format for the property tests.

use proptest::prelude::*;

use crate::conversation::{Message, Part, Request, Role};
use crate::dialect::halves::COMPLETIONS;
use crate::dialect::laws::{ANY_TEXT, Can, Drawn, Pings, Speech, Turns, Word, laws};

use super::text;

static CAN: Can = Can {
    model: "m",
    text: ANY_TEXT,
    turns: Turns::Own(prompt),
    speech: Speech::Own(continuation),
    temperature: Some((0, 200)),
    top_p: Some((0, 100)),
    frequency_penalty: Some((-200, 200)),
    presence_penalty: Some((-200, 200)),
    seed: Some((i64::MIN, i64::MAX)),
    n: Some((1, 128)),
    must_limit: true,
    user: Word::Maybe(ANY_TEXT),
    // A streamed request always asks for usage.
    normal: |request| Request { include_usage: request.stream, ..request },
    dated: true,
    most_choices: 3,
    // The format has no calls.
    settled: true,
    pings: Pings::Never,
    fields: "model prompt choices text finish_reason stop usage prompt_tokens error message n index logprobs suffix",
    words: "length content_filter",
    ..Can::of(COMPLETIONS)
};

laws!(super::CAN);

fn prompt() -> Drawn<Vec<Message>> {
    ANY_TEXT.prop_map(|prompt| vec![Message { role: Role::User, parts: vec![text(&prompt)], name: None }]).boxed()
}

fn continuation(_: bool) -> Drawn<Vec<Part>> {
    ANY_TEXT.prop_map(|said| vec![text(&said)]).boxed()
}
