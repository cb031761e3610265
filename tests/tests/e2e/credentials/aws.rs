//! Requests signed for AWS, checked by a service that verifies signatures. It takes Bedrock's place, and uses OpenAI's format.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sluice_tests::eventually;
use sluice_tests::gateway::{A_SECRET, Gateway, Kind};
use sluice_tests::sigv4::{Account, verify};
use sluice_tests::simulator::Recorded;
use sluice_tests::standin::StandIn;

use crate::{ask, said, with};

const FIRST: Account<'static> =
    Account { id: "AKIDFIRST", secret: "first/secret+1=", token: None, region: "us-east-1", service: "bedrock" };
const SECOND: Account<'static> = Account { id: "ASIASECOND", secret: A_SECRET.1, token: Some("a/b+c=="), ..FIRST };

/// A response with the caller's name, or the reason why the signature is invalid.
fn service(request: &Recorded) -> (u16, Value) {
    let checked = |account| verify(request, account).map(|()| account.id);
    match checked(&FIRST).or_else(|first| checked(&SECOND).map_err(|second| format!("{first}\n{second}"))) {
        Ok(id) => (
            200,
            json!({
                "id": "1", "object": "chat.completion", "created": 1, "model": "m",
                "choices": [{"index": 0, "message": {"role": "assistant", "content": id}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
            }),
        ),
        Err(why) => (403, json!({"error": {"message": why, "type": "signature"}})),
    }
}

/// A Bedrock model is part of the path, with an encoded colon. Signatures encode it a second time.
fn url(service: &StandIn) -> String {
    format!("{}/model/anthropic.claude-3%3A0/converse", service.url())
}

fn write(directory: &Path, account: &Account<'_>) {
    for (name, text) in [("id", Some(account.id)), ("secret", Some(account.secret)), ("token", account.token)] {
        fs::write(directory.join(name), text.unwrap_or_default()).unwrap();
    }
}

#[tokio::test]
async fn what_the_filter_wrote_is_signed_for_each_attempt_and_a_new_key_without_a_restart() {
    let service = StandIn::start(service).await;
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &FIRST);
    let part = |name: &str| json!({"file": directory.path().join(name)});
    let aws = json!({"region": "us-east-1", "access_key_id": part("id"), "secret_access_key": part("secret")});
    let gateway = Gateway::builder()
        .provider("refusing", Kind::OpenAi, "http://127.0.0.1:1/v1")
        .provider("bedrock", Kind::OpenAi, &*url(&service))
        .credential("aws", aws)
        .model("chat", &[("refusing", "m"), ("bedrock", "m")])
        .model("bedrock", &[("bedrock", "m")])
        .start()
        .await;
    let large = with(ask("chat", &"long ".repeat(300_000)), json!({"stream": false}));
    for body in [ask("chat", "hi"), large] {
        let answer = gateway.chat(&body).await;
        assert_eq!((answer.status, &*said(&answer)), (200, "AKIDFIRST"), "{}", answer.text());
    }
    let request = &service.requests()[0];
    assert_eq!(request.path, "/model/anthropic.claude-3%3A0/converse/chat/completions");
    assert_eq!(request.json()["model"], "m", "the filter's own body");
    assert_eq!(request.header("x-amz-security-token"), None);

    fs::write(directory.path().join("id"), SECOND.id).unwrap();
    fs::write(directory.path().join("secret"), "wrong-secret").unwrap();
    let status = async || gateway.chat(&ask("bedrock", "hi")).await.status;
    eventually("a signature with a wrong secret", async || status().await == 502).await;
    let told = gateway.errors() + &gateway.output();
    assert!(!told.contains(FIRST.secret) && !told.contains("wrong-secret"), "{told}");
}

#[tokio::test]
async fn a_key_for_a_while_has_its_token_with_it() {
    let service = StandIn::start(service).await;
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &SECOND);
    let part = |name: &str| json!({"file": directory.path().join(name)});
    let aws = json!({
        "region": "us-east-1",
        "access_key_id": part("id"), "secret_access_key": {"env": A_SECRET.0}, "session_token": part("token"),
    });
    let gateway = Gateway::builder()
        .provider("bedrock", Kind::OpenAi, &*url(&service))
        .credential("aws", aws)
        .model("chat", &[("bedrock", "m")])
        .start()
        .await;
    assert_eq!(said(&gateway.chat(&ask("chat", "hi")).await), SECOND.id);
}

#[tokio::test]
async fn without_a_key_in_the_file_envoy_finds_one_where_aws_tools_do() {
    let service = StandIn::start(service).await;
    let gateway = Gateway::builder()
        .provider("bedrock", Kind::OpenAi, &*url(&service))
        .credential("aws", json!({"region": "us-east-1"}))
        .environment("AWS_ACCESS_KEY_ID", FIRST.id)
        .environment("AWS_SECRET_ACCESS_KEY", FIRST.secret)
        // Tests must not query a metadata service.
        .environment("AWS_EC2_METADATA_DISABLED", "true")
        .model("chat", &[("bedrock", "m")])
        .start()
        .await;
    assert_eq!(said(&gateway.chat(&ask("chat", "hi")).await), FIRST.id);
}
