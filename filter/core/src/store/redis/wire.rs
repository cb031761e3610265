//! Redis commands as HTTP calls and their replies as values, for Webdis and for Upstash's REST API.
//!
//! Webdis takes `POST /` with `GET/name` as its body and replies `{"GET":"value"}`; a status is `[true,"OK"]`, an error `[false,"ERR …"]`,
//! a missing value `null`. It cannot show nested arrays or text that is not UTF-8, cuts text at a zero byte, and shows a hash as an object.
//! Upstash takes a JSON array and replies `{"result":…}`, or `{"error":…}` with an HTTP status other than 200. So every script returns one
//! text, an integer, or a flat list.
//!
//! Sources: Webdis 0.1.9 (its README, and tried); Upstash's documentation of its REST API.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use sluice_wire::headers::HeaderMap;
use sluice_wire::json;
use sluice_wire::percent::{self, AsciiSet, RESERVED};

use crate::callout::{Call, Called, REDIS_CLUSTER};
use crate::store::Unavailable;
use crate::store::redis::settings::Protocol;
use crate::store::redis::settings::Redis;

/// A script, and the SHA-1 of its text by which Redis finds it in its script cache.
#[derive(Debug, PartialEq, Eq)]
pub struct Script {
    /// Lua source in parts, since scripts share some.
    pub source: &'static [&'static str],
    /// SHA-1 of the concatenated parts, as 40 hexadecimal digits.
    pub sha1: &'static str,
}

/// A Redis command: its name and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    words: Vec<String>,
    script: Option<&'static Script>,
}

impl Command {
    /// `Command::new(["GET", "name"])`. The words must not contain a zero byte: Webdis cuts them off there.
    pub fn new<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Self {
        Self { words: words.into_iter().map(Into::into).collect(), script: None }
    }

    /// Runs a script by its SHA-1. If Redis does not have it cached, the reply is [`RedisReply::is_unknown_script`].
    pub fn script(script: &'static Script, keys: Vec<String>, arguments: Vec<String>) -> Self {
        let mut words = vec!["EVALSHA".to_owned(), script.sha1.to_owned(), keys.len().to_string()];
        words.extend(keys);
        words.extend(arguments);
        Self { words, script: Some(script) }
    }

    /// The same run with the script's text, for a Redis that does not have it cached. `None` if this is not a script run.
    pub fn with_source(&self) -> Option<Self> {
        let mut words = vec!["EVAL".to_owned(), self.script?.source.concat()];
        words.extend(self.words.iter().skip(2).cloned());
        Some(Self { words, script: None })
    }

    /// The name and the arguments.
    pub fn words(&self) -> &[String] {
        &self.words
    }
}

/// A reply from Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisReply {
    /// No value.
    Nil,
    /// A number.
    Int(i64),
    /// A text, or a status such as `OK`.
    Text(String),
    /// A list; a hash is a list of names and values in turn.
    List(Vec<RedisReply>),
    /// Redis rejected the command. Errors about the state of Redis itself (loading, read-only) are [`Unavailable`] instead.
    Error(String),
}

impl RedisReply {
    /// Whether the script must be sent again with its text ([`Command::with_source`]).
    pub fn is_unknown_script(&self) -> bool {
        matches!(self, Self::Error(text) if text.contains("NOSCRIPT"))
    }
}

/// Errors about the state of Redis rather than the command: the same command may succeed later.
const STATES: [&str; 14] = [
    "LOADING",
    "READONLY",
    "OOM",
    "NOAUTH",
    "WRONGPASS",
    "NOPERM",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "MOVED",
    "ASK",
    "BUSY",
    "MISCONF",
    "NOREPLICAS",
];

/// Writes commands and reads replies in the protocol of one Redis endpoint.
#[derive(Debug, Clone)]
pub struct Wire {
    protocol: Protocol,
    headers: HeaderMap,
    timeout: std::time::Duration,
}

impl Wire {
    /// Creates the wire from the gateway file's settings.
    pub fn new(redis: &Redis) -> Self {
        let content = match redis.protocol {
            Protocol::Webdis => "application/x-www-form-urlencoded",
            Protocol::Upstash => "application/json",
        };
        let path = format!("{}/", redis.base_path);
        let headers = [
            (":method", "POST"),
            (":scheme", if redis.tls { "https" } else { "http" }),
            (":path", &path),
            (":authority", &redis.authority),
            ("content-type", content),
        ];
        Self { protocol: redis.protocol, headers: headers.into_iter().collect(), timeout: redis.timeout }
    }

    /// The HTTP call for a command. Envoy adds the credential.
    pub fn write(&self, command: &Command) -> Call {
        let body = match self.protocol {
            Protocol::Webdis => webdis(&command.words),
            // Serializing strings cannot fail.
            Protocol::Upstash => sluice_wire::json::written(&command.words),
        };
        Call { cluster: REDIS_CLUSTER.into(), headers: self.headers.clone(), body, timeout: self.timeout }
    }

    /// Reads the reply; [`Unavailable`] when there is no response or it does not parse.
    pub fn read(&self, called: &Called) -> Result<RedisReply, Unavailable> {
        let Some(status) = called.status else { return Err(Unavailable("no answer in time".to_owned())) };
        let reply = match self.protocol {
            Protocol::Webdis if status == 200 => webdis_reply(&called.body),
            Protocol::Webdis => None,
            Protocol::Upstash => upstash_reply(status, &called.body),
        };
        match reply {
            None => Err(Unavailable(format!("HTTP status {status} and {}", excerpt(&called.body)))),
            Some(RedisReply::Error(text)) if is_state(&text) => Err(Unavailable(text)),
            Some(reply) => Ok(reply),
        }
    }
}

fn is_state(error: &str) -> bool {
    let mut words = error.split([' ', ':']);
    let code = words.next().unwrap_or_default().trim_start_matches('-');
    // Redis before 7 puts the code of an error that stops a script behind its own words: `ERR Error running script …: -OOM …`.
    STATES.contains(&code) || words.any(|word| word.strip_prefix('-').is_some_and(|code| STATES.contains(&code)))
}

/// The beginning of a body, for the log.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..100).unwrap_or(body)).into_owned();
    if text.is_empty() { "no body".to_owned() } else { format!("the body {text:?}") }
}

/// Every character except those that Webdis takes literally.
const MEANINGFUL: AsciiSet =
    RESERVED.add(b'.').add(b'~').remove(b':').remove(b'=').remove(b',').remove(b'@').remove(b' ');

/// Joins the words with slashes. Percent-encodes every character with a meaning to Webdis: `/`, `%`, `+` (a space), and the dot, which
/// introduces a format.
fn webdis(words: &[String]) -> Vec<u8> {
    let mut body = Vec::with_capacity(words.iter().map(|word| word.len() * 2).sum());
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            body.push(b'/');
        }
        percent::encode_into(&mut body, word, &MEANINGFUL);
    }
    body
}

fn webdis_reply(body: &[u8]) -> Option<RedisReply> {
    // One pair: the command's name and its reply. It is missing when a text is not UTF-8.
    let Ok(Value::Map(mut pairs)) = json::from_slice(body) else { return None };
    match pairs.pop()?.1 {
        Value::List(mut pair) if matches!(pair.first(), Some(Value::Bool(_))) => match (pair.pop()?, pair.pop()?) {
            (Value::Text(text), Value::Bool(true)) => Some(RedisReply::Text(text)),
            (Value::Text(text), Value::Bool(false)) => Some(RedisReply::Error(text)),
            _ => None,
        },
        value => value.reply(),
    }
}

fn upstash_reply(status: u16, body: &[u8]) -> Option<RedisReply> {
    let Ok(Value::Map(pairs)) = json::from_slice(body) else { return None };
    for (name, value) in pairs {
        match (name.as_str(), status, value) {
            ("result", 200, value) => return value.reply(),
            // Other statuses come from the service: missing credential, too many requests.
            ("error", 200 | 400, Value::Text(text)) => return Some(RedisReply::Error(text)),
            _ => {}
        }
    }
    None
}

/// The subset of JSON that replies use.
enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

impl Value {
    fn reply(self) -> Option<RedisReply> {
        Some(match self {
            Self::Nil => RedisReply::Nil,
            Self::Bool(_) => return None,
            Self::Int(number) => RedisReply::Int(number),
            Self::Text(text) => RedisReply::Text(text),
            Self::List(values) => RedisReply::List(values.into_iter().map(Self::reply).collect::<Option<_>>()?),
            Self::Map(pairs) => {
                let mut list = Vec::with_capacity(pairs.len() * 2);
                for (name, value) in pairs {
                    list.push(RedisReply::Text(name));
                    list.push(value.reply()?);
                }
                RedisReply::List(list)
            }
        })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Values)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reply of Redis")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        i64::try_from(value).map(Value::Int).map_err(E::custom)
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Text(json::decimal(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Value::Map(pairs))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::redis::settings::{Mode, WhenDown};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    static SCRIPT: Script = Script { source: &["return ARGV[1]"], sha1: "098e0f0d1448c0a81dafe820f66d460eb09263da" };

    fn wire(protocol: Protocol) -> Wire {
        Wire::new(&Redis {
            protocol,
            authority: "redis:7379".to_owned(),
            tls: false,
            base_path: "/base".to_owned(),
            mode: Mode::Strict,
            when_down: WhenDown::Local,
            timeout: Duration::from_millis(250),
            sync: Duration::from_secs(1),
            key_cache: Duration::from_secs(5),
            prefix: "sluice".to_owned(),
        })
    }

    fn read(protocol: Protocol, status: u16, body: &str) -> Result<RedisReply, Unavailable> {
        wire(protocol).read(&Called { status: Some(status), body: body.into() })
    }

    #[test]
    fn a_command_is_a_call_of_the_protocol() {
        let command = Command::new(["SET", "{a}:b/c", "1.5 %+é\n", ""]);
        let webdis = wire(Protocol::Webdis).write(&command);
        assert_eq!(webdis.body, b"SET/%7Ba%7D:b%2Fc/1%2E5 %25%2B%C3%A9%0A/");
        assert_eq!((&*webdis.cluster, webdis.timeout), (REDIS_CLUSTER, Duration::from_millis(250)));
        for (name, value) in
            [(":method", "POST"), (":path", "/base/"), (":authority", "redis:7379"), (":scheme", "http")]
        {
            assert_eq!(webdis.headers.text(name), Some(value));
        }
        let upstash = wire(Protocol::Upstash).write(&command);
        assert_eq!(upstash.body, r#"["SET","{a}:b/c","1.5 %+é\n",""]"#.as_bytes());
    }

    #[test]
    fn a_script_goes_by_its_hash_and_then_by_its_text() {
        let command = Command::script(&SCRIPT, vec!["k".into()], vec!["a".into(), "b".into()]);
        assert_eq!(command.words(), ["EVALSHA", SCRIPT.sha1, "1", "k", "a", "b"]);
        let whole = command.with_source().unwrap();
        assert_eq!(whole.words(), ["EVAL", "return ARGV[1]", "1", "k", "a", "b"]);
        assert_eq!(whole.with_source(), None);
    }

    #[test]
    fn replies_of_webdis() {
        let text = |text: &str| RedisReply::Text(text.to_owned());
        for (body, expected) in [
            (r#"{"SET":[true,"OK"]}"#, text("OK")),
            (r#"{"GET":"va\"l"}"#, text("va\"l")),
            (r#"{"GET":null}"#, RedisReply::Nil),
            (r#"{"INCR":-7}"#, RedisReply::Int(-7)),
            (r#"{"MGET":["a",null,3]}"#, RedisReply::List(vec![text("a"), RedisReply::Nil, RedisReply::Int(3)])),
            (r#"{"LRANGE":[]}"#, RedisReply::List(vec![])),
            (r#"{"HGETALL":{"a":"1","b":"2"}}"#, RedisReply::List(vec![text("a"), text("1"), text("b"), text("2")])),
            (r#"{"X":[false,"ERR unknown command 'X'"]}"#, RedisReply::Error("ERR unknown command 'X'".into())),
        ] {
            assert_eq!(read(Protocol::Webdis, 200, body), Ok(expected), "{body}");
        }
        let unknown = read(Protocol::Webdis, 200, r#"{"EVALSHA":[false,"NOSCRIPT No matching script."]}"#).unwrap();
        assert!(unknown.is_unknown_script());
    }

    #[test]
    fn replies_of_upstash() {
        assert_eq!(read(Protocol::Upstash, 200, r#"{"result":"OK"}"#), Ok(RedisReply::Text("OK".into())));
        assert_eq!(read(Protocol::Upstash, 200, r#"{"result":null}"#), Ok(RedisReply::Nil));
        let unknown = read(Protocol::Upstash, 400, r#"{"error":"NOSCRIPT No matching script."}"#).unwrap();
        assert!(unknown.is_unknown_script());
        let refused = read(Protocol::Upstash, 400, r#"{"error":"ERR syntax error"}"#);
        assert_eq!(refused, Ok(RedisReply::Error("ERR syntax error".into())));
    }

    #[test]
    fn what_is_no_reply_is_unavailable() {
        for (protocol, status, body) in [
            (Protocol::Webdis, 503, ""),
            (Protocol::Webdis, 200, ""),
            (Protocol::Webdis, 200, "{}"),
            (Protocol::Webdis, 200, "[1]"),
            (Protocol::Webdis, 200, r#"{"GET":true}"#),
            (Protocol::Webdis, 200, r#"{"GET":[true]}"#),
            (Protocol::Webdis, 200, r#"{"GET":[true,1]}"#),
            (Protocol::Webdis, 200, r#"{"EVALSHA":[false,"LOADING Redis is loading the dataset in memory"]}"#),
            (Protocol::Webdis, 200, r#"{"EVALSHA":[false,"READONLY You can't write against a read only replica."]}"#),
            (
                Protocol::Webdis,
                200,
                r#"{"EVALSHA":[false,"ERR Error running script (call to f_7): @user_script:9: -OOM command not allowed"]}"#,
            ),
            (Protocol::Upstash, 401, r#"{"error":"Unauthorized"}"#),
            (Protocol::Upstash, 429, r#"{"error":"ERR max requests limit exceeded"}"#),
            (Protocol::Upstash, 200, "<html>"),
            (Protocol::Upstash, 200, r#"{"result":true}"#),
            (Protocol::Upstash, 400, r#"{"error":"OOM command not allowed"}"#),
        ] {
            assert!(read(protocol, status, body).is_err(), "{body}");
        }
        assert!(wire(Protocol::Webdis).read(&Called { status: None, body: Vec::new() }).is_err());
    }
}
