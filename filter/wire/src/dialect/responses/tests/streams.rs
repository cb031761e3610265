//! Streams written for clients.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::conversation::{Finish, StreamEvent as E, Usage};
use crate::dialect::Opening;
use crate::dialect::halves::RESPONSES;
use crate::error::{ApiError, ErrorKind};

fn written(events: &[E]) -> String {
    let opening = Opening {
        model: "asked".to_owned(),
        now: 7,
        include_usage: true,
        estimate: 0,
        guises: crate::conversation::Guises::none(),
    };
    let mut writer = RESPONSES.stream_writer(opening);
    let mut out = Vec::new();
    for event in events {
        writer.write(event, &mut out);
    }
    String::from_utf8(out).unwrap()
}

/// The events without the response object, which another test covers. Checks and removes names and numbers.
fn events(events: &[E]) -> Vec<String> {
    let stream = written(events);
    let events = (0..).zip(stream.split_terminator("\n\n").filter(|event| !event.starts_with(':')));
    let events = events.map(|(number, event): (u64, &str)| {
        let (name, data) = event.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
        let head = format!(r#"{{"type":"{name}","sequence_number":{number},"#);
        let rest = data.strip_prefix(&head).unwrap_or_else(|| panic!("{event}"));
        let short = name.strip_prefix("response.").unwrap_or(name);
        let rest = if rest.starts_with(r#""response":"#) { "" } else { rest.trim_end_matches('}') };
        format!("{short} {rest}").trim_end().to_owned()
    });
    events.collect()
}

pub(super) fn start() -> E {
    E::Start { id: "c1".to_owned(), model: "m".to_owned() }
}

pub(super) fn say(text: &str) -> E {
    E::Text { choice: 0, text: text.to_owned() }
}

pub(super) fn think(text: &str) -> E {
    E::Thinking { choice: 0, text: text.to_owned() }
}

pub(super) fn signature(signature: &str) -> E {
    E::Signature { choice: 0, signature: signature.to_owned() }
}

pub(super) fn call(call: u32, id: &str, name: &str) -> E {
    E::ToolCall { choice: 0, call, id: id.to_owned(), name: name.to_owned() }
}

pub(super) fn arguments(call: u32, json: &str) -> E {
    E::Arguments { choice: 0, call, json: json.to_owned() }
}

pub(super) fn finish(finish: Finish) -> E {
    E::Finish { choice: 0, finish }
}

pub(super) const USAGE: Usage = Usage { input: 9, cached: 0, cache_write: 0, output: 1, reasoning: 0 };

#[test]
fn the_end_is_the_whole_answer() {
    let given = [
        start(),
        think("t"),
        signature("EqQ="),
        say("Hi"),
        call(0, "c", "f"),
        finish(Finish::ToolCalls),
        E::Usage(USAGE),
        E::End,
    ];
    let stream = written(&given);
    let (_, last) = stream.trim_end().rsplit_once("\n\n").unwrap();
    let data = last.split_once(r#","response":"#).unwrap().1.strip_suffix('}').unwrap();
    let mut response = RESPONSES.read_response(data.as_bytes()).unwrap();
    assert!(last.starts_with("event: response.completed\n") && response.usage == Some(USAGE));
    response.created = None;
    let whole = RESPONSES.write_response(&response, 7);
    assert_eq!(data, String::from_utf8(whole).unwrap(), "as an answer that is not streamed");
}

#[test]
fn reasoning_and_its_signature_are_one_item() {
    let given = [start(), think("a"), think("b"), signature("x"), signature("y"), think("c"), say("Hi")];
    let names: Vec<String> = events(&given).into_iter().skip(2).collect();
    let at = |index: usize| format!(r#""item_id":"rs_c1_{index}","output_index":{index},"summary_index":0"#);
    assert_eq!(
        names[0],
        r#"output_item.added "output_index":0,"item":{"type":"reasoning","id":"rs_c1_0","summary":[]"#
    );
    assert_eq!(names[1], format!(r#"reasoning_summary_part.added {},"part":{{"type":"summary_text","text":"""#, at(0)));
    assert_eq!(names[2], format!(r#"reasoning_summary_text.delta {},"delta":"a""#, at(0)));
    assert_eq!(names[4], format!(r#"reasoning_summary_text.done {},"text":"ab""#, at(0)));
    assert_eq!(
        names[5],
        format!(r#"reasoning_summary_part.done {},"part":{{"type":"summary_text","text":"ab""#, at(0))
    );
    let signed = r#"output_item.done "output_index":0,"item":{"type":"reasoning","id":"rs_c1_0","summary":[{"type":"summary_text","text":"ab"}],"encrypted_content":"anthropic#xy""#;
    assert_eq!(names[6], signed);
    assert_eq!(names[9], format!(r#"reasoning_summary_text.delta {},"delta":"c""#, at(1)));
    let hidden = events(&[start(), E::RedactedThinking { choice: 0, data: "gemini#x".to_owned() }]);
    assert_eq!(
        hidden[3],
        r#"output_item.done "output_index":0,"item":{"type":"reasoning","id":"rs_c1_0","summary":[],"encrypted_content":"gemini#x""#
    );
}

#[test]
fn calls_whose_pieces_are_mixed_keep_their_own_and_always_have_arguments() {
    let given = [
        start(),
        call(0, "a", "f"),
        arguments(0, "{\"x\":"),
        call(1, "b", "g"),
        arguments(0, "1}"),
        arguments(7, "lost"),
        finish(Finish::ToolCalls),
    ];
    let expected = [
        r#"output_item.added "output_index":0,"item":{"type":"function_call","id":"fc_c1_0","call_id":"a","name":"f","arguments":"","status":"in_progress""#,
        r#"function_call_arguments.delta "item_id":"fc_c1_0","output_index":0,"delta":"{\"x\":""#,
        r#"output_item.added "output_index":1,"item":{"type":"function_call","id":"fc_c1_1","call_id":"b","name":"g","arguments":"","status":"in_progress""#,
        r#"function_call_arguments.delta "item_id":"fc_c1_0","output_index":0,"delta":"1}""#,
        r#"function_call_arguments.done "item_id":"fc_c1_0","output_index":0,"arguments":"{\"x\":1}""#,
        r#"output_item.done "output_index":0,"item":{"type":"function_call","id":"fc_c1_0","call_id":"a","name":"f","arguments":"{\"x\":1}","status":"completed""#,
        r#"function_call_arguments.delta "item_id":"fc_c1_1","output_index":1,"delta":"{}""#,
        r#"function_call_arguments.done "item_id":"fc_c1_1","output_index":1,"arguments":"{}""#,
        r#"output_item.done "output_index":1,"item":{"type":"function_call","id":"fc_c1_1","call_id":"b","name":"g","arguments":"{}","status":"completed""#,
    ];
    assert_eq!(events(&given)[2..], expected);
}

#[test]
fn a_refusal_is_a_part_of_the_message_it_follows() {
    let given = [start(), say("Hm."), E::Refusal { choice: 0, text: "no".to_owned() }, finish(Finish::Stop), E::End];
    let events = events(&given);
    let at = r#""item_id":"msg_c1_0","output_index":0,"content_index":1"#;
    assert_eq!(events[7], format!(r#"content_part.added {at},"part":{{"type":"refusal","refusal":"""#));
    assert_eq!(events[8], format!(r#"refusal.delta {at},"delta":"no""#));
    assert_eq!(events[9], format!(r#"refusal.done {at},"refusal":"no""#));
    assert!(events[11].contains(r#"{"type":"refusal","refusal":"no"}"#) && events.len() == 13, "{events:?}");
}

#[test]
fn an_answer_that_was_cut_short_ends_incomplete() {
    for cut in [Finish::Length, Finish::ContentFilter] {
        let events = events(&[start(), say("Hi"), finish(cut), E::End]);
        assert_eq!(events.last().map(String::as_str), Some("incomplete"));
        assert!(events[events.len() - 2].contains(r#""status":"incomplete""#));
    }
}

#[test]
fn a_call_that_was_cut_off_does_not_end() {
    for cut in [Finish::Length, Finish::ContentFilter] {
        let given = [
            start(),
            call(0, "a", "f"),
            arguments(0, r#"{"x":1}"#),
            call(1, "b", "g"),
            call(2, "c", "h"),
            arguments(2, r#"{"x":"#),
            call(3, "d", "i"),
            finish(cut),
            E::End,
        ];
        let done: Vec<String> = events(&given).into_iter().filter(|event| event.contains(".done ")).collect();
        assert!(done.len() == 2 && done.iter().all(|event| event.contains(r#""arguments":"{\"x\":1}""#)), "{done:?}");
        let stream = written(&given);
        let last = stream.trim_end().rsplit_once("\n\n").unwrap().1;
        assert!(last.starts_with("event: response.incomplete\n") && !stream.contains(r#""{}""#), "{stream}");
        assert_eq!(last.matches(r#""status":"incomplete""#).count(), 4, "of the response and three calls: {last}");
    }
}

#[test]
fn a_failure_is_raised_by_libraries_and_ends_the_stream() {
    let error = ApiError::new(503, ErrorKind::Overloaded, "busy");
    let stream = written(&[start(), say("Hi"), E::Error(error.clone()), E::End, say("late")]);
    let shown = concat!(
        r#""code":"overloaded","message":"busy","param":null,"#,
        r#""error":{"message":"busy","type":"server_error","param":null,"code":"overloaded"}}"#
    );
    assert!(stream.contains(&format!("event: error\ndata: {{\"type\":\"error\",\"sequence_number\":5,{shown}\n\n")));
    let last = stream.trim_end().rsplit_once("\n\n").unwrap().1;
    assert!(last.starts_with("event: response.failed\n"), "{last}");
    assert!(
        last.contains(r#""status":"failed""#) && last.contains(r#""error":{"code":"server_error","message":"busy"}"#)
    );
    // If the failure is the only known event of the stream, only `error` is written.
    let alone = written(&[E::Error(error)]);
    assert!(alone.starts_with("event: error\n") && alone.matches("event:").count() == 1, "{alone}");
}

#[test]
fn a_stream_begins_whatever_comes_first() {
    let stream = written(&[say("Hi"), E::End]);
    assert!(stream.starts_with("event: response.created\n") && stream.contains(r#""id":"resp_7""#));
    assert!(stream.contains(r#""model":"asked""#));
    let other = E::Text { choice: 1, text: "other".to_owned() };
    assert!(!written(&[start(), other, E::End]).contains("other"), "the format holds one answer");
}
