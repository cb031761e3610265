//! The services that the fake Envoy calls for the gateway: Redis, a server for embeddings, and a judge.

use std::cell::RefCell;
use std::collections::BTreeMap;

use sluice_core::callout::{Call, Called};
use sluice_wire::percent;

/// A Redis behind Webdis that knows the commands of the shared cache.
#[derive(Debug, Default)]
pub(crate) struct Redis {
    pub(crate) values: BTreeMap<String, String>,
    /// The fields of hashes, by the hash's name and their own.
    pub(crate) hashes: BTreeMap<(String, String), String>,
    /// The names of commands, in order.
    pub(crate) commands: Vec<String>,
}

impl Redis {
    pub(crate) fn call(&mut self, call: &Call) -> Called {
        let text = String::from_utf8(call.body.clone()).unwrap();
        let mut words = text.split('/').map(|word| String::from_utf8(percent::decoded(word)).unwrap());
        let name = words.next().unwrap_or_default();
        self.commands.push(name.clone());
        let reply = match &*name {
            "MGET" => serde_json::json!(words.map(|key| self.values.get(&key).cloned()).collect::<Vec<_>>()),
            "SET" => {
                let (key, value) = (words.next().unwrap(), words.next().unwrap());
                self.values.insert(key, value);
                serde_json::json!([true, "OK"])
            }
            // The script that adds an entry of the semantic cache's index.
            "EVAL" => {
                let mut words = words.skip(2);
                let (key, most, text) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
                let count =
                    self.hashes.get(&(key.clone(), "n".to_owned())).map_or(0, |count| count.parse::<u64>().unwrap())
                        + 1;
                let place = (count % most.parse::<u64>().unwrap()).to_string();
                self.hashes.insert((key.clone(), "n".to_owned()), count.to_string());
                self.hashes.insert((key, place), format!("{count} {text}"));
                serde_json::json!(count)
            }
            "HMGET" => {
                let key = words.next().unwrap();
                serde_json::json!(
                    words.map(|field| self.hashes.get(&(key.clone(), field)).cloned()).collect::<Vec<_>>()
                )
            }
            other => panic!("{other}"),
        };
        Called { status: Some(200), body: serde_json::json!({ name: reply }).to_string().into_bytes() }
    }
}

/// A server for embeddings. A text's embedding is the number of each of its letters, so texts with the same letters are the same to it.
#[derive(Debug, Default)]
pub(crate) struct Embedder {
    /// The reply in place of an embedding.
    pub(crate) reply: RefCell<Option<Called>>,
    /// The texts that were embedded, in order.
    pub(crate) texts: RefCell<Vec<String>>,
}

impl Embedder {
    pub(crate) fn call(&self, call: &Call) -> Called {
        let request: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
        let text = request["input"].as_str().or(request["input"][0].as_str()).unwrap().to_owned();
        assert_eq!(
            (call.headers.text(":path"), &request["model"]),
            (Some("/v1/embeddings"), &serde_json::json!("small"))
        );
        let numbers = ('a'..='z').map(|letter| text.to_lowercase().matches(letter).count()).collect::<Vec<_>>();
        let usage = serde_json::json!({"prompt_tokens": text.len() / 4, "total_tokens": text.len() / 4});
        self.texts.borrow_mut().push(text);
        let body = serde_json::json!({"object": "list", "model": "small", "usage": usage,
            "data": [{"object": "embedding", "index": 0, "embedding": numbers}]});
        let embedded = Called { status: Some(200), body: body.to_string().into_bytes() };
        self.reply.borrow().clone().unwrap_or(embedded)
    }
}

/// When a judge replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replies {
    AtOnce,
    /// After one more callback.
    Later,
    /// After the whole response.
    AtTheEnd,
}

/// A judge with the gateway's own webhook.
pub(crate) struct Judge {
    /// The response to a call to this path; `None`: it is down.
    pub(crate) judge: fn(&str, &serde_json::Value) -> Option<serde_json::Value>,
    /// When it replies.
    pub(crate) replies: Replies,
    /// The calls, in order.
    pub(crate) calls: RefCell<Vec<serde_json::Value>>,
}

impl Judge {
    pub(crate) fn call(&self, call: &Call) -> Called {
        let asked = serde_json::from_slice(&call.body).unwrap();
        let said = (self.judge)(call.headers.text(":path").unwrap(), &asked);
        self.calls.borrow_mut().push(asked);
        Called { status: said.as_ref().map(|_| 200), body: said.unwrap_or_default().to_string().into_bytes() }
    }
}
