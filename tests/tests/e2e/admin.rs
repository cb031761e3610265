//! An administrator's work: keys created, changed and revoked with the `sluice` command, usage read from the interface, and the paths of
//! each listener.

pub mod site;

use std::cell::Cell;

use serde_json::{Value, json};
use sluice_tests::gateway::KEY;
use sluice_tests::simulator::Simulator;
use sluice_tests::{PATIENCE, until, within_a_day};

use crate::{CHAT, ask, refusal, with};
use site::{ADMIN, Administered, Site, Sums, builder, dollars, file, sha256};

/// The logged reason for the last rejected request of a gateway.
async fn logged(one: &Administered, status: u16) -> Vec<String> {
    let refused = |line: &Value| Some(line["error"].as_str()?.to_owned()).filter(|_| line["status"] == status);
    until("the log to tell of the refusal", || {
        Some(one.gateway.log().iter().filter_map(refused).collect::<Vec<_>>()).filter(|found| !found.is_empty())
    })
    .await
}

#[tokio::test]
async fn a_key_that_is_made_works_at_once_everywhere_and_is_listed_and_shown() {
    let site = Site::start().await;
    let [one, two] = &site.gateways;
    let printed = one
        .does(&["keys", "create", "--id", "alice", "--team", "research", "--owner", "Alice", "--label", "room=12"])
        .await;
    let secret = printed.lines().find(|line| line.starts_with("sk-sluice-")).expect("a secret").to_owned();
    for gateway in [one, two] {
        for model in ["gpt", "claude"] {
            assert_eq!(gateway.chat(&secret, model).await.status, 200, "{model}");
        }
    }
    let bob = two.secret(&["keys", "create", "--id", "bob", "--team", "test", "--models", "gpt*"]).await;
    assert_eq!(one.chat(&bob, "gpt").await.status, 200);
    assert_eq!(refusal(&one.chat(&bob, "claude").await), (403, "model_not_allowed".to_owned()));

    let names = |keys: &Value| -> Vec<String> {
        keys.as_array().into_iter().flatten().filter_map(|key| Some(key["id"].as_str()?.to_owned())).collect()
    };
    for gateway in [one, two] {
        assert_eq!(names(&gateway.json(&["keys", "list"]).await), ["alice", "bob", "test"]);
        assert_eq!(names(&gateway.json(&["keys", "list", "--team", "research"]).await), ["alice"]);
    }
    let table = one.does(&["keys", "list"]).await;
    let row = |id: &str| table.lines().find(|line| line.starts_with(id)).unwrap_or_default().split_whitespace();
    assert_eq!(row("alice").take(5).collect::<Vec<_>>(), ["alice", "research", "active", "redis", "Alice"], "{table}");
    assert_eq!(row("test").take(4).collect::<Vec<_>>(), ["test", "test", "active", "file"], "{table}");
    let shown = two.json(&["keys", "show", "alice"]).await;
    let expected = json!({"id": "alice", "team": "research", "state": "active", "source": "redis", "owner": "Alice",
        "labels": {"room": "12"}, "limits": {}, "budget": {}});
    assert_eq!(shown["key"], expected);

    // An id is taken everywhere, in the file or in Redis.
    let taken = two.sluice(&["keys", "create", "--id", "alice", "--team", "test"]).await;
    assert!(!taken.success && taken.errors.contains("A key with this id already exists."), "{taken:?}");
    let taken = two.sluice(&["keys", "create", "--id", "test", "--team", "test"]).await;
    assert!(!taken.success && taken.errors.contains("A key with this id already exists."), "{taken:?}");
    let written = one.sluice(&["keys", "revoke", "test"]).await;
    assert!(!written.success && written.errors.contains("Change it there"), "{written:?}");
}

#[tokio::test]
async fn what_a_key_may_not_ask_for_is_changed_while_gateways_run() {
    let site = Site::start().await;
    let [one, two] = &site.gateways;
    let new = ["keys", "create", "--id", "alice", "--team", "research", "--forbid", "n,tools.web_search"];
    let secret = one.secret(&new).await;
    let twice = || with(ask("gpt", "hi"), json!({"n": 2}));
    for gateway in [one, two] {
        let answer = gateway.gateway.with_key(&secret).post(CHAT, &twice()).await;
        assert_eq!(refusal(&answer), (403, "parameter_not_allowed".to_owned()));
    }
    assert_eq!(one.json(&["keys", "show", "alice"]).await["key"]["forbid"], json!(["n", "tools.web_search"]));
    let wrong = one.sluice(&["keys", "update", "alice", "--forbid", "service-tier"]).await;
    assert!(!wrong.success && wrong.errors.contains("did you mean \"service_tier\"?"), "{wrong:?}");
    one.does(&["keys", "update", "alice", "--clear", "forbid"]).await;
    let started = std::time::Instant::now();
    while two.gateway.with_key(&secret).post(CHAT, &twice()).await.status != 200 {
        assert!(started.elapsed() < PATIENCE, "the change was never seen");
    }
}

#[tokio::test]
async fn a_change_is_seen_everywhere_when_what_was_remembered_is_over() {
    let site = Site::start().await;
    let [one, two] = &site.gateways;
    let secret = one.secret(&["keys", "create", "--id", "alice", "--team", "research"]).await;
    for gateway in [one, two] {
        assert_eq!(gateway.chat(&secret, "claude").await.status, 200);
    }
    one.does(&["keys", "update", "alice", "--models", "gpt", "--owner", "Alice"]).await;
    for gateway in [one, two] {
        let refused = gateway.until_chat(&secret, "claude", 403).await;
        assert_eq!(refusal(&refused), (403, "model_not_allowed".to_owned()));
        assert_eq!(gateway.chat(&secret, "gpt").await.status, 200);
    }
    two.does(&["keys", "update", "alice", "--clear", "models,owner"]).await;
    for gateway in [one, two] {
        gateway.until_chat(&secret, "claude", 200).await;
    }
    assert_eq!(one.get("/keys/alice").await["owner"], Value::Null);

    one.does(&["keys", "revoke", "alice"]).await;
    for gateway in [one, two] {
        let refused = gateway.until_chat(&secret, "gpt", 401).await;
        assert_eq!(refusal(&refused), (401, "invalid_api_key".to_owned()));
        assert_eq!(logged(gateway, 401).await, ["revoked_api_key"]);
    }
    assert_eq!(two.get("/keys/alice").await["state"], "revoked");
    let rotated = two.sluice(&["keys", "rotate", "alice"]).await;
    assert!(!rotated.success && rotated.errors.contains("revoked"), "{rotated:?}");
}

#[tokio::test]
async fn a_rotated_key_has_two_secrets_until_its_grace_is_over() {
    let site = Site::start().await;
    let [one, two] = &site.gateways;
    let old = one.secret(&["keys", "create", "--id", "alice", "--team", "research"]).await;
    for gateway in [one, two] {
        assert_eq!(gateway.chat(&old, "gpt").await.status, 200);
    }
    let new = two.secret(&["keys", "rotate", "alice", "--grace", "20s"]).await;
    assert_ne!(old, new);
    for gateway in [one, two] {
        for secret in [&new, &old] {
            assert_eq!(gateway.chat(secret, "gpt").await.status, 200);
        }
    }
    assert_eq!(one.get("/keys/alice").await["state"], "rotating");
    let twice = one.sluice(&["keys", "rotate", "alice"]).await;
    assert!(!twice.success && twice.errors.contains("a rotation is in progress"), "{twice:?}");
    for gateway in [one, two] {
        let refused = gateway.until_chat(&old, "gpt", 401).await;
        assert_eq!(refusal(&refused), (401, "invalid_api_key".to_owned()));
        assert_eq!(logged(gateway, 401).await, ["expired_api_key"]);
        assert_eq!(gateway.chat(&new, "gpt").await.status, 200);
    }
    assert_eq!(two.get("/keys/alice").await["state"], "active");
    let last = one.secret(&["keys", "rotate", "alice", "--grace", "0s"]).await;
    for gateway in [one, two] {
        assert_eq!(gateway.chat(&last, "gpt").await.status, 200);
        gateway.until_chat(&new, "gpt", 401).await;
    }
}

#[tokio::test]
async fn limits_and_budgets_of_a_record_hold_at_all_gateways_together() {
    let site = Site::start().await;
    within_a_day().await;
    let [one, two] = &site.gateways;
    let limited = ["keys", "create", "--id", "slow", "--team", "research", "--limit", "requests_per_minute=3"];
    let slow = one.secret(&limited).await;
    for (gateway, left) in [(one, "2"), (two, "1"), (one, "0")] {
        let answer = gateway.chat(&slow, "gpt").await;
        assert_eq!((answer.status, answer.header("x-ratelimit-remaining-requests")), (200, Some(left)));
    }
    assert_eq!(refusal(&two.chat(&slow, "gpt").await), (429, "rate_limit_exceeded".to_owned()));

    // A zero budget's error states the reservation of one request. A budget for two reservations admits exactly two concurrent requests.
    let poor =
        one.secret(&["keys", "create", "--id", "poor", "--team", "research", "--budget", "total=0.000001"]).await;
    let body = with(ask("gpt", "say something"), json!({"max_tokens": 50}));
    let post = |gateway: &Administered, secret: &str| {
        let client = gateway.gateway.anonymous().bearer(secret);
        let body = body.clone();
        async move { client.post(CHAT, &body).await }
    };
    let refused = post(one, &poor).await;
    assert_eq!(refusal(&refused), (429, "insufficient_quota".to_owned()));
    assert_eq!(refused.header("x-should-retry"), Some("false"));
    let message = refused.json()["error"]["message"].as_str().expect("a message").to_owned();
    let (_, rest) = message.split_once("may cost $0.").expect("what it may cost");
    let estimate: u64 = rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().expect("a number");
    let estimate = if rest.find(". ").is_some_and(|digits| digits == 6) { estimate } else { panic!("{message}") };
    let two_of_them = format!("daily={}", dollars(estimate * 2 + 1));
    let rich = two.secret(&["keys", "create", "--id", "rich", "--team", "research", "--budget", &two_of_them]).await;
    let (provider, refused) = (&site.providers[0], Cell::new(0));
    provider.hold();
    let before = provider.count();
    let decided = async |gateway: &Administered| {
        let answer = post(gateway, &rich).await;
        refused.set(refused.get() + usize::from(answer.status == 429));
        answer
    };
    let all =
        until("all to be decided", || (provider.count() - before + refused.get() >= 4).then(|| provider.release()));
    let (first, second, third, fourth, ()) = tokio::join!(decided(one), decided(two), decided(one), decided(two), all);
    let mut statuses = [first.status, second.status, third.status, fourth.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 429, 429]);
}

#[tokio::test]
async fn usage_is_exactly_what_the_providers_counted_at_all_gateways() {
    let site = Site::start().await;
    within_a_day().await;
    let [one, two] = &site.gateways;
    let alice = ["keys", "create", "--id", "alice", "--team", "research", "--app", "bot", "--budget", "daily=1"];
    let alice = one.secret(&[&alice[..], &["--limit", "tokens_per_day=100000"]].concat()).await;
    let bob = one.secret(&["keys", "create", "--id", "bob", "--team", "research"]).await;
    let mut sums = [Sums::default(); 4];
    let [alices, bobs, gpts, claudes] = &mut sums;
    for round in 0..3 {
        for gateway in [one, two] {
            for (model, of_model) in [("gpt", &mut *gpts), ("claude", &mut *claudes)] {
                for (secret, of_key) in [(&alice, &mut *alices), (&bob, &mut *bobs)] {
                    let text = format!("say {}", "word ".repeat(round * 7 + 1));
                    let more = json!({"stream": round == 1, "stream_options": {"include_usage": true}});
                    let more = if round == 1 { more } else { json!({}) };
                    let client = gateway.gateway.anonymous().bearer(secret);
                    let answer = client.post(CHAT, &with(ask(model, &text), more)).await;
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    *of_key = of_key.plus(Sums::of(&answer));
                    *of_model = of_model.plus(Sums::of(&answer));
                }
            }
        }
    }
    // Rejected requests are not counted as requests.
    assert_eq!(one.chat(&alice, "nothing").await.status, 404);
    let [alices, bobs, gpts, claudes] = sums;
    let all = alices.plus(bobs);
    assert_eq!(all, gpts.plus(claudes));
    settled(one, "key", "alice", alices).await;
    settled(one, "key", "bob", bobs).await;
    for gateway in [one, two] {
        for (by, name, expected) in [
            ("key", "alice", alices),
            ("key", "bob", bobs),
            ("team", "research", all),
            ("app", "bot", alices),
            ("model", "gpt", gpts),
            ("model", "claude", claudes),
            ("team", "test", Sums::default()),
        ] {
            let days = gateway.get(&format!("/usage?by={by}&name={name}")).await;
            assert_eq!((Sums::read(&days["total"]), &days["complete"]), (expected, &json!(true)), "{by} {name}");
            assert_eq!(gateway.json(&["usage", "--by", by, "--name", name]).await, days);
        }
        let mut ranked = [("alice", alices.micro_usd), ("bob", bobs.micro_usd)];
        ranked.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
        for period in ["day", "month"] {
            let top = gateway.get(&format!("/usage/top?by=key&period={period}")).await;
            let rank = |(name, cost)| json!({"name": name, "cost_usd": dollars(cost), "cost_micro_usd": cost});
            let costs = |top: &Value| -> Vec<Value> {
                top.as_array().into_iter().flatten().map(|rank| rank["cost_micro_usd"].clone()).collect()
            };
            assert_eq!(costs(&top["top"]), ranked.map(|(_, cost)| json!(cost)), "{top}");
            assert!(ranked.map(rank).iter().all(|rank| top["top"].as_array().is_some_and(|all| all.contains(rank))));
        }
        let table = gateway.does(&["usage", "--by", "team"]).await;
        assert_eq!(
            table.lines().nth(1).map(|line| line.split_whitespace().collect::<Vec<_>>()),
            Some(vec!["research", &*dollars(all.micro_usd)]),
            "{table}"
        );

        let limits = gateway.get("/limits?of=key&name=alice").await["limits"].clone();
        let of = |scope: &str, unit: &str, period: &str| {
            let same = |limit: &&Value| limit["scope"] == scope && limit["unit"] == unit && limit["period"] == period;
            limits.as_array().into_iter().flatten().find(same).cloned().unwrap_or_else(|| panic!("{scope} in {limits}"))
        };
        let day = of("key=alice", "micro_usd", "day");
        assert_eq!((&day["used_usd"], &day["limit"]), (&json!(dollars(alices.micro_usd)), &json!(1_000_000)));
        assert_eq!(day["remaining"], 1_000_000 - alices.micro_usd);
        assert_eq!(of("team=research", "micro_usd", "month")["used"], all.micro_usd);
        assert_eq!(of("key=alice", "tokens", "day")["used"], alices.input + alices.output);
        assert_eq!(gateway.get("/limits?of=team&name=research").await["limits"][0]["used"], all.micro_usd);
    }
}

/// Checks that CSV, from the command and in both ways from the interface, has the same rows as JSON.
async fn csv_equals_json(one: &Administered, by: &str, json: &Value) {
    let mut expected =
        format!("{by},date,requests,input_tokens,output_tokens,cost_usd,estimated_tokens,estimated_cost_usd\r\n");
    for day in json["days"].as_array().expect("days") {
        let name = day["name"].as_str().expect("a name");
        let apostrophe = if name.starts_with(['@', '-']) { "'" } else { "" };
        let [date, cost, estimated] =
            ["date", "cost_usd", "estimated_cost_usd"].map(|name| day[name].as_str().expect("a text"));
        let [requests, input, output, tokens] = ["requests", "input_tokens", "output_tokens", "estimated_tokens"]
            .map(|name| day[name].as_u64().expect(name));
        expected +=
            &format!("\"{apostrophe}{name}\",{date},{requests},{input},{output},{cost},{tokens},{estimated}\r\n");
    }
    assert_eq!(one.does(&["usage", "--by", by, "--csv"]).await, expected);
    let path = format!("/admin/v1/usage?by={by}");
    let asked = one.admin().request("GET", &format!("{path}&format=csv"), "").await.expect("an answer");
    let accepted = one.admin().header("accept", "text/csv").request("GET", &path, "").await.expect("an answer");
    for answer in [asked, accepted] {
        assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
        assert_eq!((answer.status, &*answer.text()), (200, &*expected));
    }
    assert_eq!(one.json(&["usage", "--by", by, "--to", json["to"].as_str().expect("a date")]).await, *json);
}

#[tokio::test]
async fn usage_of_all_names_is_the_same_as_csv_and_as_json() {
    let site = Site::start().await;
    within_a_day().await;
    let [one, two] = &site.gateways;
    let mut sums = Vec::new();
    for id in ["alice", "@bob", "-carl"] {
        let secret = one.secret(&["keys", "create", &format!("--id={id}"), "--team", "research", "--app", "bot"]).await;
        let mut of_key = Sums::default();
        for (gateway, model) in [(one, "gpt"), (two, "claude")] {
            of_key = of_key.plus(Sums::of(&gateway.chat(&secret, model).await));
        }
        settled(one, "key", id, of_key).await;
        sums.push((id, of_key));
    }
    let all = sums.iter().fold(Sums::default(), |all, (_, sums)| all.plus(*sums));
    for by in ["key", "team", "app", "model"] {
        let days = one.get(&format!("/usage?by={by}")).await;
        assert_eq!((Sums::read(&days["total"]), &days["next"]), (all, &Value::Null), "{by}");
        csv_equals_json(two, by, &days).await;
    }
    let keys = one.get("/usage?by=key").await["days"].clone();
    for (id, sums) in &sums {
        let row = keys.as_array().into_iter().flatten().find(|row| row["name"] == *id).expect("a row");
        assert_eq!(Sums::read(row), *sums, "{id}");
    }
    let top = one.get("/usage/top?by=key&period=month&limit=1").await;
    let (name, cost) = (top["top"][0]["name"].as_str().expect("a name"), &top["top"][0]["cost_usd"]);
    let apostrophe = if name == "alice" { "" } else { "'" };
    assert_eq!(
        one.does(&["usage", "--by", "key", "--top", "1", "--csv"]).await,
        format!(
            "key,period,from,cost_usd\r\n\"{apostrophe}{name}\",month,{},{}\r\n",
            top["from"].as_str().expect("a date"),
            cost.as_str().expect("dollars")
        )
    );
    let wrong = one.admin().request("GET", "/admin/v1/usage?by=team&format=xml", "").await.expect("an answer");
    assert_eq!((wrong.status, &wrong.json()["error"]["param"]), (400, &json!("format")));
}

/// Waits until the accounts have this many requests of a name: settlements arrive a moment later.
async fn settled(one: &Administered, by: &str, name: &str, expected: Sums) {
    let started = std::time::Instant::now();
    loop {
        let sums = Sums::read(&one.get(&format!("/usage?by={by}&name={name}")).await["total"]);
        if sums.requests >= expected.requests {
            return;
        }
        assert!(started.elapsed() < sluice_tests::PATIENCE, "{by} {name}: {sums:?} and no more");
    }
}

#[tokio::test]
async fn without_redis_usage_is_shown_and_nothing_can_be_written() {
    let providers = [Simulator::start().await, Simulator::start().await];
    let one = Administered::start(builder(&providers).concurrency(2), file(json!({}))).await;
    within_a_day().await;
    let mut all = Sums::default();
    for round in 0..8 {
        let answer = one.chat(KEY, if round % 2 == 0 { "gpt" } else { "claude" }).await;
        assert_eq!(answer.status, 200);
        all = all.plus(Sums::of(&answer));
    }
    settled(&one, "key", "test", all).await;
    let days = one.json(&["usage", "--by", "key", "--name", "test"]).await;
    assert_eq!(Sums::read(&days["total"]), all);
    csv_equals_json(&one, "key", &one.get("/usage?by=key").await).await;
    assert_eq!(one.get("/usage/top?by=team").await["top"][0]["cost_micro_usd"], all.micro_usd);
    assert_eq!(one.get("/health").await["store"], "embedded");
    assert_eq!(one.get("/keys").await["keys"][0]["id"], "test");

    for (method, path, body) in [
        ("POST", "/keys", json!({"id": "alice", "team": "test"})),
        ("PATCH", "/keys/alice", json!({"owner": "Alice"})),
        ("POST", "/keys/alice/revoke", json!({})),
        ("POST", "/keys/alice/rotate", json!({})),
    ] {
        let answer =
            one.admin().request(method, &format!("/admin/v1{path}"), body.to_string()).await.expect("an answer");
        let code = answer.json()["error"]["code"].clone();
        assert_eq!((answer.status, code), (409, json!("store_read_only")), "{method} {path}: {}", answer.text());
    }
    let said = one.sluice(&["keys", "create", "--id", "alice", "--team", "test"]).await;
    assert!(!said.success && said.errors.contains("sluice keys new"), "{said:?}");
}

#[tokio::test]
async fn cached_answers_are_purged_with_the_command() {
    let providers = [Simulator::start().await, Simulator::start().await];
    let cache = json!({"models": {"gpt": {"cache": {"ttl": "1h"}}, "claude": {"cache": {"ttl": "1h"}}}});
    let one = Administered::start(builder(&providers).with(cache).concurrency(2), file(json!({}))).await;
    let words = async || {
        let mut words = Vec::new();
        for model in ["gpt", "claude"] {
            words.push(one.chat(KEY, model).await.header("x-sluice-cache").map(str::to_owned));
        }
        words.into_iter().flatten().collect::<Vec<_>>()
    };
    assert_eq!((words().await, words().await), (vec!["miss".to_owned(); 2], vec!["hit".to_owned(); 2]));
    assert_eq!(one.json(&["cache", "purge", "--key", "nobody"]).await, json!({"purged": 0, "covers": "envoy"}));
    assert_eq!(
        one.does(&["cache", "purge", "--team", "test", "--model", "gpt"]).await,
        "purged in this Envoy: 1 responses\n"
    );
    assert_eq!(words().await, ["miss", "hit"]);
    assert_eq!(one.json(&["cache", "purge", "--all"]).await["purged"], 2);
    assert_eq!(words().await, ["miss", "miss"]);
    for wrong in [&["cache", "purge"][..], &["cache", "purge", "--all", "--team", "test"]] {
        assert!(!one.sluice(wrong).await.success, "{wrong:?}");
    }
}

#[tokio::test]
async fn each_listener_serves_what_is_its_own_and_the_interface_its_administrator_only() {
    let providers = [Simulator::start().await, Simulator::start().await];
    let one = Administered::start(builder(&providers), file(json!({}))).await;
    for client in [one.stranger(), one.stranger().bearer(KEY), one.stranger().bearer("sk-sluice-wrong")] {
        for path in ["/admin/v1/keys", "/admin/v1/config", "/admin/v1/nothing", "/v1/models"] {
            let answer = client.request("GET", path, "").await.expect("an answer");
            let code = answer.json()["error"]["code"].clone();
            assert_eq!((answer.status, code), (401, json!("unauthorized")), "{path}: {}", answer.text());
        }
    }
    // The interface's description needs no key.
    let described = one.stranger().request("GET", "/admin/v1/openapi.json", "").await.expect("an answer");
    assert_eq!((described.status, &described.json()["openapi"]), (200, &json!("3.1.0")));
    for (method, path) in [("GET", "/v1/models"), ("POST", CHAT)] {
        let answer = one.admin().request(method, path, ask("gpt", "hi").to_string()).await.expect("an answer");
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
    }
    for key in [ADMIN, KEY] {
        for path in ["/admin/v1/keys", "/admin/v1/openapi.json"] {
            let client = one.gateway.anonymous().bearer(key);
            let answer = client.request("GET", path, "").await.expect("an answer");
            assert_eq!(refusal(&answer), (404, "unknown_url".to_owned()), "{path}");
        }
    }
    let said = refusal(&one.chat(ADMIN, "gpt").await);
    assert_eq!(said, (401, "invalid_api_key".to_owned()));
    assert!(providers.iter().all(|provider| provider.requests().is_empty()));
}

#[tokio::test]
async fn nothing_that_is_secret_is_ever_told() {
    let site = Site::start().await;
    let [one, two] = &site.gateways;
    let first = one.secret(&["keys", "create", "--id", "alice", "--team", "research"]).await;
    let second = one.secret(&["keys", "rotate", "alice", "--grace", "1h"]).await;
    for secret in [&first, &second, &KEY.to_owned()] {
        assert_eq!(two.chat(secret, "gpt").await.status, 200);
    }
    one.chat("sk-sluice-stranger", "gpt").await;
    let mut told = String::new();
    for path in [
        "/keys",
        "/keys/alice",
        "/keys/test",
        "/limits?of=key&name=alice",
        "/usage?by=key&name=alice",
        "/usage/top",
        "/prices",
        "/config",
        "/health",
        "/openapi.json",
    ] {
        told += &one.get(path).await.to_string();
    }
    for arguments in [
        &["keys", "list"][..],
        &["keys", "show", "alice"],
        &["keys", "update", "alice", "--owner", "A"],
        &["usage"],
        &["keys", "revoke", "alice"],
    ] {
        told += &one.does(arguments).await;
    }
    for arguments in [
        &["keys", "show", "nobody"][..],
        &["keys", "create", "--id", "bob", "--team", "nobody"],
        &["keys", "rotate", "alice"],
    ] {
        let said = two.sluice(arguments).await;
        assert!(!said.success, "{said:?}");
        told += &(said.output + &said.errors);
    }
    let config = one.get("/config").await;
    assert_eq!((&config["admin"]["sha256"], &config["keys"][0]["sha256"]), (&json!("***"), &json!("***")));
    assert_eq!(config["providers"]["openai"]["key"], Value::Null);
    // The log is complete once it contains the last withdrawal.
    until("the log to tell of the withdrawal", || {
        one.gateway.log().into_iter().find(|line| line["admin"] == "keys.revoke" && line["key"] == "alice")
    })
    .await;
    told += &site.logs();
    for secret in [&*first, &second, KEY, ADMIN, "sk-openai", "sk-anthropic", "sk-sluice-stranger"] {
        assert!(!told.contains(secret), "{secret} in {told}");
        assert!(!told.to_ascii_lowercase().contains(&sha256(secret)), "the hash of {secret} in {told}");
    }
    // Redis has only hashes, and no secret.
    let redis = site.store.redis();
    let kept = redis.command(&["GET", &redis.name(&format!("key:{}", sha256(&second)))]).to_string();
    assert!(kept.contains("alice") && !kept.contains(&first) && !kept.contains(&second), "{kept}");
}
