//! For tests of dialects that only providers speak: checks each row of a table of fields.

use crate::conversation::{
    CacheMark, Json, Message, OutputFormat, Part, Reasoning, Request, Role, Source, Tool, ToolChoice,
};
use crate::dialect::halves::Both;

use super::FieldPolicy;

/// A parameter by OpenAI's name, and a function that sets it.
type Sample = (&'static str, fn(&mut Request));

const SAMPLES: [Sample; 27] = [
    ("model", |_| {}),
    ("messages", |request| says(request, Part::Text { text: "And?".to_owned(), cache: None })),
    ("messages.name", |request| {
        request.messages.iter_mut().for_each(|message| message.name = Some("Ann".to_owned()));
    }),
    ("messages.reasoning_content", |request| {
        let parts = vec![Part::Thinking { text: "Hm".to_owned(), signature: Some("other#seal".to_owned()) }];
        request.messages.insert(0, Message { role: Role::Assistant, parts, name: None });
    }),
    ("image_url", |request| says(request, Part::Image { source: inline("image/png"), detail: None, cache: None })),
    ("image_url.detail", |request| {
        says(request, Part::Image { source: inline("image/png"), detail: Some("low".to_owned()), cache: None });
    }),
    ("file", |request| {
        says(request, Part::Document { source: inline("application/pdf"), name: Some("a".to_owned()), cache: None });
    }),
    ("cache_control", |request| {
        says(request, Part::Text { text: "And?".to_owned(), cache: Some(CacheMark { ttl: Some("1h".to_owned()) }) });
    }),
    ("tools", has_tools),
    ("tool_choice", |request| {
        has_tools(request);
        request.tool_choice = Some(ToolChoice::Required);
    }),
    ("parallel_tool_calls", |request| {
        has_tools(request);
        request.parallel_tool_calls = Some(false);
    }),
    ("response_format", |request| request.output = Some(OutputFormat::JsonObject)),
    ("response_format.json_schema", |request| {
        request.output = Some(OutputFormat::JsonSchema {
            name: "answer".to_owned(),
            description: None,
            schema: Json::parse("{}").unwrap(),
            strict: Some(true),
        });
    }),
    ("max_completion_tokens", |request| request.max_tokens = Some(7)),
    ("temperature", |request| request.temperature = Some(0.5)),
    ("top_p", |request| request.top_p = Some(0.5)),
    ("top_k", |request| request.top_k = Some(5)),
    ("stop", |request| request.stop = vec!["END".to_owned()]),
    ("seed", |request| request.seed = Some(7)),
    ("frequency_penalty", |request| request.frequency_penalty = Some(1.0)),
    ("presence_penalty", |request| request.presence_penalty = Some(1.0)),
    ("n", |request| request.n = Some(2)),
    ("reasoning_effort", |request| request.reasoning = Some(Reasoning::Effort("low".to_owned()))),
    ("thinking", |request| request.reasoning = Some(Reasoning::Budget(2048))),
    ("user", |request| request.user = Some("u".to_owned())),
    ("service_tier", |request| request.service_tier = Some("priority".to_owned())),
    ("stream", |request| request.stream = true),
];

fn inline(media_type: &str) -> Source {
    Source::Base64 { media_type: media_type.to_owned(), data: "AAAA".to_owned() }
}

fn says(request: &mut Request, part: Part) {
    request.messages.iter_mut().for_each(|message| message.parts.push(part.clone()));
}

fn has_tools(request: &mut Request) {
    request.tools = vec![Tool { name: "f".to_owned(), description: None, parameters: None, strict: None, cache: None }];
}

/// Checks the table: a mapped field changes the request to `model` and drops nothing, a dropped field is reported by name, a refused field
/// is a 400 that names it.
pub fn every_row_is_true(dialect: Both, model: &str) {
    let parts = vec![Part::Text { text: "Hi".to_owned(), cache: None }];
    let plain = Request { messages: vec![Message { role: Role::User, parts, name: None }], ..Request::default() };
    let write = |request: &Request, model: &str| {
        let written = dialect.write_request(request, model)?;
        Ok::<_, crate::error::ApiError>(((dialect.path(model, request.stream), written.body), written.dropped))
    };
    let names: Vec<&str> = dialect.fields().iter().map(|(name, _, _)| *name).collect();
    assert_eq!(names, SAMPLES.map(|(name, _)| name));
    for ((name, policy, _), (_, set)) in dialect.fields().iter().zip(SAMPLES) {
        let mut request = plain.clone();
        set(&mut request);
        let other = format!("{model}.x");
        let result = write(&request, if *name == "model" { &other } else { model });
        match policy {
            FieldPolicy::Mapped => {
                let (sent, dropped) = result.unwrap();
                assert_ne!(sent, write(&plain, model).unwrap().0, "{name} changes nothing");
                assert_eq!(dropped, Vec::<String>::new(), "{name}");
            }
            FieldPolicy::Dropped => assert_eq!(result.unwrap().1, [*name]),
            FieldPolicy::Refused => {
                let error = result.unwrap_err();
                assert_eq!((error.status, error.param.as_deref()), (400, Some(*name)));
            }
        }
    }
}
