//! Recasts a whole response as a stream, or a stream as a whole response, if the provider sent the other form. The response is complete by
//! then, so any fault in it is a failure that the client has not seen.

use sluice_wire::conversation::{Choice, Finish};
use sluice_wire::dialect::translate::{self, ResponseContext};
use sluice_wire::dialect::{ChatClient, ChatProvider, Opening, OutputSoFar};
use sluice_wire::error::ApiError;

use crate::guard::answer::{Transcript, response_texts, tool_names};
use crate::guard::judge::JudgedText;
use crate::trace::messages;

use super::super::failure::Failure;
use super::super::request_state::RequestState;
use super::super::{Context, Effect};
use super::Attempt;

/// The formats of a recast response.
pub(super) struct Pair {
    client: &'static ChatClient,
    provider: &'static ChatProvider,
    /// Whether the provider sent a stream.
    streamed: bool,
}

impl Attempt {
    /// Whether the response has the other form than requested and can be recast, or is rewritten by guardrails.
    pub(super) fn recasts(&self, body: &[u8], state: &RequestState) -> Option<Pair> {
        let (client, provider) = (state.request.scanned.client.chat()?, self.dialect.chat()?);
        let streamed = translate::is_stream(self.dialect, body);
        let rewrites = || state.request.checks.as_ref().is_some_and(|checks| checks.rewrites());
        (streamed || state.request.scanned.peek.stream || rewrites()).then_some(Pair { client, provider, streamed })
    }

    pub(super) fn recast(
        &self,
        pair: &Pair,
        body: &[u8],
        size: usize,
        state: &mut RequestState,
        cx: &mut Context<'_>,
    ) -> Result<bool, Failure> {
        let now = cx.now();
        let context = ResponseContext {
            id: state.request.request_id(),
            model: &self.target.model,
            now: now.seconds(),
            encoding: state.request.scanned.peek.encoding,
            estimate: 0,
            names: &state.answer.names,
        };
        let response = translate::answer_in_any_form(pair.client, pair.provider, (body, pair.streamed), &context);
        let (mut response, filters) = response.map_err(Failure::in_answer)?;
        state.add_filter_results(filters);
        // The provider's content filter may leave nothing.
        let is_empty = |choice: &Choice| choice.parts.is_empty() && choice.finish != Finish::ContentFilter;
        if response.choices.iter().all(is_empty) {
            return Err(Failure::ended_empty());
        }
        if let Some(checks) = state.request.checks.clone() {
            state.answer.findings = checks.rewrite(&mut response, false).map_err(Failure::objection)?;
            if !checks.judges.is_empty() {
                let names = JudgedText::fixed(tool_names(&response));
                let texts = || {
                    let texts = response_texts(&mut response).map(|(kind, text)| checks.judged_text(kind, text));
                    texts.chain([names]).collect()
                };
                let Some(decided) = state.judge_response(&checks.judges, texts, now, cx.effects) else {
                    return Ok(false);
                };
                let mut changes = decided?.into_iter().peekable();
                for (index, (_, text)) in response_texts(&mut response).enumerate() {
                    if let Some((_, new)) = changes.next_if(|(at, _)| *at == index) {
                        *text = new;
                    }
                }
                checks.rewrite(&mut response, true).map_err(Failure::objection)?;
            }
            let unchecked = checks.check_format(&Transcript::of(&response)).map_err(Failure::objection)?;
            state.answer.findings.extend(unchecked);
        }
        let summary = self.dialect.peek_response.and_then(|peek| peek(body).ok()).unwrap_or_default();
        (state.answer.extras, state.answer.id) = (summary.extras, summary.id);
        (state.answer.usage, state.answer.reasons) = (response.usage, response.finish_reasons());
        // What was masked in the prompt is restored for the client only.
        let restores = state.request.checks.as_ref().is_some_and(|checks| checks.restores());
        state.record_content(|| (!restores).then(|| messages::of_response(&response)));
        state.answer.said = OutputSoFar::of(body.len());
        let (kind, with) = if state.request.scanned.peek.stream {
            let model = self.target.model.clone();
            let (estimate, include_usage) =
                (state.estimate(&self.target, 0).input, state.request.scanned.peek.include_usage);
            let guises = std::mem::take(&mut response.guises);
            let opening = Opening { model, now: now.seconds(), include_usage, estimate, guises };
            ("text/event-stream", translate::streamed(pair.client, response, opening))
        } else {
            ("application/json", (pair.client.write_response)(&response, now.seconds()))
        };
        if with.len() > state.worker.config.memory.rewritten {
            return Err(Failure::in_answer(ApiError::answer_too_large(
                "The provider's answer exceeds `memory.rewritten_body` after its translation for the client. Ask for \
                 a shorter answer.",
            )));
        }
        state.memory.answer.grow(with.len()).map_err(|exhausted| Failure::exhausted(exhausted, cx.effects))?;
        state.commit(now);
        cx.effects.push(Effect::SetHeader("content-type", kind.into()));
        cx.effects.push(Effect::SetHeader("content-length", with.len().to_string().into()));
        cx.effects.push(Effect::ReplaceBody { drain: size, with });
        state.complete();
        Ok(true)
    }
}
