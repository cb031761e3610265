//! How the simulator misbehaves, as one small grammar: `name[+fault[=argument]]*`.
//!
//! A request asks for faults through its model's name (`gpt-sim+status=503+retry-after=1`); a script asks for the same
//! words without the name (`status=503+retry-after=1`, or `ok`). An unknown word is an error, never ignored: a test
//! that misspells a fault must fail. Counts (`=K`) are of complete stream events that go out before the fault; an answer
//! that is not streamed counts as two events, its halves.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;

/// One way to misbehave. The words of the grammar are in [`Fault::parse`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// `status=CODE`: an error with this status, in the provider's own shape.
    Status(u16),
    /// `retry-after=TEXT`: the header, on whatever is answered; of Google's services, which have none, the delay in an
    /// error's details.
    RetryAfter(String),
    /// `retry-after-ms=N`: OpenAI's header in milliseconds.
    RetryAfterMs(u64),
    /// `fails-at=STEP`: 503, where so many steps of a task are behind.
    FailsAt(usize),
    /// `context`: 400, the prompt is longer than the model's context.
    Context,
    /// `filter`: the prompt was refused by a content filter: 400, or where that is no error, an answer that says so.
    Filter,
    /// `quota`: the account has no money left: 429, or the provider's own status.
    Quota,
    /// `html`: the body is a web page; status 200 unless `status` says otherwise.
    Html,
    /// `blank`: 200 without a body.
    Blank,
    /// `error`: 200 with an error object as its body, or as the first event of a stream.
    Error,
    /// `reset`: the connection is reset before any header.
    Reset,
    /// `silence`: the request is read and never answered.
    Silence,
    /// `wait=MS`: this long before the headers.
    Wait(Duration),
    /// `first=MS`: headers at once, then this long before the first byte of the body.
    First(Duration),
    /// `every=MS`: this long between two events.
    Every(Duration),
    /// `pause-after=K`: nothing more comes until the test has it go on, once it has seen what came before; then the rest.
    PauseAfter(usize),
    /// `reset-after=K`: the connection is reset.
    ResetAfter(usize),
    /// `close-after=K`: the connection is closed in order, the body is not ended.
    CloseAfter(usize),
    /// `eof-after=K`: the body is ended in order, too early.
    EofAfter(usize),
    /// `stall-after=K`: nothing more comes, and the connection stays.
    StallAfter(usize),
    /// `stays=MS`: with `stall-after`, for so long; then it is closed.
    Stays(Duration),
    /// `done-after=K`: the terminator comes, too early, and the body is ended in order.
    DoneAfter(usize),
    /// `endless-after=K`: an event that does not end within 16 GiB; for a K above the number of events, behind all of them.
    EndlessAfter(usize),
    /// `flood-after=K`: 16 GiB of the smallest events there are, likewise.
    FloodAfter(usize),
    /// `malformed-after=K`: an event that is not JSON, then the stream goes on.
    MalformedAfter(usize),
    /// `corrupt-after=K`: an event whose last byte is not as it was: in Amazon's frames, of the checksum.
    CorruptAfter(usize),
    /// `error-after=K`: an error event, then the end without a terminator.
    ErrorAfter(usize),
    /// `no-end`: what ends a stream is missing: `[DONE]`, `message_stop`, `response.completed`, a finish reason of
    /// Gemini's, `messageStop` and what follows it, `message-end`.
    NoEnd,
    /// `empty`: an answer that says nothing (no choices, no content, no output).
    Empty,
    /// `huge=MIB`: a text of this many MiB.
    Huge(usize),
    /// `large=KIB`: a text whose first token is so many KiB long, in one event.
    Large(usize),
    /// `tokens=N`: a text of N tokens, short ones, one event each.
    Tokens(usize),
    /// `long=N`: each answer is counted as N tokens, or as many as the request allows, however little it says.
    Long(u64),
    /// `bytewise`: each byte of the prompt's text is a token, as tokenizers have it of letters that they hardly know.
    Bytewise,
    /// `cached=N`: this many of the prompt's tokens came from the provider's cache.
    Cached(u64),
    /// `stop=REASON`: the finish reason, given in the provider's own word, known or not.
    Stop(String),
    /// `other-form`: a stream where none was asked for, and an answer in one piece where one was.
    OtherForm,
    /// `no-usage`: usage is missing.
    NoUsage,
    /// `counts=JSON`: each number of the usage that is told is this instead.
    Counts(Value),
    /// `usage=JSON`: the usage that is told is this instead.
    Usage(Value),
    /// `gzip`: the body is compressed, asked for or not.
    Gzip,
    /// `headers`: surplus headers: `content-encoding: identity`, cookies, the provider's rate limits.
    Headers,
    /// `extra`: fields and events that no documentation names.
    Extra,
    /// `comments`: SSE comments between events.
    Comments,
    /// `crlf`: SSE lines end in CR LF.
    Crlf,
    /// `whole`: one write for each event, not cut.
    Whole,
    /// `burst`: the whole stream in one write.
    Burst,
    /// `seed=N`: where a stream is cut.
    Seed(u64),
}

impl Fault {
    fn parse(word: &str) -> Result<Self, BadFault> {
        let (name, argument) = match word.split_once('=') {
            Some((name, argument)) => (name, Some(argument)),
            None => (word, None),
        };
        let bad = || BadFault(word.to_owned());
        let text = || argument.filter(|text| !text.is_empty()).map(str::to_owned).ok_or_else(bad);
        fn number<T: FromStr>(argument: Option<&str>, word: &str) -> Result<T, BadFault> {
            argument.and_then(|text| text.parse().ok()).ok_or_else(|| BadFault(word.to_owned()))
        }
        let json = || serde_json::from_str(argument.unwrap_or_default()).map_err(|_| bad());
        let count = || number::<usize>(argument, word);
        let millis = || number::<u64>(argument, word).map(Duration::from_millis);
        Ok(match name {
            "status" => Self::Status(number(argument, word).ok().filter(|c| (200..=599).contains(c)).ok_or_else(bad)?),
            "retry-after" => Self::RetryAfter(text()?),
            "retry-after-ms" => Self::RetryAfterMs(number(argument, word)?),
            "wait" => Self::Wait(millis()?),
            "first" => Self::First(millis()?),
            "every" => Self::Every(millis()?),
            "pause-after" => Self::PauseAfter(count()?),
            "fails-at" => Self::FailsAt(count()?),
            "reset-after" => Self::ResetAfter(count()?),
            "close-after" => Self::CloseAfter(count()?),
            "eof-after" => Self::EofAfter(count()?),
            "stall-after" => Self::StallAfter(count()?),
            "stays" => Self::Stays(millis()?),
            "done-after" => Self::DoneAfter(count()?),
            "endless-after" => Self::EndlessAfter(count()?),
            "flood-after" => Self::FloodAfter(count()?),
            "malformed-after" => Self::MalformedAfter(count()?),
            "corrupt-after" => Self::CorruptAfter(count()?),
            "error-after" => Self::ErrorAfter(count()?),
            "huge" => Self::Huge(count()?),
            "large" => Self::Large(count()?),
            "tokens" => Self::Tokens(count()?),
            "long" => Self::Long(number(argument, word)?),
            "counts" => Self::Counts(json()?),
            "usage" => Self::Usage(json()?),
            "cached" => Self::Cached(number(argument, word)?),
            "stop" => Self::Stop(text()?),
            "seed" => Self::Seed(number(argument, word)?),
            _ if argument.is_some() => return Err(bad()),
            "context" => Self::Context,
            "filter" => Self::Filter,
            "quota" => Self::Quota,
            "html" => Self::Html,
            "blank" => Self::Blank,
            "error" => Self::Error,
            "reset" => Self::Reset,
            "silence" => Self::Silence,
            "no-end" => Self::NoEnd,
            "empty" => Self::Empty,
            "bytewise" => Self::Bytewise,
            "other-form" => Self::OtherForm,
            "no-usage" => Self::NoUsage,
            "gzip" => Self::Gzip,
            "headers" => Self::Headers,
            "extra" => Self::Extra,
            "comments" => Self::Comments,
            "crlf" => Self::Crlf,
            "whole" => Self::Whole,
            "burst" => Self::Burst,
            _ => return Err(bad()),
        })
    }
}

/// Faults that act together on one request; none is a plain answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// What a model's name asks for: all that follows its first `+`.
    pub fn of_model(model: &str) -> Result<Self, BadFault> {
        model.split_once('+').map_or_else(|| Ok(Self::default()), |(_, words)| words.parse())
    }

    /// The faults, in the order written.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.0.iter()
    }

    /// Whether this one is among them.
    pub fn has(&self, fault: &Fault) -> bool {
        self.0.contains(fault)
    }
}

impl FromStr for Faults {
    type Err = BadFault;

    fn from_str(words: &str) -> Result<Self, BadFault> {
        if words.is_empty() || words == "ok" {
            return Ok(Self::default());
        }
        words.split('+').map(Fault::parse).collect::<Result<_, _>>().map(Self)
    }
}

/// A word that the grammar does not know, or whose argument is not what it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadFault(String);

impl fmt::Display for BadFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the simulator knows no fault `{}`", self.0)
    }
}

impl std::error::Error for BadFault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_plus_asks_for_nothing() {
        assert_eq!(Faults::of_model("gpt-sim"), Ok(Faults::default()));
        assert_eq!("ok".parse(), Ok(Faults::default()));
    }

    #[test]
    fn faults_follow_the_name_in_their_order() {
        let faults = Faults::of_model("claude-sim+status=529+retry-after=1").unwrap();
        assert_eq!(faults.0, [Fault::Status(529), Fault::RetryAfter("1".to_owned())]);
    }

    #[test]
    fn unknown_words_and_wrong_arguments_are_errors() {
        for words in
            ["stat", "status", "status=0", "status=x", "reset=1", "tokens=-1", "counts=", "counts=x", "stop=", "", "+"]
        {
            let parsed = Faults::of_model(&format!("m+reset+{words}"));
            assert!(parsed.is_err(), "{words:?} gave {parsed:?}");
        }
    }
}
