//! Decides on reasoning, and on parameters that depend on it, for OpenAI's models in chat completions and Responses. The capabilities are
//! in [`models`](crate::dialect::models::openai). Other vendors' models are unknown here and get the request's values unchanged.
//!
//! | requested | becomes |
//! |---|---|
//! | an effort | the same if the model supports it, else the next lower supported one, or its lowest; reported |
//! | a token budget | `low` up to 4,096, `medium` up to 16,384, `high` above, or the nearest that the model supports |
//! | no thinking | `none`, or the model's lowest effort, then reported; for an unknown model dropped and reported |
//! | the model decides | nothing: this is the default |
//! | any of these, for a model without reasoning | dropped, and reported unless it is none |
//! | `temperature`, `top_p` with reasoning | dropped and reported, except for 1 |
//! | penalties with reasoning, `stop` | 400: they change the response |
//! | more tokens than the model's maximum | the maximum, reported |
//! | more than 4 stop sequences, more than 128 functions | 400 |

use crate::conversation::{Reasoning, Request};
use crate::dialect::effort;
use crate::dialect::fields::drop_hint;
use crate::dialect::models::openai::OpenAi;
use crate::error::ApiError;

/// OpenAI's limits.
const MOST_STOPS: usize = 4;
const MOST_TOOLS: usize = 128;

/// The API, since function calls and reasoning exclude each other in one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialect) enum Surface {
    /// Chat completions: newer models support either functions or reasoning.
    Chat,
    /// Responses.
    Responses,
}

/// The resulting parameters.
#[derive(Debug, Default, PartialEq)]
pub(in crate::dialect) struct Plan<'a> {
    /// The effort to write, if any.
    pub effort: Option<&'a str>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    /// The maximum of output tokens.
    pub max_tokens: Option<u64>,
}

impl<'a> Plan<'a> {
    /// Decides for `model`. Adds dropped and changed fields to `dropped`.
    pub fn of(request: &'a Request, model: &str, on: Surface, dropped: &mut Vec<String>) -> Result<Self, ApiError> {
        let (temperature, top_p) = (request.temperature, request.top_p);
        let Some(model) = OpenAi::of(model) else {
            let effort = unknown(request.reasoning.as_ref(), dropped);
            return Ok(Self { effort, temperature, top_p, max_tokens: request.max_tokens });
        };
        let mut effort = known(request.reasoning.as_ref(), model, dropped)?;
        if on == Surface::Chat && !model.calls_in_chat && !request.tools.is_empty() && model.reasons(effort) {
            if effort.is_some() {
                drop_hint(dropped, "reasoning_effort");
            }
            effort = model.efforts.first().copied();
        }
        let strict = model.strict && model.reasons(effort);
        refuse(request, model, strict)?;
        let mut stays = |name: &str, value: Option<f64>| {
            let stays = value.filter(|value| !strict || *value == 1.0);
            if stays != value {
                drop_hint(dropped, name);
            }
            stays
        };
        let (temperature, top_p) = (stays("temperature", temperature), stays("top_p", top_p));
        let max_tokens = request.max_tokens.map(|most| most.min(model.most_tokens.unwrap_or(most)));
        if max_tokens != request.max_tokens {
            drop_hint(dropped, "max_completion_tokens");
        }
        Ok(Self { effort, temperature, top_p, max_tokens })
    }
}

/// The effort for an unknown model.
fn unknown<'a>(wish: Option<&'a Reasoning>, dropped: &mut Vec<String>) -> Option<&'a str> {
    match wish? {
        Reasoning::Effort(word) | Reasoning::Work(word) => Some(word),
        Reasoning::Budget(tokens) => Some(effort::of_budget(*tokens)),
        // Models that cannot reason respond with 400 to any effort, and most others do not support `none`.
        Reasoning::Disabled => {
            drop_hint(dropped, "thinking");
            None
        }
        Reasoning::Adaptive => None,
    }
}

/// The effort for a known model.
fn known(
    wish: Option<&Reasoning>,
    model: &OpenAi,
    dropped: &mut Vec<String>,
) -> Result<Option<&'static str>, ApiError> {
    let (name, wished) = match wish {
        None | Some(Reasoning::Adaptive) => return Ok(None),
        Some(Reasoning::Effort(word) | Reasoning::Work(word)) => ("reasoning_effort", word.as_str()),
        Some(Reasoning::Budget(tokens)) => ("thinking", effort::of_budget(*tokens)),
        Some(Reasoning::Disabled) => ("thinking", "none"),
    };
    let effort = effort::nearest(wished, model.efforts)?;
    let met = effort == Some(wished) || (wished == "none" && effort.is_none() && !model.by_itself);
    if !met {
        drop_hint(dropped, name);
    }
    Ok(effort)
}

/// Rejects fields that would change the response and that this model does not support.
fn refuse(request: &Request, model: &OpenAi, strict: bool) -> Result<(), ApiError> {
    let given = |penalty: Option<f64>| strict && penalty.is_some_and(|penalty| penalty != 0.0);
    // The name, and whether it is a list.
    let refused = [
        (request.stop.len() > if model.stops { MOST_STOPS } else { 0 }, "stop", true),
        (request.tools.len() > MOST_TOOLS, "tools", true),
        (given(request.frequency_penalty), "frequency_penalty", false),
        (given(request.presence_penalty), "presence_penalty", false),
    ];
    let Some((_, name, is_list)) = refused.into_iter().find(|(given, ..)| *given) else { return Ok(()) };
    let (number, fewer) = if is_list { (", or not this many entries", ", or send fewer entries") } else { ("", "") };
    let message =
        format!("The model that serves this request does not support '{name}'{number}. Remove '{name}'{fewer}.");
    Err(ApiError::unsupported(name, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Tool;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn plan(request: &Request, model: &str, on: Surface) -> (Option<String>, Vec<String>) {
        let mut dropped = Vec::new();
        let plan = Plan::of(request, model, on, &mut dropped).unwrap();
        (plan.effort.map(str::to_owned), dropped)
    }

    fn effort(word: &str) -> Request {
        Request { reasoning: Some(Reasoning::Effort(word.to_owned())), ..Request::default() }
    }

    #[test]
    fn an_effort_is_one_that_the_model_knows() {
        for (model, word, sent, named) in [
            ("gpt-4o", "high", None, true),
            ("gpt-4o", "none", None, false),
            ("o3", "minimal", Some("low"), true),
            ("o3", "xhigh", Some("high"), true),
            ("gpt-5", "minimal", Some("minimal"), false),
            ("gpt-5", "none", Some("minimal"), true),
            ("gpt-5.1", "none", Some("none"), false),
            ("gpt-5.1", "minimal", Some("none"), true),
            ("gpt-5.2", "max", Some("xhigh"), true),
            ("gpt-5.6", "max", Some("max"), false),
            ("gpt-5-pro", "low", Some("high"), true),
            ("llama", "max", Some("max"), false),
        ] {
            let expected = (sent.map(str::to_owned), if named { vec!["reasoning_effort".to_owned()] } else { vec![] });
            for on in [Surface::Chat, Surface::Responses] {
                assert_eq!(plan(&effort(word), model, on), expected, "{model} {word}");
            }
        }
        assert!(Plan::of(&effort("extreme"), "gpt-5", Surface::Chat, &mut Vec::new()).is_err());
    }

    #[test]
    fn other_wishes_become_efforts() {
        let wish = |wish| Request { reasoning: Some(wish), ..Request::default() };
        let sent = |reasoning, model| plan(&wish(reasoning), model, Surface::Chat);
        let named = vec!["thinking".to_owned()];
        assert_eq!(sent(Reasoning::Budget(9000), "gpt-5"), (Some("medium".to_owned()), vec![]));
        assert_eq!(sent(Reasoning::Budget(9000), "gpt-4o"), (None, named.clone()));
        assert_eq!(sent(Reasoning::Disabled, "gpt-5.5"), (Some("none".to_owned()), vec![]));
        assert_eq!(sent(Reasoning::Disabled, "gpt-5"), (Some("minimal".to_owned()), named.clone()));
        assert_eq!(sent(Reasoning::Disabled, "gpt-4o"), (None, vec![]));
        assert_eq!(sent(Reasoning::Disabled, "llama"), (None, named));
        assert_eq!(sent(Reasoning::Adaptive, "gpt-5"), (None, vec![]));
    }

    #[test]
    fn newer_models_reason_beside_functions_in_responses_only() {
        let tool = Tool { name: "f".to_owned(), description: None, parameters: None, strict: None, cache: None };
        let request = Request { tools: vec![tool.clone()], ..effort("high") };
        let named = vec!["reasoning_effort".to_owned()];
        assert_eq!(plan(&request, "gpt-5.6", Surface::Chat), (Some("none".to_owned()), named));
        assert_eq!(plan(&request, "gpt-5.6", Surface::Responses), (Some("high".to_owned()), vec![]));
        assert_eq!(plan(&request, "gpt-5.2", Surface::Chat), (Some("high".to_owned()), vec![]));
        let silent = Request { tools: vec![tool], ..Request::default() };
        assert_eq!(plan(&silent, "gpt-5.6", Surface::Chat), (Some("none".to_owned()), vec![]));
        assert_eq!(plan(&silent, "gpt-5.4", Surface::Chat), (None, vec![]));
    }

    #[test]
    fn chance_has_no_place_beside_reasoning() {
        let request = Request { temperature: Some(0.2), top_p: Some(0.9), ..Request::default() };
        let plan = |request: &Request, model: &str| {
            let mut dropped = Vec::new();
            Plan::of(request, model, Surface::Chat, &mut dropped).map(|plan| (plan.temperature, plan.top_p, dropped))
        };
        let both = vec!["temperature".to_owned(), "top_p".to_owned()];
        for model in ["gpt-5", "o3", "gpt-5.5", "o1-mini"] {
            assert_eq!(plan(&request, model).unwrap(), (None, None, both.clone()), "{model}");
        }
        for model in ["gpt-4o", "gpt-5.2", "gpt-5-chat", "llama", "gpt-oss-20b"] {
            assert_eq!(plan(&request, model).unwrap(), (Some(0.2), Some(0.9), vec![]), "{model}");
        }
        let reasons = Request { reasoning: Some(Reasoning::Effort("low".to_owned())), ..request.clone() };
        assert_eq!(plan(&reasons, "gpt-5.2").unwrap(), (None, None, both));
        let rests = Request { reasoning: Some(Reasoning::Effort("none".to_owned())), ..request };
        assert_eq!(plan(&rests, "gpt-5.5").unwrap(), (Some(0.2), Some(0.9), vec![]));
        let usual = Request { temperature: Some(1.0), top_p: Some(1.0), ..Request::default() };
        assert_eq!(plan(&usual, "gpt-5").unwrap(), (Some(1.0), Some(1.0), vec![]));
        let penalty = Request { presence_penalty: Some(0.5), ..Request::default() };
        assert_eq!(plan(&penalty, "gpt-5").unwrap_err().param.as_deref(), Some("presence_penalty"));
        assert!(plan(&penalty, "gpt-4o").is_ok());
        let stop = Request { stop: vec!["END".to_owned()], ..Request::default() };
        assert_eq!(plan(&stop, "gpt-5").unwrap_err().param.as_deref(), Some("stop"));
        assert!(plan(&stop, "gpt-4.1").is_ok());
    }
}
