//! Reads the responses of judges.

use std::fmt;

use serde_json::Value;
use sluice_wire::footprint;
use sluice_wire::json;

use crate::callout::Called;

/// The longest response.
const LONGEST: usize = 4 << 20;
/// The most memory of a response once it is parsed.
const LARGEST: usize = 64 << 20;

/// Why there is no verdict. The text completes "the judge NAME …", for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// There is no response.
    NoResponse,
    /// The status is not 2xx.
    Status(u16),
    /// The texts take too many calls.
    TooLarge,
    /// The body is not JSON.
    NoTexts,
    /// It returned this many changed texts instead of that many: it is unknown which is which.
    Texts(usize, usize),
    /// The response is not what the judge's API says.
    Unexpected(String),
}

impl Unreadable {
    /// A response without this part.
    pub(super) fn without(part: &str) -> Self {
        Self::Unexpected(format!("a response without {part}"))
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = match self {
            Self::NoResponse => return f.write_str("did not respond in time, or cannot be reached"),
            Self::TooLarge => {
                return write!(f, "cannot judge the text: it takes more than {} calls", super::MOST_CALLS);
            }
            Self::NoTexts => return f.write_str("cannot judge a body that is not JSON"),
            Self::Unexpected(found) => return write!(f, "sent {found}. Check its `type` and `url`"),
            Self::Texts(new, sent) => {
                return write!(
                    f,
                    "returned {new} changed texts for {sent}. It must return each text, in the same order"
                );
            }
            Self::Status(status) => status,
        };
        let hint = match status {
            401 | 403 => ". Check its credential",
            404 | 405 => ". Check its `type` and `url`",
            413 => ": the text is too long for it",
            429 => ": it limits the rate of calls",
            _ => "",
        };
        write!(f, "responded with status {status}{hint}")
    }
}

/// Reads a response as JSON.
pub fn read(called: &Called) -> Result<Value, Unreadable> {
    let status = called.status.ok_or(Unreadable::NoResponse)?;
    if !(200..300).contains(&status) {
        return Err(Unreadable::Status(status));
    }
    if called.body.len() > LONGEST || !footprint::fits(&called.body, LARGEST) {
        return Err(Unreadable::Unexpected("a response that is too large".to_owned()));
    }
    json::from_slice(&called.body).map_err(|_| Unreadable::Unexpected("a response that is not JSON".to_owned()))
}

/// The text at a name.
pub fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name)?.as_str()
}

/// A list that is not too long.
pub fn bounded(list: &[Value]) -> Result<&[Value], Unreadable> {
    /// More than a judge has reason to find.
    const MOST: usize = 10_000;
    if list.len() <= MOST { Ok(list) } else { Err(Unreadable::Unexpected("a list that is too long".to_owned())) }
}

/// The list at a name.
pub fn list<'v>(value: &'v Value, name: &str) -> Result<&'v [Value], Unreadable> {
    let list = value.get(name).and_then(Value::as_array);
    bounded(list.ok_or_else(|| Unreadable::without(&format!("the list `{name}`")))?)
}
