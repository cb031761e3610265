//! The grammar of the simulator's faults: `name[+fault[=argument]]*`.
//!
//! A request asks for faults through its model name (`gpt-sim+status=503+retry-after=1`). A script contains the same
//! words without the name (`status=503+retry-after=1`, or `ok`). An unknown word is an error, so that a test with a
//! misspelled fault fails. Counts (`=K`) are of complete stream events before the fault; a response that is not
//! streamed counts as two events, its halves.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;

/// A fault. [`Fault::parse`] has the words of the grammar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// `status=CODE`: an error with this status, in the provider's format.
    Status(u16),
    /// `retry-after=TEXT`: the header, on any answer; for Google's services, which do not send it, the delay in the
    /// error details.
    RetryAfter(String),
    /// `retry-after-ms=N`: OpenAI's header in milliseconds.
    RetryAfterMs(u64),
    /// `fails-at=STEP`: 503 after this many steps of a task.
    FailsAt(usize),
    /// `context`: 400, because the prompt is longer than the model's context.
    Context,
    /// `filter`: a content filter rejected the prompt: 400, or for some providers a regular answer with that reason.
    Filter,
    /// `quota`: the account has no credit: 429, or the provider's own status.
    Quota,
    /// `html`: the body is a web page; status 200 unless `status` says otherwise.
    Html,
    /// `blank`: 200 with an empty body.
    Blank,
    /// `error`: 200 with an error object as the body, or as the first event of a stream.
    Error,
    /// `reset`: the connection is reset before the headers.
    Reset,
    /// `silence`: the simulator reads the request and never answers.
    Silence,
    /// `wait=MS`: a delay before the headers.
    Wait(Duration),
    /// `first=MS`: a delay between the headers and the first byte of the body.
    First(Duration),
    /// `every=MS`: a delay between two events.
    Every(Duration),
    /// `pause-after=K`: the stream pauses until the test resumes it, after checking the first part.
    PauseAfter(usize),
    /// `reset-after=K`: the connection is reset.
    ResetAfter(usize),
    /// `close-after=K`: the connection is closed in order, before the end of the body.
    CloseAfter(usize),
    /// `eof-after=K`: the body ends in order, but too early.
    EofAfter(usize),
    /// `stall-after=K`: the stream stops and the connection stays open.
    StallAfter(usize),
    /// `stays=MS`: with `stall-after`, the time until the connection is closed.
    Stays(Duration),
    /// `done-after=K`: the terminator comes too early, and the body ends in order.
    DoneAfter(usize),
    /// `endless-after=K`: an event of 16 GiB without an end; for a K above the number of events, after all of them.
    EndlessAfter(usize),
    /// `flood-after=K`: 16 GiB of the smallest possible events; the same for a large K.
    FloodAfter(usize),
    /// `malformed-after=K`: an event that is not JSON, then the stream goes on.
    MalformedAfter(usize),
    /// `corrupt-after=K`: an event with a wrong last byte; in Amazon's frames that byte belongs to the checksum.
    CorruptAfter(usize),
    /// `error-after=K`: an error event, then the end of the stream without a terminator.
    ErrorAfter(usize),
    /// `no-end`: the end markers of a stream are missing: `[DONE]`, `message_stop`, `response.completed`, Gemini's
    /// finish reason, `messageStop` and the events after it, `message-end`.
    NoEnd,
    /// `empty`: an answer without content (no choices, no content, no output).
    Empty,
    /// `huge=MIB`: a text of this many MiB.
    Huge(usize),
    /// `large=KIB`: a text whose first token has this many KiB, in one event.
    Large(usize),
    /// `tokens=N`: a text of N short tokens, one event each.
    Tokens(usize),
    /// `long=N`: each answer counts as N tokens, or as the request's maximum if lower, regardless of its text.
    Long(u64),
    /// `bytewise`: each byte of the prompt is a token, as with tokenizers on scripts they barely cover.
    Bytewise,
    /// `cached=N`: this many of the prompt's tokens came from the provider's cache.
    Cached(u64),
    /// `stop=REASON`: the finish reason, in the provider's word, known or unknown.
    Stop(String),
    /// `other-form`: a stream instead of a whole answer, and the reverse.
    OtherForm,
    /// `no-usage`: usage is missing.
    NoUsage,
    /// `counts=JSON`: replaces each number of the reported usage with this value.
    Counts(Value),
    /// `usage=JSON`: replaces the reported usage with this value.
    Usage(Value),
    /// `gzip`: the body is compressed, even if the request did not ask for that.
    Gzip,
    /// `headers`: extra headers: `content-encoding: identity`, cookies, the provider's rate limits.
    Headers,
    /// `extra`: undocumented fields and events.
    Extra,
    /// `comments`: SSE comments between events.
    Comments,
    /// `crlf`: SSE lines end in CR LF.
    Crlf,
    /// `whole`: one write per event, without cuts.
    Whole,
    /// `burst`: the whole stream in one write.
    Burst,
    /// `seed=N`: the seed for the cuts of a stream.
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

/// The faults of one request; an empty set means a plain answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// The faults in a model name: all words after the first `+`.
    pub fn of_model(model: &str) -> Result<Self, BadFault> {
        model.split_once('+').map_or_else(|| Ok(Self::default()), |(_, words)| words.parse())
    }

    /// The faults, in written order.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.0.iter()
    }

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

/// The error for an unknown word or an invalid argument.
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
