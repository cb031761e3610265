//! A task in a prompt, for tests with coding agents: the model calls one tool after the other, then ends.
//!
//! Lines such as `call write_file {"path":"a","text":"b"}` are the steps; the number of tool results in the
//! conversation is the number of completed steps. The search covers the whole body in any format, so that a wire's
//! mistake in reading results does not hide here.

use serde_json::Value;

/// The prefix of a step's line.
const CALL: &str = "call ";

/// The prefix of a line with the model's answer, for agents with text-based tools: `answer "..."`.
const ANSWER: &str = "answer ";

/// A task and its progress.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// The tools to call, with their arguments.
    pub steps: Vec<(String, Value)>,
    /// The number of completed steps.
    pub done: usize,
    /// The model's text; without it the model reports its progress.
    pub answer: Option<String>,
}

impl Scenario {
    /// The task in a request's body, if there is one.
    pub fn of(body: &Value) -> Option<Self> {
        let (mut steps, mut answer) = (Vec::new(), None);
        texts(body, &mut |text| {
            let found: Vec<_> = text.lines().filter_map(step).collect();
            answer = text.lines().find_map(words).or(answer.take());
            // Histories repeat the task.
            if found.len() > steps.len() {
                steps = found;
            }
        });
        (!steps.is_empty() || answer.is_some()).then(|| Self { steps, done: results(body), answer })
    }

    /// The next step.
    pub fn next(&self) -> Option<&(String, Value)> {
        self.steps.get(self.done)
    }
}

fn step(line: &str) -> Option<(String, Value)> {
    let (name, arguments) = line.trim().strip_prefix(CALL)?.split_once(' ')?;
    Some((name.to_owned(), serde_json::from_str(arguments).ok().filter(Value::is_object)?))
}

fn words(line: &str) -> Option<String> {
    serde_json::from_str(line.trim().strip_prefix(ANSWER)?).ok()
}

fn texts(value: &Value, found: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => found(text),
        Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

/// The number of tool results in a conversation, in any format.
fn results(value: &Value) -> usize {
    let below = |values: &mut dyn Iterator<Item = &Value>| values.map(results).sum::<usize>();
    match value {
        Value::Array(values) => below(&mut values.iter()),
        Value::Object(fields) => {
            let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
            let one = text("role") == "tool"
                || matches!(text("type"), "tool_result" | "function_call_output" | "custom_tool_call_output")
                || fields.contains_key("toolResult")
                || fields.contains_key("functionResponse");
            if one { 1 } else { below(&mut fields.values()) }
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn steps_are_found_and_results_counted_in_every_format() {
        let task = "Do this:\ncall a {\"x\":1}\n  call b {}\ncall it what you like\n";
        for (history, done) in [
            (json!([]), 0),
            (json!([{"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "r"}]}]), 1),
            (
                json!([{"role": "user", "content": [{"type": "tool_result", "content": "r"}, {"type": "tool_result"}]}]),
                2,
            ),
            (json!([{"role": "user", "parts": [{"functionResponse": {"name": "a", "response": {"result": "r"}}}]}]), 1),
            (json!([{"role": "user", "content": [{"toolResult": {"content": [{"text": "r"}]}}]}]), 1),
            (json!([{"type": "function_call_output"}, {"type": "custom_tool_call_output"}]), 2),
        ] {
            let scenario = Scenario::of(&json!({"input": [{"text": task}, history]})).unwrap();
            assert_eq!(scenario.done, done);
            let steps: Vec<&str> = scenario.steps.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(steps, ["a", "b"]);
            assert_eq!(scenario.next().map(|(name, _)| name.as_str()), ["a", "b"].get(done).copied());
        }
        assert_eq!(Scenario::of(&json!({"input": "say hello"})), None);
        let said = Scenario::of(&json!(["answer \"a\"", "x\nanswer \"b\\nc\""])).unwrap();
        assert_eq!(said.answer.as_deref(), Some("b\nc"));
    }
}
