//! Changes of the gateway file at runtime: the effect on the next request, the isolation of requests in flight, and rejected files.

mod applied;
mod crowd;
mod keys;
mod surroundings;
mod survives;

use serde_json::{Value, json};
use sluice_tests::client::{Answer, Client, Kept};
use sluice_tests::gateway::{Gateway, Key, Kind, Signal};
use sluice_tests::port::Port;
use sluice_tests::simulator::Simulator;
use sluice_tests::{eventually, until};

use crate::admin::site::{ADMIN, Administered};
use crate::{CHAT, ask, refusal, said, with};

const FIRST: &str = "sk-sluice-of-the-first";
const SECOND: &str = "sk-sluice-of-the-second";

fn key(id: &str, secret: &str) -> Value {
    Key::new(id, secret).record()
}

/// A connection that has served a request.
async fn used(gateway: &Gateway, secret: &str) -> Kept {
    let mut connection = gateway.anonymous().connect().await.expect("a connection");
    assert_eq!(asks_on(&mut connection, gateway, secret, "chat").await.status, 200);
    connection
}

/// Sends a request on an open connection.
async fn asks_on(connection: &mut Kept, gateway: &Gateway, secret: &str, model: &str) -> Answer {
    let client = gateway.with_key(secret);
    connection.post(&client, CHAT, &ask(model, "say hi")).await.expect("a connection that stays open")
}

#[tokio::test]
async fn keys_models_and_limits_are_what_the_file_says_for_the_next_request_of_an_open_connection() {
    let provider = Simulator::start().await;
    let builder = Gateway::builder()
        .provider("openai", Kind::OpenAi, &provider)
        .model("chat", &[("openai", "gpt-sim")])
        .key(Key::new("first", FIRST));
    let gateway = builder.start().await;
    let asks = async |secret: &str, model: &str| gateway.with_key(secret).post(CHAT, &ask(model, "say hi")).await;
    let mut connection = used(&gateway, FIRST).await;
    assert_eq!(refusal(&asks(SECOND, "chat").await).0, 401);

    gateway.change(|file| file["keys"] = json!([key("first", FIRST), key("second", SECOND)])).await;
    assert_eq!(asks_on(&mut connection, &gateway, SECOND, "chat").await.status, 200);
    gateway.change(|file| file["keys"] = json!([key("second", SECOND)])).await;
    assert_eq!(refusal(&asks_on(&mut connection, &gateway, FIRST, "chat").await).0, 401, "it was withdrawn");

    let mut connection = used(&gateway, SECOND).await;
    assert_eq!(refusal(&asks(SECOND, "new").await), (404, "model_not_found".to_owned()));
    gateway
        .change(|file| file["models"]["new"] = json!({"targets": [{"provider": "openai", "model": "gpt-new"}]}))
        .await;
    assert_eq!(asks_on(&mut connection, &gateway, SECOND, "new").await.status, 200);
    assert_eq!(provider.requests().last().unwrap().json()["model"], "gpt-new");

    // The usage under one limit counts under the next. Each request reserves slightly more than 1,000 tokens, and uses 800.
    let limited = |tokens: u64| json!([Key::new("second", SECOND).limits(json!({"tokens_per_day": tokens})).record()]);
    let large = async || {
        let body = with(ask("chat", "say hi"), json!({"max_tokens": 1000}));
        gateway.with_key(SECOND).post(CHAT, &body).await.status
    };
    provider.always("tokens=800");
    sluice_tests::within_a_day().await;
    gateway.change(|file| file["keys"] = limited(1_500)).await;
    let first = (large().await, large().await);
    gateway.change(|file| file["keys"] = limited(2_500)).await;
    let raised = (large().await, large().await);
    assert_eq!((first, raised), ((200, 429), (200, 429)));
}

#[tokio::test]
async fn a_provider_that_moves_leaves_streams_where_they_began_and_tells_its_new_key_to_nobody_else() {
    let (old, new) = (Simulator::start().await, Simulator::start().await);
    let builder = Gateway::builder().provider("openai", Kind::OpenAi, &old).model("chat", &[("openai", "gpt-sim")]);
    let gateway = builder.start().await;
    let clusters = async || gateway.envoy("/clusters").await.matches("::added_via_api::true").count();
    let before = clusters().await;
    old.always("pause-after=2");
    let streamed = with(ask("chat", "say one two three four"), json!({"stream": true})).to_string();
    let mut open = gateway.client().open("POST", CHAT, streamed).await.expect("an answer");
    open.next().await.expect("a beginning");

    let directory = gateway.file().parent().unwrap().to_owned();
    std::fs::write(directory.join("new.key"), "sk-new").unwrap();
    gateway
        .change(|file| {
            file["providers"]["openai"]["url"] = new.base_url().into();
            file["providers"]["openai"]["key"] = json!({"file": "new.key"});
        })
        .await;
    for _ in 0..3 {
        assert_eq!(gateway.chat(&ask("chat", "say hi")).await.status, 200);
    }
    assert_eq!((old.count(), new.count()), (1, 3));
    assert!(new.requests().iter().all(|request| request.header("authorization") == Some("Bearer sk-new")));
    assert!(old.requests().iter().all(|request| request.header("authorization") == Some("Bearer sk-openai")));

    old.go_on();
    let answer = open.finish().await;
    assert!(answer.complete && answer.text().contains("[DONE]"), "{}", answer.text());
    assert_eq!(clusters().await, before + 1, "the old one is kept for those that began with it");
    assert_eq!(gateway.statistic("cluster.openai.upstream_rq_total").await, 4, "to operators it is one");
}

#[tokio::test]
async fn a_file_with_mistakes_is_refused_whole_and_all_are_told_of_it() {
    let provider = Simulator::start().await;
    let builder = Gateway::builder()
        .provider("openai", Kind::OpenAi, &provider)
        .model("chat", &[("openai", "gpt-sim")])
        .key(Key::new("first", FIRST));
    let site = Administered::start(builder, json!({})).await;
    let gateway = &site.gateway;
    let reload = async || site.get("/config").await["reload"].clone();
    let metrics = async || {
        let name = |name| format!("wasmcustom.sluice.config.{name}");
        let good = gateway.statistic(&name("last_reload_successful")).await;
        (good, gateway.statistic(&name("last_reload_success_timestamp_seconds")).await)
    };
    let first = reload().await;
    assert_eq!(first["refused"], Value::Null);
    let (good, since) = metrics().await;
    assert!(good == 1 && since > 1_700_000_000);

    let told = gateway
        .change_in_vain(|file| {
            file["keys"] = json!([key("second", SECOND)]);
            file["models"]["chat"]["targets"][0]["provider"] = "opemai".into();
            file["modles"] = json!({});
        })
        .await;
    for mistake in ["models.chat.targets[0].provider: found ", "modles: found an unknown field"] {
        assert!(told.contains(mistake), "{told}");
    }
    eventually("the administrator to be told", async || reload().await["refused"] != Value::Null).await;
    let refused = reload().await;
    assert_eq!((&refused["version"], &refused["applied_at"]), (&first["version"], &first["applied_at"]));
    assert_eq!(refused["refused"]["mistakes"].as_array().map(Vec::len), Some(2), "{refused}");
    eventually("the metric to tell", async || metrics().await == (0, since)).await;
    assert_eq!(gateway.with_key(FIRST).post(CHAT, &ask("chat", "hi")).await.status, 200, "the old one goes on");
    assert_eq!(gateway.with_key(SECOND).post(CHAT, &ask("chat", "hi")).await.status, 401, "nothing of the new one");

    // An unreadable file, and a partly written one.
    gateway.write("providers: {");
    until("the half file to be refused", || (gateway.errors().matches("cannot be used").count() == 2).then_some(()))
        .await;
    gateway.write(&first_file(gateway, &provider, &site).to_string());
    eventually("the file to be in force", async || reload().await["refused"] == Value::Null).await;
    eventually("the metric to tell", async || metrics().await.0 == 1).await;
}

/// The initial file, written again.
fn first_file(gateway: &Gateway, provider: &Simulator, site: &Administered) -> Value {
    json!({
        "listen": format!("127.0.0.1:{}", gateway.port()),
        "providers": {"openai": {"kind": "openai", "url": provider.base_url(), "key": {"file": "openai.key"}}},
        "models": {"chat": {"targets": [{"provider": "openai", "model": "gpt-sim"}]}},
        "prices": {"models": {"openai/gpt-sim": {"input": 1, "output": 1, "max_output": 1000}}},
        "teams": {"test": {}},
        "keys": [key("first", FIRST)],
        "admin": {"listen": format!("127.0.0.1:{}", site.admin().port()), "sha256": sluice_tests::gateway::sha256(ADMIN)},
    })
}

#[tokio::test]
async fn an_address_may_widen_and_narrow_at_its_own_port() {
    let provider = Simulator::start().await;
    let builder =
        Gateway::builder().provider("openai", Kind::OpenAi, &provider).model("chat", &[("openai", "gpt-sim")]);
    let gateway = builder.start().await;
    for host in ["0.0.0.0", "127.0.0.1"] {
        let address = format!("{host}:{}", gateway.port());
        gateway.change(|file| file["listen"] = address.into()).await;
        assert_eq!(gateway.chat(&ask("chat", "say hi")).await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn what_needs_a_restart_says_so_and_addresses_do_not() {
    let provider = Simulator::start().await;
    let builder =
        Gateway::builder().provider("openai", Kind::OpenAi, &provider).model("chat", &[("openai", "gpt-sim")]);
    let site = Administered::start(builder, json!({})).await;
    let gateway = &site.gateway;
    let url = json!({"url": "http://127.0.0.1:1"});
    for (part, named, value) in [
        ("redis", "redis", url.clone()),
        ("tracing", "tracing", url.clone()),
        ("log", "log.otlp", json!({"otlp": url})),
        ("memory", "memory", json!({"worker": "100MiB"})),
    ] {
        let told = gateway.change_in_vain(|file| file[part] = value).await;
        assert!(told.contains(&format!("{named}: read only at startup")), "{told}");
        gateway.change(|file| drop(file.as_object_mut().unwrap().remove(part))).await;
    }

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let told = gateway.change_in_vain(|file| file["listen"] = address.clone().into()).await;
    assert!(told.contains(&format!("cannot listen on {address}")), "{told}");

    let mut connection = used(gateway, sluice_tests::gateway::KEY).await;
    let (listen, admin) = (Port::reserve(), Port::reserve());
    let at = |port: &Port| format!("127.0.0.1:{}", port.number());
    gateway
        .change(|file| {
            file["listen"] = at(&listen).into();
            file["admin"]["listen"] = at(&admin).into();
        })
        .await;
    let moved = Client::new(listen.number()).bearer(sluice_tests::gateway::KEY);
    assert_eq!(moved.post(CHAT, &ask("chat", "say hi")).await.status, 200);
    let answer = asks_on(&mut connection, gateway, sluice_tests::gateway::KEY, "chat").await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")), "its connection ends in peace");
    let config = Client::new(admin.number()).bearer(ADMIN).request("GET", "/admin/v1/config", "").await;
    assert_eq!(config.expect("an answer").status, 200);
    eventually("the old address to be closed", async || gateway.anonymous().connect().await.is_err()).await;
}

#[tokio::test]
async fn without_watching_a_signal_applies_the_file_and_prices_are_a_part_of_it() {
    let provider = Simulator::start().await;
    let directory = tempfile::tempdir().unwrap();
    let prices = directory.path().join("prices.json");
    let table = |price: &str| {
        json!({"gpt-sim": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": price.parse::<f64>().unwrap(),
            "output_cost_per_token": 0.0, "max_tokens": 1000, "max_output_tokens": 1000}})
        .to_string()
    };
    std::fs::write(&prices, table("0.001")).unwrap();
    let builder = Gateway::builder()
        .provider("openai", Kind::OpenAi, &provider)
        .model("chat", &[("openai", "gpt-sim")])
        .with(json!({"providers": {"openai": {"prices": "openai"}}, "prices": {"file": prices}}));
    let gateway = builder.argument("--no-watch").start().await;
    let cost = async |lines: usize| {
        assert_eq!(said(&gateway.chat(&ask("chat", "say hi")).await), "hi");
        gateway.log_lines(lines).await[lines - 1]["cost_usd"].clone()
    };
    let before = cost(1).await;
    std::fs::write(&prices, table("0.002")).unwrap();
    gateway.signal(Signal::HUP);
    until("the file to be in force", || gateway.errors().contains("is active").then_some(())).await;
    let after = cost(2).await;
    let dollars = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok()).expect("a cost");
    assert!((dollars(&after) / dollars(&before) - 2.0).abs() < 1e-6, "{before} {after}");

    // The file is no longer watched.
    gateway.edit(|file| file["keys"] = json!([]));
    assert_eq!(gateway.chat(&ask("chat", "say hi")).await.status, 200);
    assert_eq!(gateway.errors().matches("is active").count(), 1);
}
