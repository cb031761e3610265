//! The client side: path spellings, keyless endpoints, browser clients, TLS, and secrets mounted by Kubernetes.

mod mounted;
mod proxy;
mod tls;

use serde_json::json;
use sluice_tests::client::Answer;
use sluice_tests::eventually;
use sluice_tests::gateway::{Gateway, Kind};
use sluice_tests::redis::Store;
use sluice_tests::shared::Shared;
use sluice_tests::simulator::Simulator;

use crate::{CHAT, Pair, TURNS, ask, refusal, with};

/// Pages of two origins may call it.
static CALLED_BY_PAGES: Shared<Pair> = Shared::new(1, || {
    let cors = json!({"cors": {"origins": ["https://chat.example.com", "https://*.pages.example"]}});
    Box::pin(Pair::of(TURNS, move |builder| builder.with(cors)))
});

async fn asked(pair: &Pair, method: &str, path: &str, body: &str) -> Answer {
    pair.gateway.client().request(method, path, body.to_owned()).await.expect("an answer")
}

#[tokio::test]
async fn a_path_is_served_as_people_write_it() {
    let pair = Pair::lease().await;
    let chat = pair.ask("openai", "hi").to_string();
    let paths = [
        "/v1/chat/completions",
        "/v1/chat/completions/",
        "/chat/completions",
        "/v1/v1/chat/completions",
        "/openai/v1/chat/completions",
        "//v1//chat/completions?api-version=1",
        "/v1/models/../chat/completions",
    ];
    for path in paths {
        let answer = asked(&pair, "POST", path, &chat).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
    let message = with(pair.ask("anthropic", "hi"), json!({"max_tokens": 10})).to_string();
    let paths = ["/v1/messages", "/messages", "/v1/v1/messages", "/anthropic/v1/messages", "/v1/messages/"];
    for path in paths {
        let answer = asked(&pair, "POST", path, &message).await;
        assert_eq!((answer.status, &answer.json()["type"]), (200, &json!("message")), "{path}: {}", answer.text());
    }
    for path in ["/v1/models", "/v1/models/", "/models", "/v1/v1/models"] {
        assert_eq!(asked(&pair, "GET", path, "").await.json()["object"], "list", "{path}");
        let head = asked(&pair, "HEAD", path, "").await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
    }
}

#[tokio::test]
async fn other_paths_say_which_base_url_to_set() {
    let pair = Pair::lease().await;
    let base = format!("http://127.0.0.1:{}", pair.gateway.port());
    for path in [
        "/openai/deployments/gpt/chat/completions?api-version=2024-10-21",
        "/v1beta/models/gemini-2.5-pro:generateContent",
        "/api/v1/chat/completions",
        "/v1/chat/completions/../../control",
        "/v2/chat",
        "/metrics",
        "/favicon.ico",
    ] {
        let answer = asked(&pair, "POST", path, "{}").await;
        assert_eq!(refusal(&answer), (404, "unknown_url".to_owned()), "{path}");
        let message = answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains(&format!("base_url to {base}/v1 (for Anthropic's clients: {base})")), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }
    for (method, path, allowed) in [
        ("GET", CHAT, "POST"),
        ("DELETE", CHAT, "POST"),
        ("OPTIONS", CHAT, "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("PUT", "/v1/files", "GET, HEAD, POST, DELETE"),
    ] {
        let answer = asked(&pair, method, path, "{}").await;
        assert_eq!(refusal(&answer), (405, "method_not_allowed".to_owned()), "{method} {path}");
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
    }
    let head = asked(&pair, "HEAD", CHAT, "").await;
    assert_eq!((head.status, head.body.len()), (405, 0));
    assert!(pair.openai.requests().is_empty());
}

#[tokio::test]
async fn anybody_may_ask_how_it_is_and_the_log_does_not_tell() {
    // These requests are not logged, so a shared gateway's next test would wait for their lines forever.
    let pair = Pair::with(|builder| builder).await;
    let anybody = pair.gateway.anonymous();
    for (path, expected) in [
        ("/health", json!({"status": "ok"})),
        ("/health/?x=1", json!({"status": "ok"})),
        ("/ready", json!({"status": "ready"})),
        ("/ready/", json!({"status": "ready"})),
        ("/ready?verbose", json!({"status": "ready"})),
    ] {
        let answer = anybody.request("GET", path, "").await.expect("an answer");
        assert_eq!((answer.status, answer.json()), (200, expected), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
        let head = anybody.request("HEAD", path, "").await.expect("an answer");
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
    }
    for path in ["/", "/v1", "/v1/"] {
        let answer = anybody.request("GET", path, "").await.expect("an answer");
        let body = answer.json();
        assert_eq!((answer.status, &body["name"]), (200, &json!("Sluice")), "{path}");
        assert_eq!(body["base_url"], format!("http://127.0.0.1:{}/v1", pair.gateway.port()));
        let head = anybody.request("HEAD", path, "").await.expect("an answer");
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
    }
    let wrong = anybody.request("POST", "/ready", "{}").await.expect("an answer");
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("GET, HEAD")));
    // Only the requests for `/`, `/v1` and `/v1/` are logged.
    let lines = pair.gateway.log_lines(6).await;
    assert_eq!(lines.len(), 6, "{lines:?}");
}

#[tokio::test]
async fn readiness_is_the_instances_own_unless_redis_is_required() {
    let provider = Simulator::start().await;
    let store = Store::lease().await;
    let start = async |more| {
        let builder = Gateway::builder()
            .provider("openai", Kind::OpenAi, &provider)
            .model("chat", &[("openai", "gpt-sim")])
            .store(&store);
        builder.with(json!({"redis": {"timeout": "2s"}})).with(more).start().await
    };
    let by_itself = start(json!({})).await;
    let required = start(json!({"ready": {"redis": "required"}})).await;
    let ready = async |gateway: &Gateway| {
        let answer = gateway.anonymous().request("GET", "/ready", "").await.expect("an answer");
        (answer.status, answer.json())
    };
    for gateway in [&by_itself, &required] {
        assert_eq!(ready(gateway).await, (200, json!({"status": "ready", "redis": "ok"})));
    }
    store.webdis().kill();
    let down = json!({"status": "ready", "redis": "unavailable"});
    eventually("the body to say so", async || ready(&by_itself).await == (200, down.clone())).await;
    let down = json!({"status": "unavailable", "redis": "unavailable"});
    eventually("the other not to be ready", async || ready(&required).await == (503, down.clone())).await;
    assert_eq!(required.anonymous().request("GET", "/health", "").await.expect("an answer").status, 200);
    store.webdis().restart().await;
    for gateway in [&by_itself, &required] {
        let well = json!({"status": "ready", "redis": "ok"});
        eventually("Redis to be seen again", async || ready(gateway).await == (200, well.clone())).await;
    }
}

#[tokio::test]
async fn pages_of_the_origins_that_are_named_may_call_and_read() {
    let pair = CALLED_BY_PAGES.lease().await;
    let page = |origin: &str| pair.gateway.anonymous().header("origin", origin);
    let preflight = async |origin: &str, path: &str| {
        let page = page(origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type,x-stainless-os");
        page.request("OPTIONS", path, "").await.expect("an answer")
    };
    for origin in ["https://chat.example.com", "https://a.b.pages.example"] {
        for path in [CHAT, "/v1/messages", "/v1/models"] {
            let answer = preflight(origin, path).await;
            assert_eq!(answer.status, 200, "{origin} {path}: {}", answer.text());
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
            let headers = answer.header("access-control-allow-headers").unwrap_or_default();
            assert!(headers.contains("authorization") && headers.contains('*'), "{headers}");
            assert!(answer.header("access-control-allow-methods").is_some_and(|methods| methods.contains("POST")));
            assert_eq!(answer.header("access-control-allow-credentials"), None);
        }
        // The provider's CORS headers are not forwarded.
        pair.openai.script(&["headers"]);
        let client = pair.gateway.client().header("origin", origin);
        let answer = client.post(CHAT, &pair.ask("openai", "hi")).await;
        let sent = |name: &str| answer.headers.iter().filter(|(known, _)| known.as_str() == name).count();
        assert_eq!((answer.status, sent("access-control-allow-origin")), (200, 1));
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert_eq!(sent("access-control-allow-credentials"), 0);
        let exposed = answer.header("access-control-expose-headers").unwrap_or_default();
        assert!(["x-sluice-provider", "x-request-id", "retry-after"].iter().all(|name| exposed.contains(name)));
        // A page can read an error, too.
        let answer = page(origin).post(CHAT, &pair.ask("openai", "hi")).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (401, Some(origin)));
    }
    for origin in ["https://evil.example", "https://pages.example", "https://xpages.example", "http://chat.example.com"]
    {
        let answer = preflight(origin, CHAT).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (405, None), "{origin}");
        let client = pair.gateway.client().header("origin", origin);
        let answer = client.post(CHAT, &pair.ask("openai", "hi")).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None), "{origin}");
    }
}

#[tokio::test]
async fn without_origins_no_page_reads_anything() {
    let pair = Pair::lease().await;
    pair.openai.script(&["headers"]);
    let client = pair.gateway.client().header("origin", "https://chat.example.com");
    let answer = client.post(CHAT, &pair.ask("openai", "hi")).await;
    assert_eq!(answer.status, 200);
    let told: Vec<_> = answer.headers.keys().filter(|name| name.as_str().starts_with("access-control")).collect();
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(ask("x", "y")["model"], "x");
}
