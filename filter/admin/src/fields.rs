//! The body of a request, field by field: each of the right type, and none that is not known.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sluice_wire::json;

use super::answer::AdminError;

/// The fields that nobody has taken yet.
#[derive(Debug)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// Reads a body that is an object; nothing at all is an empty one.
    pub fn read(body: &[u8]) -> Result<Self, AdminError> {
        if body.is_empty() {
            return Ok(Self(Map::new()));
        }
        match json::from_slice(body) {
            Ok(mut value @ Value::Object(_)) => {
                make_whole(&mut value);
                Ok(Self(value.as_object_mut().map(std::mem::take).unwrap_or_default()))
            }
            Ok(_) => Err(AdminError::new(400, "invalid_request", "The request body must be a JSON object.")),
            Err(error) => {
                Err(AdminError::new(400, "invalid_json", format!("The request body is not valid JSON: {error}.")))
            }
        }
    }

    /// A field as it stands, `null` included.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    /// A field that may be left out.
    pub fn optional<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<Option<T>, AdminError> {
        self.take(name).map(|value| typed(name, value)).transpose()
    }

    /// A field that must be there.
    pub fn required<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<T, AdminError> {
        let found = self.optional(name)?;
        found.ok_or_else(|| AdminError::invalid(name, format!("The field `{name}` is missing.")))
    }

    /// A field merged into what it was (RFC 7396): `null` makes it the default, and members of objects are merged by
    /// themselves.
    pub fn merge<T: Serialize + DeserializeOwned + Default>(
        &mut self,
        name: &'static str,
        old: &mut T,
    ) -> Result<(), AdminError> {
        let Some(patch) = self.take(name) else { return Ok(()) };
        if patch.is_null() {
            *old = T::default();
            return Ok(());
        }
        let mut value = serde_json::to_value(&*old).unwrap_or_default();
        merge(&mut value, patch);
        *old = typed(name, value)?;
        Ok(())
    }

    /// Refuses what nobody took.
    pub fn finish(self) -> Result<(), AdminError> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => {
                Err(AdminError::invalid(name, "This field does not exist, or the admin API cannot set it."))
            }
        }
    }
}

fn typed<T: DeserializeOwned>(name: &'static str, value: Value) -> Result<T, AdminError> {
    json::from_value(value)
        .map_err(|error| AdminError::invalid(name, format!("The field `{name}` is invalid: {error}.")))
}

/// To JSON, `5.0` is the same whole number as `5`.
fn make_whole(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(make_whole),
        Value::Object(members) => members.values_mut().for_each(make_whole),
        Value::Number(number) if number.is_f64() => {
            let whole = number.as_f64().filter(|number| number.fract() == 0.0 && (0.0..9e15).contains(number));
            if let Some(whole) = whole {
                *value = Value::from(whole as u64);
            }
        }
        _ => {}
    }
}

fn merge(old: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *old = patch;
        return;
    };
    if !old.is_object() {
        *old = Value::Object(Map::new());
    }
    let Value::Object(members) = old else { return };
    for (name, value) in patch {
        if value.is_null() {
            members.remove(&name);
        } else {
            merge(members.entry(name).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_examples_of_rfc_7396() {
        for (old, patch, new) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            let mut value = serde_json::from_str(old).unwrap();
            merge(&mut value, serde_json::from_str(patch).unwrap());
            assert_eq!(value, serde_json::from_str::<Value>(new).unwrap(), "{old} {patch}");
        }
    }

    #[test]
    fn what_is_no_object_and_what_is_no_field_is_refused() {
        assert_eq!(Fields::read(b"[]").unwrap_err().status, 400);
        assert_eq!(Fields::read(b"{").unwrap_err().code, "invalid_json");
        assert_eq!(Fields::read(b"\xff").unwrap_err().code, "invalid_json");
        assert_eq!(Fields::read("[".repeat(10_000).as_bytes()).unwrap_err().code, "invalid_json");
        let mut fields = Fields::read(br#"{"id":5,"x":1}"#).unwrap();
        assert_eq!(fields.required::<String>("id").unwrap_err().param.as_deref(), Some("id"));
        assert_eq!(fields.required::<String>("team").unwrap_err().param.as_deref(), Some("team"));
        assert_eq!(fields.finish().unwrap_err().param.as_deref(), Some("x"));
    }
}
