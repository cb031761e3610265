//! Requests about batches: looks up their stored entries, and reads uploaded input files.

use std::borrow::Cow;
use std::rc::Rc;

use serde::Deserialize;
use serde_json::value::RawValue;
use sluice_wire::dialect::pass_through::is_stored;
use sluice_wire::error::{ApiError, ErrorKind};
use sluice_wire::json;

use crate::batch::BatchOperation;
use crate::batch::records::{self, BatchRecord};
use crate::compiled::CompiledConfig;
use crate::keys;
use crate::keys::caller::Caller;
use crate::peek::form;
use crate::reservation::Plan;
use crate::reservation::work::Work;
use crate::routing::target::{Model, Target};
use crate::store::SharedData;

use super::super::request_state::RequestHead;
use super::endpoint::format_at;
use super::parsing;
use super::permission::Policy;
use super::quoted;

/// The entry that a request about a file or batch needs before it continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seek {
    /// The input file's work, to create a batch.
    File(String),
    /// The batch's reservation.
    Batch(String),
    /// The batch with this result file.
    Results(String),
}

impl Seek {
    /// The name of its entry in the book.
    pub(super) fn record(&self) -> String {
        match self {
            Self::File(id) => records::file(id),
            Self::Batch(id) => records::batch(id),
            Self::Results(id) => records::results(id),
        }
    }

    /// The entry that a request needs; `None` if it concerns no batch that can be known.
    pub(super) fn of(head: &RequestHead, body: &[u8]) -> Result<Option<Self>, ApiError> {
        let Some(pass_through) = head.pass_through.as_ref().filter(|_| is_stored(head.client)) else { return Ok(None) };
        let path = pass_through.path.split('?').next().unwrap_or_default();
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        Ok(match (pass_through.method.as_str(), segments.as_slice()) {
            ("POST", ["batches"]) => Some(Self::File(input_file(body)?)),
            ("GET", ["batches", id]) | ("POST", ["batches", id, "cancel"]) if records::is_id(id) => {
                Some(Self::Batch((*id).to_owned()))
            }
            ("GET", ["files", id, "content"]) if records::is_id(id) => Some(Self::Results((*id).to_owned())),
            _ => None,
        })
    }

    /// The request's operation, given its entry.
    pub(super) fn batch_operation(
        self,
        record: Option<BatchRecord>,
        caller: &Caller,
    ) -> Result<Option<BatchOperation>, ApiError> {
        Ok(match (self, record) {
            // The creating key may have fewer permissions than the key that uploaded the file.
            (Self::File(_), Some(BatchRecord::File(work)))
                if *work.key == *caller.key_id && caller.may_use(work.asked()) =>
            {
                Some(BatchOperation::Create(work))
            }
            (Self::File(id), _) => return Err(unknown(&id)),
            (Self::Batch(_), Some(BatchRecord::Open(open))) => Some(BatchOperation::Watch(open)),
            (Self::Results(id), Some(BatchRecord::Open(open))) => Some(BatchOperation::Fetch(open, id)),
            _ => None,
        })
    }
}

/// The input file of a batch to be created.
fn input_file(body: &[u8]) -> Result<String, ApiError> {
    #[derive(Deserialize)]
    struct Create {
        input_file_id: Option<String>,
    }
    let invalid = |message: &str| ApiError::invalid("input_file_id", message);
    let create: Create = json::from_slice(body)
        .map_err(|_| invalid("Invalid 'input_file_id': expected a JSON object with the id of one uploaded file."))?;
    let id = create.input_file_id.ok_or_else(|| invalid("Missing required parameter: 'input_file_id'."))?;
    if records::is_id(&id) {
        Ok(id)
    } else {
        Err(invalid("Invalid 'input_file_id': expected the id of an uploaded file."))
    }
}

fn unknown(id: &str) -> ApiError {
    let message = format!(
        "The gateway does not know the file {}, so it cannot reserve tokens and budget for the batch. Upload the file \
         through the gateway with this key and the purpose `batch`, and create the batch within 40 days.",
        quoted(id)
    );
    ApiError::invalid("input_file_id", message).with_code("unknown_batch_file")
}

/// The work of a batch's input file, if the request uploads one and everything in it is allowed.
pub(super) fn uploaded(
    config: &CompiledConfig,
    head: &RequestHead,
    body: &[u8],
    shared: &dyn SharedData,
) -> Result<Option<Work>, ApiError> {
    let Some(pass_through) = head.pass_through.as_ref().filter(|_| is_stored(head.client)) else { return Ok(None) };
    let path = pass_through.path.split('?').next().unwrap_or_default();
    let content_type = pass_through.content_type.as_deref().filter(|content_type| form::is_form(content_type));
    let (("POST", "/files"), Some(content_type)) = ((pass_through.method.as_str(), path), content_type) else {
        return Ok(None);
    };
    let form::Upload { purpose, file } = form::upload(body, form::boundary(content_type)?)?;
    if !purpose.trim_ascii().eq_ignore_ascii_case(b"batch") {
        return Ok(None);
    }
    Reading { config, head, shared, model: None }.read(file).map(Some)
}

/// Adds the expected usage of a batch to a plan.
pub(super) fn add(config: &CompiledConfig, work: &Work, plan: &mut Plan) -> Result<(), ApiError> {
    let provider = config.stored.as_ref().and_then(|stored| stored.targets.first()).map(|target| &target.provider.name);
    let known = provider.and_then(|provider| config.served(work.asked(), provider, &work.target, true));
    let (model, target) = known.ok_or_else(|| {
        let message = format!(
            "The batch's input file asks for the model {}, which the gateway no longer has. Upload a file for an \
             available model.",
            quoted(work.asked())
        );
        ApiError::new(404, ErrorKind::NotFound, message).with_code("model_not_found")
    })?;
    plan.add_batch(config, &model, &target, work)
}

/// A line of an input file. Source: OpenAI's API reference, "The request input object".
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    url: Cow<'a, str>,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// Reads an input file.
struct Reading<'a> {
    config: &'a CompiledConfig,
    head: &'a RequestHead,
    shared: &'a dyn SharedData,
    /// The one model of all its lines.
    model: Option<(String, Rc<Model>, Rc<Target>)>,
}

impl Reading<'_> {
    fn read(mut self, file: &[u8]) -> Result<Work, ApiError> {
        let mut work = None;
        let lines = file.split(|byte| *byte == b'\n').zip(1_u64..);
        for (line, number) in lines.filter(|(line, _)| !line.trim_ascii().is_empty()) {
            self.line(line, &mut work).map_err(|error| {
                let message = format!("Line {number} of the batch's input file: {}", error.message);
                ApiError { message, param: Some("file".to_owned()), ..error }
            })?;
        }
        work.ok_or_else(|| invalid("The batch's input file contains no requests."))
    }

    fn line(&mut self, line: &[u8], work: &mut Option<Work>) -> Result<(), ApiError> {
        let Line { method, url, body } = json::from_slice(line)
            .map_err(|_| invalid("Expected a JSON object with `method`, `url` and `body`, each once."))?;
        let client = format_at(&url).filter(|_| method == "POST").ok_or_else(|| {
            invalid(&format!("{} {} is not an endpoint for model requests.", quoted(&method), quoted(&url)))
        })?;
        if !keys::may_have(&self.head.caller, &url) {
            let message = format!("This key may not call {url}: its `endpoints` do not list the path.");
            return Err(ApiError::new(403, ErrorKind::Permission, message).with_code("endpoint_not_allowed"));
        }
        let body = body.get().as_bytes();
        let mut scanned = parsing::read(body, client, None)?;
        let (name, model, target) = self.model(&scanned.peek.model)?;
        Policy::of(self.config, &self.head.caller, &model, client).permits(body, &scanned.peek.stored)?;
        parsing::look_up(&mut scanned, self.shared);
        let reservation = &self.config.reservation;
        let estimate = scanned.estimate(&target, reservation, reservation.output_tokens);
        work.get_or_insert_with(|| Work::new(&self.head.caller.key_id, &model.name, &name, &target))
            .add(&estimate, target.price.as_ref());
        Ok(())
    }

    /// Finds the model by its provider's name for it: the file goes to the provider unchanged.
    fn model(&mut self, name: &str) -> Result<(String, Rc<Model>, Rc<Target>), ApiError> {
        if let Some(model) = &self.model {
            return match model.2.model == name {
                true => Ok(model.clone()),
                false => Err(invalid("All requests of a batch must use the same model.")),
            };
        }
        let caller = &self.head.caller;
        let stored = self.config.stored.as_ref().and_then(|stored| stored.targets.first());
        let provider = stored.map(|target| target.provider.name.as_str()).unwrap_or_default();
        let mut found = self.config.names_for(provider, name, super::models::may_name_targets(caller));
        let asked = found.find(|(asked, _, _)| caller.may_use(asked)).ok_or_else(|| {
            let message = format!(
                "This key has no access to a model that {provider} serves as {}. The gateway sends the file to \
                 {provider} unchanged, so use {provider}'s own name for one of the gateway's models.",
                quoted(name)
            );
            ApiError::new(403, ErrorKind::Permission, message).with_code("model_not_allowed")
        })?;
        Ok(self.model.insert(asked).clone())
    }
}

fn invalid(message: &str) -> ApiError {
    ApiError::invalid("file", message).with_code("invalid_batch_file")
}
