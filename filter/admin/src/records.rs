//! Keys in Redis: their layout, and the scripts that read and change them.
//!
//! `{prefix}:keys` is a hash of ids and the SHA-256 of their secrets. `{prefix}:ids` is a sorted set of the ids, to list them in order.
//! `{prefix}:key:<sha256>` is the key as JSON ([`file::Key`]), under each hash with which it may be presented: after a rotation also under
//! the previous secret's hash, until a week after its expiry. The braces are literal: they put all entries in one slot of a Redis cluster,
//! and a script is one atomic step.
//!
//! Scripts return an integer or a flat list, which every protocol can represent.

use sluice_config::file::Key;
use sluice_core::store::redis::names;
use sluice_core::store::redis::wire::{Command, RedisReply};
use sluice_wire::calendar;
use sluice_wire::json;
use sluice_wire::order;
use sluice_wire::time::Time;

use super::AdminContext;
use super::answer::AdminError;

/// Returns the hash and the record of an id; nothing for an unknown id.
const READ: &str = "local h = redis.call('HGET', KEYS[1], ARGV[1]) \
                    if not h then return false end \
                    return {h, redis.call('GET', ARGV[2] .. h) or ''}";

/// Returns consecutive ids, each with its record.
const LIST: &str = "local found = {} \
                    for i, id in ipairs(redis.call('ZRANGEBYLEX', KEYS[2], ARGV[1], '+', 'LIMIT', 0, ARGV[2])) do \
                    local h = redis.call('HGET', KEYS[1], id) \
                    found[2 * i - 1] = id \
                    found[2 * i] = h and redis.call('GET', ARGV[3] .. h) or '' \
                    end \
                    return found";

/// Returns 1 if the id was free, and takes it.
const CREATE: &str = "if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end \
                      redis.call('ZADD', KEYS[2], 0, ARGV[1]) \
                      redis.call('SET', KEYS[3], ARGV[3]) \
                      return 1";

/// Returns 1 if the key was unchanged since it was read, and replaces it. From the fourth key on: its other hashes, previous and next, each
/// with its remaining lifetime in milliseconds.
const CHANGE: &str = "if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] or redis.call('GET', KEYS[2]) ~= ARGV[3] \
                      then return 0 end \
                      redis.call('HSET', KEYS[1], ARGV[1], ARGV[4]) \
                      redis.call('SET', KEYS[3], ARGV[5]) \
                      for i = 4, #KEYS do \
                      if tonumber(ARGV[i + 2]) > 0 then redis.call('SET', KEYS[i], ARGV[5], 'PX', ARGV[i + 2]) \
                      else redis.call('DEL', KEYS[i]) end \
                      end \
                      return 1";

/// How long a replaced secret is remembered after its expiry. The gateway rejects it, but the log can report that it was once valid.
const REMEMBERED_SECONDS: u64 = 7 * 86_400;

/// A key with its stored text, by which a change detects concurrent changes.
#[derive(Debug, Clone)]
pub struct Record {
    /// The key.
    pub key: Key,
    text: String,
}

/// The names of the Redis entries.
#[derive(Debug)]
pub struct Names {
    hashes: String,
    ids: String,
    record: String,
}

impl Names {
    /// The names in the configured Redis; `None` with the embedded store.
    pub fn of(context: &AdminContext) -> Option<Self> {
        let prefix = &context.service.gateway.redis.as_ref()?.prefix;
        Some(Self { hashes: names::keys(prefix), ids: names::of(prefix, "ids"), record: names::of(prefix, "key:") })
    }

    /// As [`Self::of`], or an error if there is no Redis to write to.
    pub fn writable(context: &AdminContext) -> Result<Self, AdminError> {
        Self::of(context).ok_or_else(no_store)
    }

    fn record(&self, sha256: &str) -> String {
        format!("{}{}", self.record, sha256.to_ascii_lowercase())
    }

    /// Reads a key by its id; parse the reply with [`found`].
    pub fn read(&self, id: &str) -> Command {
        script(READ, [&self.hashes], [id, &self.record])
    }

    /// Reads up to `most` keys whose ids come after `after`; parse the reply with [`listed`].
    pub fn list(&self, after: Option<&str>, most: usize) -> Command {
        let after = after.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        script(LIST, [&self.hashes, &self.ids], [&*after, &most.to_string(), &self.record])
    }

    /// Writes a new key; parse the reply with [`done`].
    pub fn create(&self, key: &Key) -> Command {
        let keys = [&self.hashes, &self.ids, &self.record(&key.sha256)];
        script(CREATE, keys, [&*key.id, &key.sha256, &text(key)])
    }

    /// Replaces a key; parse the reply with [`done`].
    pub fn change(&self, old: &Record, new: &Key, now: Time) -> Command {
        let mut keys = vec![self.hashes.clone(), self.record(&old.key.sha256), self.record(&new.sha256)];
        let mut arguments =
            vec![new.id.clone(), old.key.sha256.clone(), old.text.clone(), new.sha256.clone(), text(new)];
        let left = new.previous.as_ref().map(|previous| {
            let until = calendar::rfc3339(&previous.until).unwrap_or_default();
            let known = until.saturating_add(REMEMBERED_SECONDS);
            (previous.sha256.as_str(), known.saturating_sub(now.seconds()).saturating_mul(1000))
        });
        let former = old.key.previous.as_ref().map(|previous| previous.sha256.as_str());
        let mut others = vec![old.key.sha256.as_str()];
        others.extend(former);
        others.extend(left.map(|(hash, _)| hash));
        order::by(&mut others, Ord::cmp);
        others.dedup();
        for hash in others.into_iter().filter(|hash| *hash != new.sha256) {
            keys.push(self.record(hash));
            let milliseconds = left.filter(|(kept, _)| *kept == hash).map_or(0, |(_, milliseconds)| milliseconds);
            arguments.push(milliseconds.to_string());
        }
        words(CHANGE, keys, arguments)
    }
}

/// The error without a Redis to write to.
pub fn no_store() -> AdminError {
    AdminError::new(
        409,
        "store_read_only",
        "The gateway file has no `redis`, so keys can only be changed in that file. `sluice keys new` creates a key \
         and its entry.",
    )
}

/// Parses the reply to [`Names::read`]; `None` for an unknown key.
pub fn found(reply: RedisReply) -> Result<Option<Record>, AdminError> {
    let values = match reply {
        RedisReply::Nil => return Ok(None),
        RedisReply::List(values) => values,
        other => return Err(senseless(&other)),
    };
    match <[RedisReply; 2]>::try_from(values) {
        Ok([RedisReply::Text(_), RedisReply::Text(text)]) => match parse(text) {
            Some(record) => Ok(Some(record)),
            None => {
                let message = "This key's record in Redis is missing or damaged, or another program wrote it. Restore \
                               it, or remove the key's id from the Redis entries `{PREFIX}:keys` and `{PREFIX}:ids` \
                               (PREFIX is the gateway file's `redis.prefix`) and create the key again.";
                Err(AdminError::new(500, "damaged_record", message))
            }
        },
        Ok([_, other]) => Err(senseless(&other)),
        Err(values) => Err(senseless(&RedisReply::List(values))),
    }
}

/// Parses the reply to [`Names::list`]: ids in order, each with its key unless the record is invalid.
pub fn listed(reply: RedisReply) -> Result<Vec<(String, Option<Key>)>, AdminError> {
    let values = match reply {
        RedisReply::List(values) => values,
        RedisReply::Nil => return Ok(Vec::new()),
        other => return Err(senseless(&other)),
    };
    let (pairs, []) = values.as_chunks::<2>() else { return Err(senseless(&RedisReply::List(values))) };
    let entry = |pair: &[RedisReply; 2]| match pair {
        [RedisReply::Text(id), RedisReply::Text(text)] => {
            Ok((id.clone(), parse(text.clone()).map(|record| record.key)))
        }
        [_, other] => Err(senseless(other)),
    };
    pairs.iter().map(entry).collect()
}

/// Whether [`Names::create`] or [`Names::change`] succeeded.
pub fn done(reply: &RedisReply) -> Result<bool, AdminError> {
    match reply {
        RedisReply::Int(1) => Ok(true),
        RedisReply::Int(0) => Ok(false),
        other => Err(senseless(other)),
    }
}

/// The error for an unexpected reply. It is not quoted, since it may contain a record with its hashes.
pub fn senseless(reply: &RedisReply) -> AdminError {
    match reply {
        RedisReply::Error(text) => AdminError::unavailable(&format!("it rejected the command with {text:?}")),
        _ => AdminError::unavailable("its reply has an unexpected type"),
    }
}

fn parse(text: String) -> Option<Record> {
    json::from_slice(text.as_bytes()).ok().map(|key| Record { key, text })
}

fn text(key: &Key) -> String {
    String::from_utf8(sluice_wire::json::written(key)).unwrap_or_default()
}

/// Runs a script by its text: administration calls are too rare for caching scripts by hash to pay off.
pub fn words(source: &str, keys: Vec<String>, arguments: Vec<String>) -> Command {
    let head = ["EVAL".to_owned(), source.to_owned(), keys.len().to_string()];
    Command::new(head.into_iter().chain(keys).chain(arguments))
}

fn script<const K: usize, const A: usize>(source: &str, keys: [&String; K], arguments: [&str; A]) -> Command {
    words(source, keys.map(String::clone).into(), arguments.map(str::to_owned).into())
}
