//! Puts an address into every position of a JSON text, for tests.

use serde_json::Value;

/// The text that must be found.
pub(crate) const FIND: &str = "to a@b.io";

/// Replaces each string and each field name in turn, and passes the position and the changed value to `told`.
pub(crate) fn each_string(value: &Value, told: &mut dyn FnMut(String, Value)) {
    within(value, "", told);
}

fn within(value: &Value, at: &str, told: &mut dyn FnMut(String, Value)) {
    match value {
        Value::String(_) => told(at.to_owned(), Value::String(FIND.to_owned())),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                within(item, &format!("{at}[{index}]"), &mut |place, changed| {
                    let mut all = items.clone();
                    all[index] = changed;
                    told(place, Value::Array(all));
                });
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                within(field, &format!("{at}.{name}"), &mut |place, changed| {
                    let mut all = fields.clone();
                    all[name] = changed;
                    told(place, Value::Object(all));
                });
                let mut all = fields.clone();
                let known = all.remove(name).unwrap();
                all.insert(FIND.to_owned(), known);
                told(format!("the name of {at}.{name}"), Value::Object(all));
            }
        }
        _ => {}
    }
}
