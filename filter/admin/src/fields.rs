//! Parses a request body field by field: each must be known and of the right type.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sluice_wire::json;

use super::answer::AdminError;

/// The fields that were not read yet.
#[derive(Debug)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// Parses a body that is a JSON object. An empty body is an empty object.
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

    /// Takes a field unchanged, including `null`.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    /// Takes an optional field.
    pub fn optional<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<Option<T>, AdminError> {
        self.take(name).map(|value| typed(name, value)).transpose()
    }

    /// Takes a required field.
    pub fn required<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<T, AdminError> {
        let found = self.optional(name)?;
        found.ok_or_else(|| AdminError::invalid(name, format!("The field `{name}` is missing.")))
    }

    /// Merges a field into its previous value (RFC 7396): `null` resets it to the default, and objects are merged by member.
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

    /// Rejects the remaining fields.
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
    json::from_value(&value).map_err(|error| {
        let error = error.to_string();
        // The position would be one in this field's value, not in the body.
        let error = error.rsplit_once(" at line ").map_or(error.as_str(), |(error, _)| error);
        AdminError::invalid(name, format!("The field `{name}` is invalid: {error}."))
    })
}

/// Converts numbers such as `5.0` to whole numbers, which are equal in JSON.
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
