//! Guardrails on the prompt, before any step that costs something, and the checks for the response.

use std::rc::Rc;

use sluice_wire::error::ApiError;
use sluice_wire::order;

use crate::batch::BatchOperation;
use crate::compiled::CompiledConfig;
use crate::guard::answer::{Checks, Format};
use crate::guard::mask::Placeholders;
use crate::guard::prompt::{Screened, Unfit};
use crate::guard::spec::{Action, Side};
use crate::guard::{self, judge, prompt};

use super::super::Context;
use super::super::request_state::Draft;
use super::super::rewrite;
use super::{Refused, RequestPipeline, metrics};

impl RequestPipeline {
    /// Applies guardrails to the body. Returns the masked body and its placeholders, `None` if it is unchanged, and an error if they block
    /// it.
    pub(super) fn screened(
        &mut self,
        draft: &Draft,
        body: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<Option<(Vec<u8>, Placeholders)>, Refused> {
        let screened = screen(draft, body);
        let found = match &screened {
            Ok(screened) => screened.findings.as_slice(),
            Err(Unfit::Blocked(finding)) => std::slice::from_ref(finding),
            Err(Unfit::TooLarge) => &[],
        };
        metrics::findings(found, cx.effects);
        self.log_context.findings.extend_from_slice(found);
        let Screened { body, placeholders, .. } = screened.map_err(|unfit| refused(&unfit, &self.worker.config))?;
        Ok(body.map(|body| (body, placeholders)))
    }

    /// The labels of the masked findings.
    pub(super) fn masked(&self) -> Vec<String> {
        let masked = self.log_context.findings.iter().filter(|finding| finding.action == Action::Mask);
        let mut labels: Vec<String> = masked.map(|finding| finding.label.clone()).collect();
        order::by(&mut labels, Ord::cmp);
        labels.dedup();
        labels
    }
}

/// The client's error for a prompt that may not continue.
pub(super) fn refused(unfit: &Unfit, config: &CompiledConfig) -> ApiError {
    match unfit {
        Unfit::Blocked(finding) => finding.error(),
        Unfit::TooLarge => rewrite::too_large(config.memory.rewritten),
    }
}

/// Applies guardrails to a prompt, and to the query that is forwarded with it.
pub(super) fn screen(draft: &Draft, body: &[u8]) -> Result<Screened, Unfit> {
    let (config, peek) = (&draft.worker.config, &draft.request.scanned.peek);
    let guards = guard::concerning(&config.guards, Side::Prompts, &draft.request.caller, asked_model(draft));
    if guards.is_empty() {
        return Ok(Screened::default());
    }
    let mut screened = match peek.is_json() {
        true => prompt::screen(&guards, body, peek.model_at(), config.memory.rewritten),
        false => prompt::screen_bytes(&guards, body),
    }?;
    if let Some((_, query)) =
        draft.request.pass_through.as_ref().and_then(|pass_through| pass_through.path.split_once('?'))
    {
        screened.findings.extend(prompt::screen_query(&guards, query)?.findings);
    }
    if peek.stored.continues || peek.stored.previous.is_some() {
        // The response may repeat a placeholder of an earlier request.
        screened.placeholders.restore_nothing();
    }
    Ok(screened)
}

/// The name of the model that a request is for, whatever alias led to it; for the input file of a batch, that of its requests.
pub(super) fn asked_model(draft: &Draft) -> &str {
    match &draft.request.batch_operation {
        Some(BatchOperation::Upload(work)) => &work.model,
        _ => &draft.request.model.name,
    }
}

/// The checks on the response to this request; `None` if there are none. `placeholders` are those of its masked texts. Fails if the client
/// would fetch the response later, past guardrails that act on it.
pub(super) fn checks(draft: &Draft, body: &[u8], placeholders: Placeholders) -> Result<Option<Rc<Checks>>, ApiError> {
    if draft.request.scanned.client.chat().is_none() {
        return Ok(None);
    }
    let (caller, model) = (&draft.request.caller, &draft.request.model);
    let guards = guard::concerning(&draft.worker.config.guards, Side::Answers, caller, &model.name);
    let early = !draft.request.scanned.peek.wants.tools;
    let judges = judge::concerning(&draft.worker.config.judges, Side::Answers, caller, &model.name);
    let mut checks = Checks { guards, judges, early, placeholders: placeholders.into(), ..Checks::default() };
    let is_checked = model.policy.check_structured_output;
    if draft.request.scanned.peek.stored.background && checks.acts() {
        return Err(ApiError::unsupported(
            "background",
            "A guardrail must inspect the response, which is not possible if it is fetched later. Leave out 'background'.",
        ));
    }
    let asked = (is_checked || checks.rewrites()).then(|| Format::asked_in(body)).flatten();
    let own = model.policy.answer_schema.clone().map(Format::Schema);
    checks.json = asked.is_some() || own.is_some();
    checks.formats = asked.filter(|_| is_checked).into_iter().chain(own).collect();
    Ok((!checks.is_empty()).then(|| Rc::new(checks)))
}
