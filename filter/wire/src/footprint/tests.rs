#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

#[test]
fn values_are_counted_outside_of_strings() {
    let json = br#"{"a":"{[,\"{","b":[1,2,{"c":"\\"},"\\\"["],"d":null}"#;
    assert_eq!(Values::of(json), Values { containers: 3, strings: 7, others: 5 });
    for cut in 0..json.len() {
        let _ = Values::of(&json[..cut]);
    }
}

#[test]
fn what_is_short_fits_without_a_look() {
    for unit in ["{", "[", "\"", ",", "{\"a\":1},", "x"] {
        for length in [0, 1, 100, 1_000] {
            let json = unit.repeat(length);
            let takes = of(json.as_bytes());
            for most in [takes.saturating_sub(1), takes, takes + 1, takes / 2, takes * 2, 100 << 10] {
                assert_eq!(fits(json.as_bytes(), most), takes <= most, "{length} of {unit}: {takes}, {most}");
            }
        }
    }
}

#[test]
fn a_long_text_is_not_many_values() {
    let prose = format!(r#"{{"a":"{}"}}"#, "[{,".repeat(10 << 20));
    assert!(check_request(prose.as_bytes()).is_ok());
    let values = format!(r#"{{"a":[{}{{}}]}}"#, "{},".repeat(1 << 20));
    assert_eq!(check_request(values.as_bytes()).unwrap_err().status, 413);
    assert_eq!(check_answer(values.as_bytes()).unwrap_err().status, 502);
}

#[test]
fn a_batch_of_embeddings_and_a_long_conversation_can_be_read() {
    let vectors = format!("[{}0.1]", "0.0123456789,".repeat(2_000_000));
    let turns = format!("[{}1]", r#"{"role":"user","content":[{"type":"text","text":"x"}]},"#.repeat(100_000));
    assert!(check_answer(vectors.as_bytes()).is_ok() && check_request(turns.as_bytes()).is_ok());
}

/// Compares the estimate with real allocations, for the values that inflate most in each format.
#[cfg(not(target_arch = "wasm32"))]
mod measured {
    use crate::dialect::halves::{Both, CHATS, EMBEDDINGS};
    use crate::dialect::translate::{ResponseContext, answer, request};
    use crate::embedding::Encoding;
    use crate::footprint;

    const COUNT: usize = 400;

    /// Bodies filled with many copies of the same small item, at each place that may hold it.
    fn bodies(places: &[(&str, &str)]) -> Vec<String> {
        let filled = |(body, item): &(&str, &str)| body.replace("ITEMS", &vec![*item; COUNT].join(","));
        places.iter().map(filled).collect()
    }

    fn requests() -> Vec<String> {
        bodies(&[
            (r#"{"model":"m","max_tokens":1,"messages":[ITEMS]}"#, r#"{"role":"user","content":""}"#),
            (
                r#"{"model":"m","max_tokens":1,"messages":[ITEMS]}"#,
                r#"{"role":"user","content":[{"type":"text","text":"x"}]}"#,
            ),
            (
                r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[ITEMS]}]}"#,
                r#"{"type":"text","text":""}"#,
            ),
            (
                r#"{"model":"m","messages":[{"role":"assistant","tool_calls":[ITEMS]}]}"#,
                r#"{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}"#,
            ),
            (
                r#"{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":[ITEMS]}]}"#,
                r#"{"type":"tool_use","id":"a","name":"f","input":{}}"#,
            ),
            (
                r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}],"tools":[ITEMS]}"#,
                r#"{"type":"function","function":{"name":"f"}}"#,
            ),
            (
                r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}],"tools":[ITEMS]}"#,
                r#"{"name":"f","input_schema":{}}"#,
            ),
            (r#"{"model":"m","messages":[{"role":"user","content":"x"}],"stop":[ITEMS]}"#, r#""""#),
            (r#"{"model":"m","input":[ITEMS]}"#, r#"{"role":"user","content":""}"#),
            (
                r#"{"model":"m","input":[ITEMS]}"#,
                r#"{"type":"function_call","call_id":"a","name":"f","arguments":"{}"}"#,
            ),
            (r#"{"model":"m","input":"x","tools":[ITEMS]}"#, r#"{"type":"function","name":"f"}"#),
            (r#"{"model":"m","prompt":[ITEMS]}"#, r#""""#),
            (r#"{"model":"m","input":[ITEMS]}"#, r#""""#),
            (r#"{"model":"m","input":[[ITEMS]]}"#, "1"),
        ])
    }

    fn answers() -> Vec<String> {
        bodies(&[
            (r#"{"choices":[ITEMS]}"#, r#"{"index":0,"message":{"content":""},"finish_reason":"stop"}"#),
            (
                r#"{"choices":[{"index":0,"message":{"tool_calls":[ITEMS]},"finish_reason":"stop"}]}"#,
                r#"{"function":{}}"#,
            ),
            (
                r#"{"type":"message","role":"assistant","content":[ITEMS],"stop_reason":"end_turn"}"#,
                r#"{"type":"text","text":""}"#,
            ),
            (
                r#"{"type":"message","role":"assistant","content":[ITEMS],"stop_reason":"end_turn"}"#,
                r#"{"type":"tool_use","id":"","name":"","input":{}}"#,
            ),
            (
                r#"{"status":"completed","output":[ITEMS]}"#,
                r#"{"type":"function_call","call_id":"","name":"","arguments":""}"#,
            ),
            (
                r#"{"status":"completed","output":[{"type":"message","role":"assistant","content":[ITEMS]}]}"#,
                r#"{"type":"output_text","text":""}"#,
            ),
            (r#"{"candidates":[{"content":{"parts":[ITEMS]},"finishReason":"STOP"}]}"#, r#"{"text":""}"#),
            (r#"{"candidates":[{"content":{"parts":[ITEMS]},"finishReason":"STOP"}]}"#, r#"{"functionCall":{}}"#),
            (
                r#"{"output":{"message":{"role":"assistant","content":[ITEMS]}},"stopReason":"end_turn"}"#,
                r#"{"text":""}"#,
            ),
            (
                r#"{"message":{"role":"assistant","content":[ITEMS]},"finish_reason":"COMPLETE"}"#,
                r#"{"type":"text","text":""}"#,
            ),
            (r#"{"data":[ITEMS]}"#, r#"{"index":0,"embedding":[]}"#),
            (r#"{"embeddings":[ITEMS]}"#, r#"{"values":[]}"#),
            (r#"{"embeddings":[{"values":[ITEMS]}]}"#, "0"),
            (r#"{"embeddings":{"float":[ITEMS]}}"#, "[]"),
        ])
    }

    /// The VM's pointers are half the size of those in this test, and the parsed types consist almost entirely of pointers.
    fn fits(json: &str, what: &str, measured: &allocation_counter::AllocationInfo) -> bool {
        let (most, estimated) = (measured.bytes_max as usize, footprint::of(json.as_bytes()));
        assert!(most <= 2 * estimated, "{what}: {most} bytes, estimated {estimated}: {}", &json[..json.len().min(200)]);
        true
    }

    #[test]
    fn reading_and_writing_take_no_more_than_is_estimated() {
        let mut read = 0;
        let vectors = EMBEDDINGS.map(|format| Both { client: format.client, provider: format.provider });
        let pairs = [CHATS.to_vec(), vectors.to_vec()].map(|all| {
            all.iter().flat_map(|client| all.iter().map(move |provider| (*client, *provider))).collect::<Vec<_>>()
        });
        for (client, provider) in pairs.concat() {
            if client.id() == provider.id() {
                continue;
            }
            let pair = format!("{} to {}", client.name(), provider.name());
            let (client, provider) = (client.client, provider.provider);
            for body in requests() {
                let mut written = false;
                let measured = allocation_counter::measure(|| {
                    written = request(client, provider, body.as_bytes(), "model").is_ok();
                });
                read += usize::from(fits(&body, &pair, &measured) && written);
            }
            let context = ResponseContext {
                model: "m",
                id: "i",
                now: 0,
                encoding: Encoding::Base64,
                estimate: 1,
                names: &crate::dialect::aliases::Names::none(),
            };
            for body in answers() {
                let mut written = false;
                let measured = allocation_counter::measure(|| {
                    written = answer(client, provider, body.as_bytes(), &context).is_ok();
                });
                read += usize::from(fits(&body, &pair, &measured) && written);
            }
        }
        assert!(read > 200, "only {read} of them could be read");
    }
}
