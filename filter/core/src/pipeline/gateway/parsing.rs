//! From a body to a draft: reads the request and checks the caller's permissions.

use std::rc::Rc;

use sluice_wire::dialect::Client;
use sluice_wire::dialect::cache_marks::Repeated;
use sluice_wire::dialect::pass_through::is_stored;
use sluice_wire::error::ApiError;
use sluice_wire::footprint;
use sluice_wire::time::Time;

use crate::compiled::CompiledConfig;
use crate::guard::mask::Placeholders;
use crate::peek::body_scan::BodyScan;
use crate::peek::conversation::Conversation;
use crate::peek::request_features::{RequestFeature, first_denied};
use crate::peek::{BodyPeek, Caching, form};
use crate::prompt_cache;
use crate::routing::spec::PromptCache;
use crate::routing::target::{Model, Target};
use crate::store::SharedData;
use crate::usage::answers;
use crate::usage::estimate::{Measuring, Prompt};
use crate::usage::surcharge::{SurchargeScan, Surcharges};

use super::super::request_state::{Draft, PassThrough, RequestHead, ScannedRequest};
use super::super::worker::Worker;
use super::permission::Policy;
use super::{models, screening};

/// The longest body front that is retained for splicing; a longer one is read again.
const LONGEST_HEAD: usize = 1024;

/// The most choices of one request (OpenAI's maximum): a reservation for more than any provider returns would block the budget for everyone
/// else while the request lasts.
const MOST_ANSWERS: u64 = 128;

/// The most prompts of one request, for the same reason (OpenAI's maximum of embeddings inputs).
const MOST_PROMPTS: u64 = 2048;

/// Parses the request and measures the prompt; an error if no provider would receive it.
pub(super) fn read(
    body: &[u8],
    client: &'static Client,
    pass_through: Option<&PassThrough>,
) -> Result<ScannedRequest, ApiError> {
    let unmeasured = |peek| ScannedRequest {
        client,
        peek,
        prompt: Prompt::default(),
        wishes: Surcharges::default(),
        conversation: None,
    };
    if client.shape.free || !is_json(client, pass_through) {
        let scanned = unmeasured(peek(body, client, pass_through)?);
        return Ok(if client.shape.free {
            scanned
        } else {
            ScannedRequest { prompt: Prompt::of_file(body), ..scanned }
        });
    }
    let (mut measuring, mut wishing) = (Measuring::of(body), SurchargeScan::of(body));
    let (body_scan, rest) = BodyScan::of(body, |passed| {
        measuring.record(passed);
        wishing.record(passed);
    });
    let peek = bounded(BodyPeek::scanned(body, client.shape, body_scan)?)?;
    Ok(ScannedRequest { prompt: measuring.measured(rest), wishes: wishing.wished(), ..unmeasured(peek) })
}

/// Scans the body.
pub(super) fn peek(body: &[u8], client: &Client, pass_through: Option<&PassThrough>) -> Result<BodyPeek, ApiError> {
    if is_stored(client) {
        return Ok(BodyPeek::opaque(String::new(), body.len()));
    }
    bounded(match form_type(pass_through) {
        Some(content_type) => BodyPeek::of_form(body, form::boundary(content_type)?)?,
        None => BodyPeek::read(body, client.shape)?,
    })
}

fn is_json(client: &Client, pass_through: Option<&PassThrough>) -> bool {
    !is_stored(client) && form_type(pass_through).is_none()
}

fn form_type(pass_through: Option<&PassThrough>) -> Option<&str> {
    pass_through?.content_type.as_deref().filter(|content_type| form::is_form(content_type))
}

/// Checks the maximums of choices and prompts.
fn bounded(peek: BodyPeek) -> Result<BodyPeek, ApiError> {
    if peek.amount.n > MOST_ANSWERS {
        let message = format!("Invalid 'n' or 'best_of': one request may ask for at most {MOST_ANSWERS} answers.");
        return Err(ApiError::invalid("n", message));
    }
    if peek.amount.prompts > MOST_PROMPTS {
        let message = format!("Invalid 'prompt': one request may contain at most {MOST_PROMPTS} prompts.");
        return Err(ApiError::invalid("prompt", message));
    }
    Ok(peek)
}

/// Resolves the requested model and checks whether the caller may use it with everything in the body.
pub(super) fn requested_model(
    config: &CompiledConfig,
    head: &RequestHead,
    peek: &BodyPeek,
    body: &[u8],
) -> Result<Rc<Model>, ApiError> {
    if is_stored(head.client) {
        return models::stored(config);
    }
    let model = models::resolve(config, &head.caller, &peek.model)?;
    permitted(&Policy::of(config, &head.caller, &model, head.client), peek, head.pass_through.as_ref(), body)?;
    Ok(model)
}

/// Whether a policy permits everything in the body.
pub(super) fn permitted(
    policy: &Policy<'_>,
    peek: &BodyPeek,
    pass_through: Option<&PassThrough>,
    body: &[u8],
) -> Result<(), ApiError> {
    if peek.is_json() {
        return policy.permits(body, &peek.stored);
    }
    match pass_through.and_then(|pass_through| pass_through.content_type.as_deref()) {
        Some(content_type) => policy.permits_form(body, form::boundary(content_type)?),
        None => Ok(()),
    }
}

/// Creates a request's draft, without targets.
pub(super) fn set_up(
    worker: Rc<Worker>,
    head: RequestHead,
    model: Rc<Model>,
    (mut scanned, body): (ScannedRequest, &[u8]),
    shared: &dyn SharedData,
) -> Result<Draft, ApiError> {
    look_up(&mut scanned, shared);
    let mut draft = Draft::new(worker, head, model, scanned);
    draft.request.scanned.peek.wants.hosted = needs_hosted(&draft, body);
    draft.request.checks = screening::checks(&draft, body, Placeholders::default())?;
    keep_head(&mut draft, body);
    Ok(draft)
}

/// Recognizes the request's conversation, and the parts of its prompt that repeat, if its model's policy asks for that.
pub(super) fn recognize(draft: &mut Draft, body: &[u8], now: Time, shared: &dyn SharedData) {
    let model = draft.request.model.clone();
    let caches = model.policy.prompt_cache == PromptCache::Auto;
    let scanned = &mut draft.request.scanned;
    if !(caches || model.policy.follows_conversations()) || scanned.client.chat().is_none() {
        return;
    }
    scanned.conversation = Conversation::of(body, &draft.request.caller.team);
    let Some(conversation) = scanned.conversation.filter(|_| caches) else { return };
    scanned.peek.caching = Caching {
        key: (!conversation.has_key).then_some(conversation.opening),
        repeated: match scanned.wishes.caches {
            true => Repeated::default(),
            false => prompt_cache::repeated(&model.name, &conversation, now, shared),
        },
    };
    // Marks are optional: a request that can only pass as it is goes without.
    let may_change = || body.len() <= draft.worker.config.memory.rewritten && footprint::check_request(body).is_ok();
    if scanned.peek.caching.repeated.any() && !may_change() {
        scanned.peek.caching.repeated = Repeated::default();
    }
}

/// Whether the request offers a hosted tool that only some of its model's targets run. Only then is the body searched.
fn needs_hosted(draft: &Draft, body: &[u8]) -> bool {
    let (client, targets) = (draft.request.scanned.client, &draft.route.model.targets);
    let has = |target: &Rc<Target>| target.has_hosted_tools(client);
    let runs = |feature: &RequestFeature<'_>| match feature {
        RequestFeature::Tool(Some(kind)) if (client.runs_tool)(kind) => Some(()),
        _ => None,
    };
    draft.request.scanned.peek.wants.anywhere
        && targets.iter().any(has)
        && !targets.iter().all(has)
        && draft.request.scanned.peek.is_json()
        && first_denied(body, runs).is_some()
}

/// Adds the tokens of stored objects that the request refers to.
pub(super) fn look_up(scanned: &mut ScannedRequest, shared: &dyn SharedData) {
    let ScannedRequest { client, peek, prompt, .. } = scanned;
    if client.shape.free {
        return;
    }
    prompt.elsewhere = prompt.elsewhere.saturating_add(peek.stored.kept);
    match peek.stored.previous.as_deref().map(|id| answers::tokens(shared, id)) {
        None => {}
        Some(Some(tokens)) => prompt.before = tokens,
        Some(None) => prompt.elsewhere = prompt.elsewhere.saturating_add(1),
    }
}

/// Retains the front of the body for splicing, if it is short.
pub(super) fn keep_head(draft: &mut Draft, body: &[u8]) {
    let head = body.get(..draft.request.scanned.peek.scope()).filter(|head| head.len() <= LONGEST_HEAD);
    draft.request.head = head.unwrap_or_default().to_vec();
}
