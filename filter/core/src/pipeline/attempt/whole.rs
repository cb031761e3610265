//! A whole response: read once it is complete, and only then sent to the client.

use sluice_wire::content_filter;
use sluice_wire::dialect::translate::{self, ResponseContext};
use sluice_wire::dialect::{Id, OutputSoFar, Provider, bare, openai_embeddings};
use sluice_wire::error::ApiError;
use sluice_wire::footprint;
use sluice_wire::framing::surrogates;

use crate::guard::Finding;
use crate::guard::answer::Transcript;
use crate::guard::judge::JudgedText;
use crate::guard::response_texts;
use crate::routing::spec::Trigger;
use crate::trace::messages;

use super::super::failure::{Failure, Work};
use super::super::request_state::RequestState;
use super::super::{Context, Effect, Flow};
use super::{Attempt, Phase, is_text};

impl Attempt {
    pub(super) fn whole_answer(&mut self, size: usize, state: &mut RequestState, cx: &mut Context<'_>) -> Flow {
        match self.read_whole(size, state, cx) {
            Ok(true) => {
                self.phase = Phase::Done;
                Flow::Continue
            }
            Ok(false) => Flow::Pause,
            Err(mut failure) => {
                state.answer.usage = cx.view.body(0..size).ok().and_then(|body| (self.dialect.usage_of)(&body));
                // An unreadable response still cost the provider's work.
                if failure.trigger == Some(Trigger::BadAnswer)
                    && failure.work == Work::Unknown
                    && state.answer.usage.is_none()
                {
                    failure.work = Work::Seen;
                    state.answer.said = said(self.dialect, size);
                }
                self.fail(failure, state, cx)
            }
        }
    }

    /// Reads the response and writes it for the client. Returns `false` if it waits for judges.
    fn read_whole(&self, size: usize, state: &mut RequestState, cx: &mut Context<'_>) -> Result<bool, Failure> {
        let dialect = self.dialect;
        if let Some(failure) = state.judges.objection() {
            return Err(failure);
        }
        let body = cx.view.body(0..size)?;
        // A body that passes unchanged is Envoy's own copy.
        let body = surrogates::whole(&body);
        if body.trim_ascii().is_empty() {
            return Err(Failure::empty());
        }
        let pair = self.recasts(&body, state);
        // AWS's frames are binary: their reader checks the texts in them.
        if body.first() != Some(&0) || pair.is_none() {
            is_text(&body)?;
        }
        state.add_filter_results(content_filter::read_body(&body, dialect.filters));
        if dialect.chat().is_some() && body.trim_ascii_start().first() == Some(&b'[') {
            // Parsers would take the list's elements for fields.
            let error = bare::error(&body)
                .unwrap_or_else(|| ApiError::bad_answer("The provider's answer is a JSON array instead of an object."));
            return Err(Failure::in_answer(error));
        }
        if let Some(pair) = pair {
            return self.recast(&pair, &body, size, state, cx);
        }
        let Some(findings) = self.judged(&body, state, cx)? else { return Ok(false) };
        state.answer.findings = findings;
        let now = cx.now();
        state.record_content(|| messages::in_answer(dialect, &body));
        // A client that gets the wrong encoding reads wrong vectors without an error.
        let embeds = dialect.id == Id::OpenAiEmbeddings;
        let passes =
            self.same_bodies && !(embeds && openai_embeddings::departs(&body, state.request.scanned.peek.encoding));
        if let Some(peek) = dialect.peek_response.filter(|_| passes) {
            let summary = peek(&body).map_err(Failure::in_answer)?;
            (state.answer.usage, state.answer.extras, state.answer.id) = (summary.usage, summary.extras, summary.id);
            state.answer.reasons = summary.reasons;
            state.answer.said = said(dialect, body.len());
            state.commit(now);
        } else {
            let context = ResponseContext {
                id: state.request.request_id(),
                model: &self.target.model,
                now: now.seconds(),
                encoding: state.request.scanned.peek.encoding,
                estimate: state.estimate(&self.target, 0).input,
                names: &state.answer.names,
            };
            let answer = translate::answer(state.request.scanned.client, dialect, &body, &context)
                .map_err(Failure::in_answer)?;
            let largest = state.worker.config.memory.rewritten;
            if answer.body.len() > largest {
                return Err(Failure::in_answer(ApiError::answer_too_large(format!(
                    "The provider's answer exceeds {} MiB after its translation for the client \
                     (`memory.rewritten_body`). Ask for less in one request.",
                    largest >> 20
                ))));
            }
            let room = state.memory.answer.grow(answer.body.len());
            room.map_err(|exhausted| Failure::exhausted(exhausted, cx.effects))?;
            (state.answer.usage, state.answer.reasons) = (answer.usage, answer.reasons);
            state.answer.said = said(dialect, body.len());
            state.commit(now);
            cx.effects.push(Effect::SetHeader("content-length", answer.body.len().to_string().into()));
            cx.effects.push(Effect::ReplaceBody { drain: size, with: answer.body });
        }
        state.complete();
        Ok(true)
    }

    /// Runs the checks on the response and returns findings that did not block it; `None` if judges have not decided. Most requests have no
    /// checks.
    fn judged(
        &self,
        body: &[u8],
        state: &mut RequestState,
        cx: &mut Context<'_>,
    ) -> Result<Option<Vec<Finding>>, Failure> {
        let (Some(checks), Some(provider)) = (state.request.checks.clone(), self.dialect.chat()) else {
            return Ok(Some(Vec::new()));
        };
        footprint::check_answer(body).map_err(Failure::in_answer)?;
        let transcript = match (provider.read_response)(body) {
            Ok(response) => Transcript::of(&response),
            // A response that passes unchanged may contain content that only its client understands.
            Err(_) if self.same_bodies && self.dialect.peek_response.is_some_and(|peek| peek(body).is_ok()) => {
                Transcript::default().unparsed()
            }
            Err(error) => return Err(Failure::in_answer(error)),
        };
        let passing = || self.same_bodies.then(|| response_texts::texts(body)).into_iter().flatten();
        let findings = checks.judge(&transcript, passing()).map_err(Failure::objection)?;
        if checks.judges.is_empty() {
            return Ok(Some(findings));
        }
        let texts = || {
            let unparsed = passing().filter(|_| transcript.is_unparsed());
            transcript.judged_texts(&checks).chain(unparsed.map(|text| JudgedText::of(text.into_owned()))).collect()
        };
        // None of these judges masks texts.
        let decided = state.judge_response(&checks.judges, texts, cx.now(), cx.effects).transpose()?;
        Ok(decided.map(|_| findings))
    }
}

/// The output size of a response, for an estimate without usage. Vectors, images, moderation results and the like are no text, however
/// long.
fn said(dialect: &Provider, bytes: usize) -> OutputSoFar {
    dialect.chat().map_or_else(OutputSoFar::default, |_| OutputSoFar::of(bytes))
}
