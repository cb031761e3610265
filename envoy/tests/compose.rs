//! Checks that the files of `examples/compose` agree with each other and with the repository. `envoy.rs` tests the services themselves,
//! without containers.

mod composed;

use std::fs;
use std::process::Command;

use composed::{behind, directory, root, text, words, yaml};

/// The port after the last colon.
fn port(text: &str) -> u16 {
    text.rsplit(':').next().unwrap().parse().unwrap()
}

#[test]
fn services_and_ports_are_those_of_the_gateway_file() {
    let (compose, gateway) = (yaml("compose.yaml"), yaml("gateway.yaml"));
    let services = compose["services"].as_object().unwrap();
    assert_eq!(services.keys().collect::<Vec<_>>(), ["gateway", "hello", "simulator"]);
    let listen = gateway["listen"].as_str().unwrap();
    assert!(listen.starts_with("0.0.0.0:"), "a container's loopback interface is its own: {listen}");
    let published = words(&services["gateway"]["ports"]);
    assert!(published.iter().all(|port| port.starts_with("127.0.0.1:")), "not for everybody: {published:?}");
    assert_eq!(published.iter().map(|published| port(published)).collect::<Vec<_>>(), [port(listen)]);
    let simulator = words(&services["simulator"]["command"]);
    let expected = format!("http://simulator:{}/", behind(&simulator, "--port"));
    for (name, provider) in gateway["providers"].as_object().unwrap() {
        assert!(provider["url"].as_str().unwrap().starts_with(&expected), "{name}: {provider}");
        let variable = provider["key"]["env"].as_str().unwrap();
        assert!(services["gateway"]["environment"][variable].is_string(), "{variable} is not set");
    }
    let call = words(&services["hello"]["entrypoint"]);
    assert!(call.iter().any(|word| word.starts_with(&format!("http://gateway:{}/", port(listen)))), "{call:?}");
    let ready = format!("http://127.0.0.1:{}/ready", port(listen));
    assert_eq!(words(&services["gateway"]["healthcheck"]["test"]).last(), Some(&&*ready));
}

#[test]
fn what_is_mounted_or_copied_exists() {
    let compose = yaml("compose.yaml");
    let mounted: Vec<_> =
        compose["services"].as_object().unwrap().values().flat_map(|service| words(&service["volumes"])).collect();
    assert!(!mounted.is_empty());
    for volume in mounted {
        let [here, there, mode] = volume.split(':').collect::<Vec<_>>()[..] else { panic!("{volume}") };
        assert!(directory().join(here).is_file(), "{here}");
        assert_eq!(mode, "ro");
        let command = words(&compose["services"]["gateway"]["command"]);
        assert_eq!(command.last(), Some(&there), "the gateway reads what is mounted");
    }
    let dockerfile = text("Dockerfile");
    for service in compose["services"].as_object().unwrap().values() {
        let build = &service["build"];
        let context = directory().join(build["context"].as_str().unwrap());
        assert_eq!(fs::canonicalize(&context).unwrap(), fs::canonicalize(root()).unwrap());
        assert!(context.join(build["dockerfile"].as_str().unwrap()).is_file(), "{build}");
        let stage = format!(" AS {}\n", build["target"].as_str().unwrap());
        assert!(dockerfile.contains(&stage), "no stage {stage}");
    }
    // Every `COPY --from` names an existing stage.
    for from in dockerfile.lines().filter_map(|line| line.strip_prefix("COPY --from=")) {
        let stage = from.split(' ').next().unwrap();
        assert!(dockerfile.contains(&format!(" AS {stage}\n")), "{from}");
    }
}

#[test]
fn images_have_the_versions_that_the_repository_pins() {
    let (dockerfile, scripts) = (text("Dockerfile"), fs::read_to_string(root().join("scripts/lib.sh")).unwrap());
    let pinned = scripts.lines().find_map(|line| line.strip_prefix("envoy_version=")).unwrap();
    assert!(dockerfile.contains(&format!("ARG ENVOY_VERSION={pinned}\n")), "Envoy {pinned}");
    let toolchain = fs::read_to_string(root().join("rust-toolchain.toml")).unwrap();
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap().trim_matches('"');
    assert!(dockerfile.contains(&format!("FROM rust:{channel}-")), "Rust {channel}");
}

#[test]
fn the_gateway_file_is_good() {
    let file = directory().join("gateway.yaml");
    let checked = Command::new(env!("CARGO_BIN_EXE_sluice")).args(["check", "--offline"]).arg(file).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

/// The drain time from SIGTERM to the end of the last stream is shorter than the container's stop timeout.
#[test]
fn a_container_is_not_killed_while_streams_end() {
    let compose = yaml("compose.yaml");
    let grace = compose["services"]["gateway"]["stop_grace_period"].as_str().unwrap();
    let grace: u64 = grace.strip_suffix('s').unwrap().parse().unwrap();
    assert!(grace > 5 + 30, "{grace}");
}

#[test]
fn docker_compose_accepts_the_file_where_there_is_one() {
    let file = directory().join("compose.yaml");
    let commands = [&["docker-compose"][..], &["docker", "compose"]];
    let works = |command: &&[&str]| {
        let version = Command::new(command[0]).args(&command[1..]).arg("version").output();
        version.is_ok_and(|version| version.status.success())
    };
    let Some(command) = commands.into_iter().find(works) else {
        eprintln!("not tried: no docker-compose here");
        return;
    };
    let judged =
        Command::new(command[0]).args(&command[1..]).arg("-f").arg(file).args(["config", "--services"]).output();
    let judged = judged.unwrap();
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
    let mut services: Vec<_> = std::str::from_utf8(&judged.stdout).unwrap().lines().collect();
    services.sort_unstable();
    assert_eq!(services, ["gateway", "hello", "simulator"]);
}
