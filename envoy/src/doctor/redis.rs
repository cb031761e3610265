//! Checks Redis: whether it answers, and whether it keeps its data.

use std::path::Path;

use serde_json::Value;
use sluice_config::file::File;
use sluice_core::provider::url::Url;

use crate::check::warnings::ask_redis;
use crate::secrets;

use super::client::{Client, milliseconds};
use super::network::{Question, Told};
use super::{Check, Finding};

pub fn question(file: &File, base: &Path, client: &Client) -> Option<Question> {
    let redis = file.redis.as_ref()?;
    let url = Url::parse(&redis.url).ok()?;
    let token = redis.token.as_ref().and_then(|token| secrets::read(token, "token", base).ok());
    let (text, protocol, client) = (redis.url.clone(), redis.protocol, client.clone());
    let ask = move || {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        let get = |command: &str| {
            let answer = client.ask("GET", &url, &format!("{}/{command}", url.base_path), &headers);
            answer.map(|answer| (answer.status, answer.body)).map_err(|problem| problem.text)
        };
        let command_of = |address: &str| get(address.rsplit('/').next().unwrap_or_default());
        if let Some(problem) = ask_redis(&url, &text, protocol, command_of) {
            return Finding::fail(Check::Redis, problem).into();
        }
        let result = |command: &str| {
            let (status, body) = get(command).ok()?;
            let answer: Value = serde_json::from_str(&body).ok().filter(|_| status == 200)?;
            // Webdis names the command, Upstash the result.
            [command, "result"].iter().find_map(|name| answer.get(name)).cloned()
        };
        let sent = milliseconds();
        let time = result("TIME").and_then(|answer| time(&answer));
        let ahead = time.map(|time| i64::midpoint(sent, milliseconds()) - time);
        Told { findings: judge(result("INFO").as_ref()), ahead }
    };
    Some(Question { check: Check::Redis, subject: String::new(), ask: Box::new(ask) })
}

/// The time of Redis in Unix milliseconds: seconds and microseconds.
fn time(answer: &Value) -> Option<i64> {
    let number = |index: usize| answer.get(index)?.as_str()?.parse::<i64>().ok();
    number(0)?.checked_mul(1000)?.checked_add(number(1)? / 1000)
}

/// A field of `INFO`: Webdis answers with an object, Upstash with the text of Redis.
fn field<'a>(info: &'a Value, name: &str) -> Option<&'a str> {
    let in_text = |text: &'a str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    info.get(name).and_then(Value::as_str).or_else(|| info.as_str().and_then(in_text)).map(str::trim)
}

fn judge(info: Option<&Value>) -> Vec<Finding> {
    let Some(info) = info else {
        let text = "answers, but not to INFO, so its settings are not checked";
        return vec![
            Finding::warn(Check::Redis, text)
                .action("Allow the command INFO, or check maxmemory-policy and appendonly"),
        ];
    };
    let version = field(info, "redis_version").unwrap_or("of an unknown version");
    let policy = field(info, "maxmemory_policy").unwrap_or("noeviction");
    let is_bounded = field(info, "maxmemory").is_some_and(|most| most != "0");
    let bound = if is_bounded { "" } else { ", maxmemory is not set" };
    let mut findings =
        vec![Finding::ok(Check::Redis, format!("Redis {version} answers, maxmemory-policy is {policy}{bound}"))];
    if is_bounded && policy != "noeviction" {
        let text =
            format!("maxmemory-policy is {policy}: when memory is full, Redis removes keys and counters of budgets");
        findings.push(
            Finding::warn(Check::Redis, text).action("Set maxmemory-policy noeviction, and alert on used memory"),
        );
    }
    if field(info, "aof_enabled") == Some("0") {
        let text = "appendonly is no: a crash of Redis loses the usage since its last snapshot";
        findings.push(Finding::warn(Check::Redis, text).action("Set appendonly yes"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_protocols_are_read() {
        assert_eq!(time(&json!(["1700000000", "250000"])), Some(1_700_000_000_250));
        assert_eq!(time(&json!("x")), None);
        let text = json!("# Server\r\nredis_version:7.2.4\r\nredis_version_x:1\r\nmaxmemory:0\r\n");
        assert_eq!(field(&text, "redis_version"), Some("7.2.4"));
        assert_eq!(field(&json!({"redis_version": "8"}), "redis_version"), Some("8"));
        assert_eq!(field(&json!({}), "redis_version"), None);
    }
}
