//! Departures of a server from the format that it otherwise speaks: fields that it renames, does not support, or restricts. Quirks are
//! data; this module applies them to the request's JSON, forwarded or translated.
//!
//! Fields without a quirk are copied byte for byte. Only the top level is scanned, and each message if a quirk names a field of messages.
//! Servers without quirks pay nothing.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{ApiError, ErrorKind};
use crate::json;
use crate::order;

use super::aliases::{Ids, Rule};
use super::bounds::{Bound, Bounds, Verdict};
use super::fields::drop_hint;

/// The prefix for fields of messages.
const IN_MESSAGES: &str = "messages[].";

/// The prefix for fields of a message's tool calls.
const IN_CALLS: &str = "messages[].tool_calls[].";

/// One departure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quirk {
    /// The field's name in the format's table of fields: `seed`, `messages[].name`.
    pub field: &'static str,
    /// How it is changed.
    pub becomes: Becomes,
}

/// How a field is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Becomes {
    /// Renamed. A field that already has the new name is removed.
    Renamed(&'static str),
    /// The first value is replaced by the second; both are JSON.
    Replaced(&'static str, &'static str),
    /// Dropped and reported to the client: the server has no equivalent.
    Dropped,
    /// Removed without report: the server always does this by itself, or never does it.
    Omitted,
    /// Rejected with a 400, because dropping it would change the response. These values change nothing and are removed instead.
    Refused(&'static [&'static str]),
    /// Restricted to these values: 400 for any other.
    Only(&'static [&'static str]),
    /// A text that every assistant message needs. Where it is missing, an empty text is added.
    Present,
    /// An id that links a tool call and its result. Ids that the server does not accept are replaced in both.
    CallId(Rule),
}

/// Ranges of the body, in order, with their replacements.
pub type Edits = Vec<(Range<usize>, String)>;

/// The result of applying quirks to a request.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Adapted {
    /// The edits to the body.
    pub edits: Edits,
    /// The fields that were dropped.
    pub dropped: Vec<String>,
}

/// Computes the edits to `body`. Fails if the server does not support the request. `bounds` are the numbers that it accepts.
pub fn adapt<'q>(body: &[u8], quirks: impl Iterator<Item = &'q Quirk>, bounds: Bounds) -> Result<Adapted, ApiError> {
    let quirks: Vec<&Quirk> = quirks.collect();
    let text = str::from_utf8(body).map_err(|_| unreadable())?;
    let rule = quirks.iter().find_map(|quirk| match quirk.becomes {
        Becomes::CallId(rule) => Some(rule),
        _ => None,
    });
    let mut pass = Pass { text, quirks: &quirks, bounds, ids: rule.map(Ids::new), adapted: Adapted::default() };
    let top = Entries::read(text)?;
    pass.object(&top, "")?;
    if quirks.iter().any(|quirk| quirk.field.starts_with(IN_MESSAGES)) {
        let messages = top.0.iter().find(|(key, _)| name_of(key) == "messages");
        // The server itself rejects a value that is not a list of objects.
        let messages = messages.and_then(|(_, list)| json::read::<Vec<&RawValue>>(list.get()).ok());
        for message in messages.unwrap_or_default().iter().filter(|message| message.get().starts_with('{')) {
            pass.message(&Entries::read(message.get())?)?;
        }
    }
    order::by_numbers(&mut pass.adapted.edits, |(range, _)| (range.start as u64, range.end as u64));
    Ok(pass.adapted)
}

/// Applies the edits to the body.
pub fn edited(body: &[u8], edits: &Edits) -> Vec<u8> {
    let grown: usize = edits.iter().map(|(_, text)| text.len()).sum();
    let mut out = Vec::with_capacity(body.len().saturating_add(grown));
    let mut done = 0;
    for (range, text) in edits {
        out.extend_from_slice(body.get(done..range.start).unwrap_or_default());
        out.extend_from_slice(text.as_bytes());
        done = range.end;
    }
    out.extend_from_slice(body.get(done..).unwrap_or_default());
    out
}

/// The fields of an object, in order, as raw JSON.
struct Entries<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'a> Entries<'a> {
    fn read(object: &'a str) -> Result<Self, ApiError> {
        json::read(object).map_err(|_| unreadable())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::with_capacity(16);
                while let Some(entry) = map.next_entry::<&RawValue, &RawValue>()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// A key with its escapes decoded.
fn name_of(key: &RawValue) -> Cow<'_, str> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
    json::read::<Name<'_>>(key.get()).map(|name| name.0).unwrap_or_default()
}

struct Pass<'a> {
    text: &'a str,
    quirks: &'a [&'a Quirk],
    bounds: Bounds,
    /// Ids replaced so far, for a server that restricts them.
    ids: Option<Ids>,
    adapted: Adapted,
}

impl Pass<'_> {
    fn place(&self, raw: &RawValue) -> Range<usize> {
        let start = (raw.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        start..start + raw.get().len()
    }

    /// Scans a message's fields, and its tool calls' fields if a quirk names one.
    fn message(&mut self, entries: &Entries<'_>) -> Result<(), ApiError> {
        if let Some(ids) = &mut self.ids {
            ids.next_message();
        }
        self.object(entries, IN_MESSAGES)?;
        self.complete(entries);
        if !self.quirks.iter().any(|quirk| quirk.field.starts_with(IN_CALLS)) {
            return Ok(());
        }
        let calls = entries.0.iter().find(|(key, _)| name_of(key) == "tool_calls");
        let calls = calls.and_then(|(_, list)| json::read::<Vec<&RawValue>>(list.get()).ok());
        for call in calls.unwrap_or_default().iter().filter(|call| call.get().starts_with('{')) {
            self.object(&Entries::read(call.get())?, IN_CALLS)?;
        }
        Ok(())
    }

    /// Adds the texts that an assistant message needs.
    fn complete(&mut self, entries: &Entries<'_>) {
        let spoken = |(key, value): &(&RawValue, &RawValue)| value.get() == r#""assistant""# && name_of(key) == "role";
        let Some((first, _)) = entries.0.first().filter(|_| entries.0.iter().any(spoken)) else { return };
        let start = self.place(first).start;
        for quirk in self.quirks.iter().filter(|quirk| quirk.becomes == Becomes::Present) {
            let name = quirk.field.strip_prefix(IN_MESSAGES).unwrap_or_default();
            if !entries.0.iter().any(|(key, _)| name_of(key) == name) {
                self.adapted.edits.push((start..start, format!("{name:?}:\"\",")));
            }
        }
    }

    /// Replaces an id that the server does not accept.
    fn call_id(&mut self, value: &RawValue, prefix: &str) {
        let (Some(ids), Ok(id)) = (&mut self.ids, json::read::<String>(value.get())) else { return };
        let alias = if prefix == IN_CALLS { ids.call(&id) } else { ids.result(&id) };
        if alias != id {
            self.adapted.edits.push((self.place(value), format!("{alias:?}")));
        }
    }

    /// Scans an object's fields against the quirks with this `prefix`.
    fn object(&mut self, entries: &Entries<'_>, prefix: &str) -> Result<(), ApiError> {
        let quirks = self.quirks;
        let quirk_of = |key: &RawValue| {
            let name = name_of(key);
            quirks.iter().find(|quirk| quirk.field.strip_prefix(prefix) == Some(&*name)).map(|quirk| quirk.becomes)
        };
        let renamed = |key: &RawValue| match quirk_of(key) {
            Some(Becomes::Renamed(to)) => Some(to),
            _ => None,
        };
        let taken: Vec<&str> = entries.0.iter().filter_map(|(key, _)| renamed(key)).collect();
        // The end of the last field that stays. A removed field takes the comma before it, or the one after it if no field stayed before.
        let mut kept = None;
        for (index, (key, value)) in entries.0.iter().enumerate() {
            let becomes = quirk_of(key).or_else(|| taken.contains(&&*name_of(key)).then_some(Becomes::Omitted));
            if self.fits(key, value, prefix)? && self.stays(becomes, key, value, prefix)? {
                kept = Some(self.place(value).end);
                continue;
            }
            let next = entries.0.get(index + 1).map(|(next, _)| self.place(next).start);
            let range = match kept {
                Some(end) => end..self.place(value).end,
                None => self.place(key).start..next.unwrap_or(self.place(value).end),
            };
            kept = kept.map(|_| range.end);
            self.adapted.edits.push((range, String::new()));
        }
        Ok(())
    }

    /// Checks a number, or a list's length, against its bounds. Returns whether the field stays in some form. The server itself rejects any
    /// other type.
    fn fits(&mut self, key: &RawValue, value: &RawValue, prefix: &str) -> Result<bool, ApiError> {
        let name = name_of(key);
        let Some(bound) = prefix.is_empty().then(|| Bound::of(self.bounds, &name)).flatten() else { return Ok(true) };
        let number = match value.get().as_bytes().first() {
            Some(b'[') => json::read::<Vec<&RawValue>>(value.get()).map(|list| list.len() as f64),
            _ => json::read(value.get()),
        };
        let Ok(number) = number else { return Ok(true) };
        let verdict = bound.judge(&name, number)?;
        if let Verdict::Moved(bound) = verdict {
            self.adapted.edits.push((self.place(value), json::decimal(bound)));
        }
        if verdict != Verdict::Fits {
            drop_hint(&mut self.adapted.dropped, &name);
        }
        Ok(verdict != Verdict::LeftOut)
    }

    /// Applies the field's quirk. Returns whether the field stays in some form.
    fn stays(
        &mut self,
        becomes: Option<Becomes>,
        key: &RawValue,
        value: &RawValue,
        prefix: &str,
    ) -> Result<bool, ApiError> {
        match becomes {
            None => return Ok(true),
            Some(Becomes::Renamed(to)) => self.adapted.edits.push((self.place(key), format!("{to:?}"))),
            Some(Becomes::Replaced(from, to)) if value.get() == from => {
                self.adapted.edits.push((self.place(value), to.to_owned()));
            }
            Some(Becomes::Present) if value.get() == "null" => {
                self.adapted.edits.push((self.place(value), r#""""#.to_owned()));
            }
            Some(Becomes::Replaced(..) | Becomes::Present) => {}
            Some(Becomes::CallId(_)) => self.call_id(value, prefix),
            Some(Becomes::Omitted) => return Ok(false),
            Some(Becomes::Dropped) => {
                let field = format!("{prefix}{}", name_of(key));
                if value.get() != "null" && !self.adapted.dropped.contains(&field) {
                    self.adapted.dropped.push(field);
                }
                return Ok(false);
            }
            Some(becomes @ (Becomes::Refused(values) | Becomes::Only(values))) => {
                let same = |known: &&&str| ***known == *value.get();
                if value.get() != "null" && values.iter().find(same).is_none() {
                    let field = format!("{prefix}{}", name_of(key));
                    let message = format!(
                        "'{field}' is not supported by the provider that serves this model. Remove it, or use another \
                         model."
                    );
                    return Err(ApiError::unsupported(&field, message));
                }
                return Ok(matches!(becomes, Becomes::Only(_)));
            }
        }
        Ok(true)
    }
}

fn unreadable() -> ApiError {
    ApiError::new(400, ErrorKind::InvalidRequest, "The request body is not a JSON object.").with_code("invalid_json")
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const QUIRKS: &[Quirk] = &[
        Quirk { field: "seed", becomes: Becomes::Renamed("random_seed") },
        Quirk { field: "tool_choice", becomes: Becomes::Replaced(r#""required""#, r#""any""#) },
        Quirk { field: "user", becomes: Becomes::Dropped },
        Quirk { field: "stream_options", becomes: Becomes::Omitted },
        Quirk { field: "n", becomes: Becomes::Refused(&["1"]) },
        Quirk { field: "k", becomes: Becomes::Only(&["1"]) },
        Quirk { field: "messages[].name", becomes: Becomes::Dropped },
        Quirk { field: "messages[].role", becomes: Becomes::Replaced(r#""developer""#, r#""system""#) },
        Quirk { field: "messages[].thought", becomes: Becomes::Present },
    ];

    fn adapted(body: &str) -> Result<(String, Vec<String>), ApiError> {
        let adapted = adapt(body.as_bytes(), QUIRKS.iter(), &[])?;
        let body = String::from_utf8(edited(body.as_bytes(), &adapted.edits)).unwrap();
        serde_json::from_str::<serde_json::Value>(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
        Ok((body, adapted.dropped))
    }

    #[test]
    fn what_no_quirk_names_keeps_its_bytes() {
        for body in [
            r#" { "model" : "m\u0041" , "x":{"seed":1,"user":2}, "messages":[ {"content":"seed","tool":{"name":1}} ],"t":1e3 } "#,
            r#"{"tool_choice":"auto","messages":[{"role":"user"}]}"#,
            r#"{"tool_choice":{"type":"required"},"messages":["developer",7,null]}"#,
            r#"{"messages":"seed"}"#,
            "{}",
        ] {
            assert_eq!(adapted(body), Ok((body.to_owned(), vec![])));
        }
    }

    #[test]
    fn a_text_that_an_assistants_message_needs_is_added_where_it_is_missing() {
        for (message, expected) in [
            (r#"{ "role":"assistant","content":"a"}"#, r#"{ "thought":"","role":"assistant","content":"a"}"#),
            (r#"{"name":"n","role":"assistant"}"#, r#"{"thought":"","role":"assistant"}"#),
            (r#"{"role":"assistant","thought":null}"#, r#"{"role":"assistant","thought":""}"#),
            (r#"{"role":"assistant","thought":"a"}"#, r#"{"role":"assistant","thought":"a"}"#),
            (r#"{"r\u006fle":"assistant","th\u006fught":"a"}"#, r#"{"r\u006fle":"assistant","th\u006fught":"a"}"#),
            (r#"{"role":"user","content":"assistant"}"#, r#"{"role":"user","content":"assistant"}"#),
            ("{}", "{}"),
        ] {
            let body = |message: &str| format!(r#"{{"messages":[{{"role":"user"}},{message}]}}"#);
            assert_eq!(adapted(&body(message)).unwrap().0, body(expected));
        }
    }

    #[test]
    fn a_field_is_renamed_and_what_has_the_name_gives_way() {
        for (body, expected) in [
            (r#"{"seed": 7 ,"a":1}"#, r#"{"random_seed": 7 ,"a":1}"#),
            (r#"{"s\u0065ed":7}"#, r#"{"random_seed":7}"#),
            (r#"{"random_seed":1,"seed":7}"#, r#"{"random_seed":7}"#),
            (r#"{"seed":7,"random_seed":1 }"#, r#"{"random_seed":7 }"#),
            (r#"{"random_seed":1}"#, r#"{"random_seed":1}"#),
        ] {
            assert_eq!(adapted(body).unwrap().0, expected);
        }
    }

    #[test]
    fn a_value_is_replaced_and_only_that_value() {
        let body =
            r#"{"messages":[{"role": "developer","content":"developer"},{"role":"user"}],"tool_choice":"required"}"#;
        let expected = body.replace(r#""role": "developer""#, r#""role": "system""#).replace("\"required\"", "\"any\"");
        assert_eq!(adapted(body), Ok((expected, vec![])));
    }

    #[test]
    fn what_is_left_out_takes_one_comma_along() {
        for (body, expected) in [
            (r#"{"user":1}"#, "{}"),
            (r#"{"user":1,"a":2}"#, r#"{"a":2}"#),
            (r#"{ "user" : 1 , "a":2 }"#, r#"{ "a":2 }"#),
            (r#"{"a":2,"user":1}"#, r#"{"a":2}"#),
            (r#"{"a":2 , "user":1 , "b":3}"#, r#"{"a":2 , "b":3}"#),
            (r#"{"user":1,"stream_options":{},"a":2}"#, r#"{"a":2}"#),
            (r#"{"a":2,"user":1,"stream_options":{}}"#, r#"{"a":2}"#),
            (r#"{"user":1,"a":2,"stream_options":{},"n":1,"b":3,"user":4}"#, r#"{"a":2,"b":3}"#),
            (r#"{"user":1,"stream_options":{},"n":null}"#, "{}"),
            (r#"{"messages":[{"name":"x"},{"role":"user","name":"y"}]}"#, r#"{"messages":[{},{"role":"user"}]}"#),
        ] {
            assert_eq!(adapted(body).unwrap().0, expected);
        }
    }

    #[test]
    fn whatever_stands_together_in_whatever_order_what_remains_is_an_object() {
        const FIELDS: [(&str, Option<&str>); 6] = [
            (r#""a":[1,{"seed":2}]"#, Some("a")),
            (r#""b" : "x,y" "#, Some("b")),
            (r#""seed":7"#, Some("random_seed")),
            (r#""random_seed":8"#, Some("random_seed")),
            (r#""user":"u""#, None),
            (r#""n":1"#, None),
        ];
        fn all(chosen: &mut Vec<usize>, check: &mut dyn FnMut(&[usize])) {
            check(chosen);
            for next in 0..FIELDS.len() {
                if !chosen.contains(&next) {
                    chosen.push(next);
                    all(chosen, check);
                    chosen.pop();
                }
            }
        }
        all(&mut Vec::new(), &mut |chosen| {
            let body = chosen.iter().map(|field| FIELDS[*field].0).collect::<Vec<_>>().join(", ");
            let (body, _) = adapted(&format!("{{ {body} }}")).unwrap();
            let read: std::collections::BTreeMap<String, serde_json::Value> = serde_json::from_str(&body).unwrap();
            let mut expected: Vec<&str> = chosen.iter().filter_map(|field| FIELDS[*field].1).collect();
            expected.sort_unstable();
            expected.dedup();
            assert_eq!(read.keys().collect::<Vec<_>>(), expected, "{body}");
            assert_eq!(body.matches("random_seed").count(), usize::from(expected.contains(&"random_seed")), "{body}");
            let seed = chosen.contains(&2).then_some(7).or(chosen.contains(&3).then_some(8));
            assert_eq!(read.get("random_seed").and_then(serde_json::Value::as_i64), seed, "{body}");
        });
    }

    #[test]
    fn a_dropped_field_is_told_once_and_an_omitted_one_never() {
        let body = r#"{"user":"u","stream_options":{},"messages":[{"name":"a"},{"name":"b"}]}"#;
        assert_eq!(adapted(body).unwrap().1, ["user", "messages[].name"]);
        assert_eq!(adapted(r#"{"user":null}"#), Ok(("{}".to_owned(), vec![])));
    }

    #[test]
    fn a_field_that_would_change_the_answer_is_refused_by_its_name() {
        let error = adapted(r#"{"n":2}"#).unwrap_err();
        assert_eq!((error.status, error.param.as_deref()), (400, Some("n")));
        for harmless in ["1", "null"] {
            assert_eq!(adapted(&format!(r#"{{"n":{harmless}}}"#)).unwrap().0, "{}");
        }
    }

    #[test]
    fn a_field_that_may_have_one_value_only_keeps_it() {
        for body in [r#"{"k": 1 ,"a":2}"#, r#"{"k":null}"#] {
            assert_eq!(adapted(body), Ok((body.to_owned(), vec![])));
        }
        assert_eq!(adapted(r#"{"k":2}"#).unwrap_err().param.as_deref(), Some("k"));
    }

    #[test]
    fn what_is_no_object_is_a_400_and_no_panic() {
        for body in [&b""[..], b"[", b"[]", b"\xff", b"{\"a\":}", b"{\"messages\":[{]}"] {
            assert_eq!(adapt(body, QUIRKS.iter(), &[]).unwrap_err().status, 400);
        }
    }
}
