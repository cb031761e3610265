//! An Envoy that runs independently, in the directory that `sluice apply` writes.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use serde_json::{Value, json};
use sluice_tests::client::Client;
use sluice_tests::gateway::build::Build;
use sluice_tests::gateway::{Process, of_envoy, sha256};
use sluice_tests::port::Port;
use sluice_tests::simulator::Simulator;
use sluice_tests::{eventually, until};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use super::{FIRST, SECOND, key};
use crate::admin::site::ADMIN;
use crate::recovery::trap_module;
use crate::{CHAT, ask};

struct Scene {
    directory: TempDir,
    provider: Simulator,
    /// The ports of the gateway, its administration interface, and Envoy's own.
    ports: [Port; 3],
}

/// The output of a command.
struct Done {
    success: bool,
    said: String,
}

fn variable(name: &str) -> PathBuf {
    std::env::var_os(name).unwrap_or_else(|| panic!("{name}, which ./scripts/test sets")).into()
}

impl Scene {
    async fn new() -> Self {
        let scene = Self {
            directory: tempfile::tempdir().unwrap(),
            provider: Simulator::start().await,
            ports: [Port::reserve(), Port::reserve(), Port::reserve()],
        };
        std::fs::write(scene.path("openai.key"), "sk-openai").unwrap();
        std::fs::copy(Build::under_test().module(), scene.module()).unwrap();
        scene.write(&scene.file());
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The filter's module.
    fn module(&self) -> PathBuf {
        self.path(Build::under_test().file())
    }

    fn address(&self, port: usize) -> String {
        format!("127.0.0.1:{}", self.ports[port].number())
    }

    fn file(&self) -> Value {
        json!({
            "listen": self.address(0),
            "admin": {"listen": self.address(1), "sha256": sha256(ADMIN)},
            "providers": {"openai": {"kind": "openai", "url": self.provider.base_url(), "key": {"file": "openai.key"}}},
            "models": {"chat": {"targets": [{"provider": "openai", "model": "gpt-sim"}]}},
            "prices": {"models": {"openai/gpt-sim": {"input": 1, "output": 1, "max_output": 1000}}},
            "teams": {"test": {}},
            "keys": [key("first", FIRST)],
        })
    }

    fn write(&self, file: &Value) {
        std::fs::write(self.path("gateway.yaml"), file.to_string()).unwrap();
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(variable("SLUICE_BIN"));
        command.arg("apply").arg(self.path("gateway.yaml")).arg("--out").arg(self.path("out"));
        let build = Build::under_test();
        command.args(build.arguments()).arg(build.option()).arg(self.module());
        command.args(["--admin", &self.address(2)]).args(more);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    async fn apply(&self, more: &[&str]) -> Done {
        let done = self.command(more).output().await.expect("the command runs");
        let said = [done.stdout, done.stderr].concat();
        Done { success: done.status.success(), said: String::from_utf8(said).expect("text") }
    }

    async fn envoy(&self) -> Process {
        let arguments = ["--concurrency", "1", "--disable-hot-restart", "--drain-strategy", "immediate"];
        let arguments = [&arguments[..], &["--drain-time-s", "3600", "-l", "warning"]].concat();
        let envoy = of_envoy(&self.path("out/envoy.yaml"), &arguments, &self.module());
        until("Envoy to accept connections", || {
            assert!(envoy.ended().is_none(), "{}", envoy.errors());
            std::net::TcpStream::connect(self.address(0)).ok()
        })
        .await;
        envoy
    }

    async fn status(&self, secret: &str) -> u16 {
        let client = Client::new(self.ports[0].number()).bearer(secret);
        client.request("POST", CHAT, ask("chat", "hi").to_string()).await.map_or(0, |answer| answer.status)
    }

    async fn reload(&self) -> Value {
        let client = Client::new(self.ports[1].number()).bearer(ADMIN);
        client.request("GET", "/admin/v1/config", "").await.expect("an answer").json()["reload"].clone()
    }
}

#[tokio::test]
async fn a_change_is_in_force_when_the_command_ends_and_what_is_wrong_changes_nothing() {
    let scene = Scene::new().await;
    let begun = scene.apply(&[]).await;
    assert!(begun.success && begun.said.contains("start Envoy with: envoy -c "), "{}", begun.said);
    let envoy = scene.envoy().await;
    assert_eq!((scene.status(FIRST).await, scene.status(SECOND).await), (200, 401));

    let mut file = scene.file();
    file["keys"] = json!([key("second", SECOND)]);
    scene.write(&file);
    let changed = scene.apply(&[]).await;
    assert!(changed.success && changed.said.contains("is active"), "{}", changed.said);
    assert_eq!((scene.status(FIRST).await, scene.status(SECOND).await), (401, 200));
    let version = scene.reload().await["version"].clone();

    let mut wrong = scene.file();
    wrong["models"]["chat"]["targets"][0]["provider"] = "nobody".into();
    scene.write(&wrong);
    let refused = scene.apply(&[]).await;
    assert!(!refused.success && refused.said.contains("models.chat.targets[0].provider: found"), "{}", refused.said);
    assert_eq!((scene.status(FIRST).await, scene.status(SECOND).await), (401, 200));
    let told = scene.reload().await;
    assert_eq!((&told["version"], told["refused"]["mistakes"].as_array().map(Vec::len)), (&version, Some(1)));

    file["redis"] = json!({"url": "http://127.0.0.1:1", "when_down": "local"});
    scene.write(&file);
    let restart = scene.apply(&[]).await;
    assert!(!restart.success && restart.said.contains("redis: read only at startup"), "{}", restart.said);

    // A new provider key has the same effect as a new file.
    file.as_object_mut().unwrap().remove("redis");
    scene.write(&file);
    std::fs::write(scene.path("openai.key"), "sk-renewed").unwrap();
    assert!(scene.apply(&[]).await.success);
    eventually("the new key to be used", async || {
        scene.status(SECOND).await;
        scene.provider.requests().last().unwrap().header("authorization") == Some("Bearer sk-renewed")
    })
    .await;

    drop(envoy);
    let alone = scene.apply(&[]).await;
    assert!(!alone.success && alone.said.contains("add --offline if Envoy is not running"), "{}", alone.said);
    file["redis"] = json!({"url": "http://127.0.0.1:1", "when_down": "local"});
    scene.write(&file);
    assert!(scene.apply(&["--offline"]).await.success);
    let _envoy = scene.envoy().await;
    assert_eq!((scene.status(FIRST).await, scene.status(SECOND).await), (401, 200));
}

#[tokio::test]
async fn another_module_in_the_place_of_the_one_that_runs_is_refused() {
    let scene = Scene::new().await;
    assert!(scene.apply(&[]).await.success);
    let envoy = scene.envoy().await;
    std::fs::copy(trap_module(), scene.path("new")).unwrap();
    std::fs::rename(scene.path("new"), scene.module()).unwrap();
    let mut file = scene.file();
    file["keys"] = json!([key("second", SECOND)]);
    scene.write(&file);
    let done = scene.apply(&[]).await;
    assert!(!done.success && done.said.contains("the filter's module differs"), "{}", done.said);
    assert_eq!((scene.status(FIRST).await, scene.status(SECOND).await), (200, 401));
    drop(envoy);
    assert!(scene.apply(&["--offline"]).await.success);
    let _envoy = scene.envoy().await;
    assert_eq!((scene.status(FIRST).await, scene.status(SECOND).await), (401, 200));
}

#[tokio::test]
async fn a_command_that_is_killed_at_any_moment_leaves_a_gateway_that_serves_and_starts() {
    let scene = Scene::new().await;
    let began = Instant::now();
    assert!(scene.apply(&[]).await.success);
    let mut took = began.elapsed();
    let envoy = scene.envoy().await;
    let elsewhere = Simulator::start().await;
    let mut killed = 0;
    for round in 0..16_u32 {
        let mut file = scene.file();
        if round.is_multiple_of(2) {
            file["providers"]["openai"]["url"] = elsewhere.base_url().into();
            file["providers"]["more"] = json!({"kind": "openai", "url": elsewhere.base_url()});
            file["models"]["chat"]["targets"] = json!([{"provider": "more", "model": "gpt-sim"}]);
            file["prices"]["models"]["more/gpt-sim"] = json!({"input": 1, "output": 1, "max_output": 1000});
        }
        scene.write(&file);
        let mut command = scene.command(&[]).spawn().expect("the command runs");
        let began = Instant::now();
        if timeout(took / 12 * round, command.wait()).await.is_err() {
            command.kill().await.expect("a process to kill");
            killed += 1;
        } else {
            // The first run may have taken longer than the others.
            took = took.min(began.elapsed());
        }
        for _ in 0..3 {
            assert_eq!(scene.status(FIRST).await, 200, "round {round}: {}", envoy.errors());
        }
    }
    assert!(killed > 3, "{killed}");
    drop(envoy);
    let _envoy = scene.envoy().await;
    assert_eq!(scene.status(FIRST).await, 200);
    scene.write(&scene.file());
    let done = scene.apply(&[]).await;
    assert!(done.success, "{}", done.said);
    let before = scene.provider.count();
    assert_eq!((scene.status(FIRST).await, scene.provider.count()), (200, before + 1));
}
