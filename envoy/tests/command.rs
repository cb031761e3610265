//! The command as a user runs it, without an Envoy.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sluice_tests::port::Port;

fn sluice(arguments: &[&str]) -> Output {
    sluice_with(arguments, &[])
}

/// Runs the command with these variables, and without any other provider's key.
fn sluice_with(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.ends_with("_API_KEY") || name.starts_with("SLUICE_")) {
        command.env_remove(name);
    }
    command.args(arguments).envs(variables.iter().copied()).stdin(std::process::Stdio::null()).output().unwrap()
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A gateway file in its own directory, with a provider whose key is `key`.
fn gateway(key: &str) -> (tempfile::TempDir, String) {
    let (directory, port) = (tempfile::tempdir().unwrap(), Port::reserve());
    let file = directory.path().join("gateway.yaml");
    let yaml = format!(
        "listen: 127.0.0.1:{}\nproviders: {{ p: {{ kind: openai{key} }} }}\nmodels: {{ m: {{ targets: [{{ provider: p, \
         model: m }}] }} }}\nteams: {{}}\nkeys: []\n",
        port.number()
    );
    // The port stays reserved for this process.
    std::mem::forget(port);
    fs::write(&file, yaml).unwrap();
    (directory, file.to_str().unwrap().to_owned())
}

fn fixture(name: &str) -> String {
    format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn all_examples_are_good() {
    let mut checked = 0;
    for entry in fs::read_dir(examples()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let contents = fs::read_to_string(&path).unwrap();
            // Other tools' files are here too.
            if !contents.starts_with("# yaml-language-server: $schema=gateway.schema.json") {
                continue;
            }
            let output = sluice(&["check", path.to_str().unwrap()]);
            assert!(output.status.success(), "{}", text(&output.stderr));
            checked += 1;
        }
    }
    assert!(checked >= 4);
}

#[test]
fn what_will_not_work_is_a_warning_and_no_mistake() {
    let output = sluice(&["check", examples().join("minimal.yaml").to_str().unwrap(), "--offline"]);
    assert_eq!(output.status.code(), Some(0));
    let said = text(&output.stderr);
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].ends_with("variable OPENAI_API_KEY is not set. Set it: export OPENAI_API_KEY=..."), "{said}");
    assert!(lines[0].contains("minimal.yaml:3: warning: providers.openai.key: "), "{said}");
    assert!(lines[1].contains("minimal.yaml:12: warning: keys[0].sha256: a placeholder"), "{said}");
    assert_eq!(lines.len(), 2, "{said}");
}

/// The gateway file that `sluice init` writes with these arguments and variables into a new directory, and the command's output.
fn init(arguments: &[&str], variables: &[(&str, &str)]) -> (tempfile::TempDir, String, Output) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("gateway.yaml").to_str().unwrap().to_owned();
    let output = sluice_with(&[&["init", &file], arguments].concat(), variables);
    (directory, file, output)
}

#[test]
fn a_first_file_is_of_the_providers_whose_keys_are_set_and_has_no_warning() {
    let variables = [("OPENAI_API_KEY", "sk-hidden"), ("GOOGLE_API_KEY", "sk-hidden"), ("GROQ_API_KEY", "")];
    let (directory, file, output) = init(&[], &variables);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let written = fs::read_to_string(&file).unwrap();
    for line in [
        "  openai: { kind: openai, key: { env: OPENAI_API_KEY } }\n",
        "  gemini: { kind: gemini, key: { env: GOOGLE_API_KEY } }\n",
        "  \"gpt-*\":\n    targets:\n      - { provider: openai, model: \"*\" }\n",
        "  \"embeddings\":\n",
    ] {
        assert!(written.contains(line), "{line}{written}");
    }
    assert!(!written.contains("groq") && !written.contains("sk-"), "{written}");
    let told = text(&output.stdout);
    assert!(told.contains("\nsk-sluice-") && told.contains("/v1/chat/completions"), "{told}");
    assert!(!told.contains("sk-hidden"), "{told}");
    let checked = sluice_with(&["check", &file], &variables);
    assert_eq!((checked.status.code(), text(&checked.stderr).as_str()), (Some(0), ""));
    // The schema of the file's first line exists.
    let schema = fs::read_to_string(directory.path().join("gateway.schema.json")).unwrap();
    assert_eq!(schema, text(&sluice(&["schema"]).stdout));
}

#[test]
fn a_first_file_that_cannot_be_written_is_named_with_its_directory() {
    let output = sluice_with(&["init", "/nowhere/here/gateway.yaml"], &[("OPENAI_API_KEY", "x")]);
    let expected = "sluice: cannot write /nowhere/here/gateway.yaml in the directory /nowhere/here: entity not found\n";
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(1), expected));
}

#[test]
fn a_proxy_that_run_would_refuse_is_warned_of_without_its_password() {
    let file = examples().join("minimal.yaml");
    let arguments = ["check", "--offline", file.to_str().unwrap()];
    let output = sluice_with(&arguments, &[("https_proxy", "socks5://u:hunter2@proxy.test:1080")]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("warning: https_proxy: Envoy does not support socks5 proxies"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn a_first_file_replaces_nothing_unless_it_is_told_to() {
    let (_directory, file, output) = init(&["--yes"], &[("OPENAI_API_KEY", "x")]);
    assert!(output.status.success());
    let before = fs::read_to_string(&file).unwrap();
    let again = sluice_with(&["init", &file], &[("OPENAI_API_KEY", "x")]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("already exists. Use --force to replace it"), "{}", text(&again.stderr));
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    assert!(sluice_with(&["init", &file, "--force"], &[("OPENAI_API_KEY", "x")]).status.success());
    assert_ne!(fs::read_to_string(&file).unwrap(), before, "another key");
}

#[test]
fn a_secret_that_is_written_is_its_owners_alone_and_is_not_printed() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (file, key) = (path("gateway.yaml"), path("me.key"));
    let output = sluice(&["init", &file, "--provider", "openai", "--secret-file", &key, "--id", "ci", "--team", "t"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let secret = fs::read_to_string(&key).unwrap();
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let told = text(&output.stdout);
    assert!(
        !told.contains(secret.trim())
            && told.contains("Set these variables before you start the gateway: OPENAI_API_KEY"),
        "{told}"
    );
    let written = fs::read_to_string(&file).unwrap();
    assert!(written.contains("  - id: \"ci\"\n") && !written.contains("sk-"), "{written}");
    for (arguments, says) in [
        (vec!["init", "x.yaml", "--provider", "opnai"], "one of openai, anthropic"),
        (vec!["init", "x.yaml", "--provider", "azure"], "expected azure=URL"),
        (vec!["init", "x.yaml", "--provider", "vllm=10.0.0.9"], "no http:// or https:// at its start"),
        (vec!["init", "x.yaml", "--provider", "openai", "--id", "a b"], "--id \"a b\""),
    ] {
        let output = sluice(&arguments);
        assert!(!output.status.success() && text(&output.stderr).contains(says), "{}", text(&output.stderr));
    }
}

#[test]
fn litellms_configuration_is_converted_and_what_is_left_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config.yaml");
    let yaml = "model_list:\n  - model_name: chat\n    litellm_params: { model: openai/gpt-5-mini, api_key: os.environ/A_KEY }\n\
                general_settings: { master_key: sk-hidden }\n";
    fs::write(&config, yaml).unwrap();
    let (_directory, file, output) = init(&["--from-litellm", config.to_str().unwrap()], &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let told = text(&output.stdout);
    assert!(told.contains("general_settings.master_key: ") && !told.contains("sk-hidden"), "{told}");
    let checked = sluice_with(&["check", &file], &[("A_KEY", "x")]);
    assert_eq!((checked.status.code(), text(&checked.stderr).as_str()), (Some(0), ""));
    let (_directory, _, output) = init(&["--from-litellm", "absent.yaml"], &[]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn the_smallest_example_is_small() {
    assert!(fs::read_to_string(examples().join("minimal.yaml")).unwrap().lines().count() <= 15);
}

#[test]
fn the_schema_beside_the_examples_is_current() {
    let written = fs::read_to_string(examples().join("gateway.schema.json")).unwrap();
    let current = text(&sluice(&["schema"]).stdout);
    assert!(written == current, "write it anew: cargo run -p sluice -- schema > examples/gateway.schema.json");
}

#[test]
fn mistakes_are_lines_with_their_places() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("gateway.yaml");
    let minimal = fs::read_to_string(examples().join("minimal.yaml")).unwrap();
    fs::write(&file, minimal.replacen("provider: openai", "provider: opnai", 1)).unwrap();
    let file = file.to_str().unwrap();
    let output = sluice(&["check", file]);
    assert_eq!(output.status.code(), Some(1));
    let expected = format!(
        "{file}:5: models.chat.targets[0].provider: found \"opnai\", expected \"openai\"\nsluice: 1 mistake in {file}\n"
    );
    assert_eq!(text(&output.stderr), expected);
}

#[test]
fn the_text_that_waits_in_a_stream_is_told_for_each_guardrail() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("gateway.yaml");
    let minimal = fs::read_to_string(examples().join("minimal.yaml")).unwrap();
    let guards = "guards:
  badges: { patterns: { badge: 'EMP-[0-9]{6}' }, detect: [email, us_ssn] }
  whole: { words: [Titan], delivery: whole }
  logs: { words: [Titan], action: log }
  prompts: { words: [Titan], on: [prompts] }
";
    fs::write(&file, format!("{minimal}\n{guards}")).unwrap();
    let output = sluice(&["check", "--offline", file.to_str().unwrap()]);
    let told = text(&output.stdout);
    let lines: Vec<&str> = told.lines().filter_map(|line| line.split_once(": guards.").map(|(_, line)| line)).collect();
    let expected = [
        "badges: text of a stream waits while it may become a match: at most 11 bytes, for email up to the end of the match",
        "whole: streams are held until they are complete (delivery: whole)",
    ];
    assert_eq!(lines, expected, "{told} {}", text(&output.stderr));
}

/// A directory with a gateway file whose only model is missing from the command's price table, and has a budget.
fn unpriced() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("gateway.yaml");
    let yaml = "providers: { p: { kind: openai, key: { env: A_KEY } } }\nmodels: { m: { targets: [{ provider: p, model: gpt-99 }] } }\n\
                teams: { t: { budget: { daily: 1 } } }\nprices: { file: own/prices.tsv }\nkeys:\n  - { id: a, team: t, sha256: \
                \"0000000000000000000000000000000000000000000000000000000000000000\" }\n";
    fs::write(&file, yaml).unwrap();
    fs::create_dir(directory.path().join("own")).unwrap();
    (directory, file.to_str().unwrap().to_owned())
}

#[test]
fn an_operators_table_of_prices_is_read_by_every_command_from_beside_the_gateway_file() {
    let (directory, file) = unpriced();
    let table = directory.path().join("own/prices.tsv");
    let tsv = "# Of today\nprovider\tmodel\tinput\toutput\nopenai\tgpt-99\t321.5\t2\n";
    let json = "{\"gpt-99\": {\"litellm_provider\": \"openai\", \"mode\": \"chat\", \"input_cost_per_token\": 0.0003215, \
                \"output_cost_per_token\": 2e-6}}";
    let request = directory.path().join("request.json");
    fs::write(&request, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"max_tokens\":1}")
        .unwrap();
    for (contents, words) in [(tsv, "\"Of today\""), (json, "litellm's list")] {
        fs::write(&table, contents).unwrap();
        let checked = sluice(&["check", &file]);
        assert!(checked.status.success(), "{}", text(&checked.stderr));
        let says = format!("{file}: prices: own/prices.tsv (models: 1; {words}; changed 20");
        assert!(text(&checked.stdout).contains(&says), "{}", text(&checked.stdout));
        let rendered = text(&sluice(&["render", &file]).stdout);
        assert!(rendered.contains("321.5") && !rendered.contains("prices.tsv"), "{rendered}");
        let explained = sluice(&["explain", &file, request.to_str().unwrap(), "--key", "a"]);
        assert!(explained.status.success(), "{}", text(&explained.stdout));
    }
}

#[test]
fn a_mistake_in_an_operators_table_is_one_of_the_gateway_file() {
    let (directory, file) = unpriced();
    let table = directory.path().join("own/prices.tsv");
    let diagnostics = || {
        let output = sluice(&["check", &file]);
        assert_eq!(output.status.code(), Some(1));
        let lines: Vec<String> = text(&output.stderr).lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 2, "one mistake, and how many there are: {lines:?}");
        lines[0]
            .strip_prefix(&format!("{file}:4: prices.file: found "))
            .unwrap_or_else(|| panic!("{lines:?}"))
            .to_owned()
    };
    assert!(diagnostics().starts_with("no readable file "));
    for (row, says) in [
        ("openai\tgpt-99\t-1\t2", "\"-1\" (prices.tsv, line 2, input), expected US dollars per million tokens"),
        ("openai\tgpt-99\t1\tmuch", "\"much\" (prices.tsv, line 2, output), expected US dollars"),
        ("opnai\tgpt-99\t1\t2", "\"opnai\" (prices.tsv, line 2, provider), expected one of: "),
    ] {
        fs::write(&table, format!("provider\tmodel\tinput\toutput\n{row}\n")).unwrap();
        assert!(diagnostics().starts_with(says), "{row}");
    }
    fs::write(&table, "{\n\"gpt-99\": ").unwrap();
    assert!(diagnostics().starts_with("EOF while parsing"));
}

#[test]
fn a_file_that_cannot_be_read_is_another_exit_code() {
    let output = sluice(&["check", "absent.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).starts_with("sluice: cannot read absent.yaml: "));
}

#[test]
fn a_missing_secret_names_its_provider_and_what_to_set() {
    let (directory, file) = gateway(", key: { env: SLUICE_NO_SUCH_VARIABLE }");
    let out = directory.path().join("out");
    let output = sluice(&["render", &file, "--out", out.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stderr),
        "sluice: provider p: the environment variable SLUICE_NO_SUCH_VARIABLE is not set. Set it: export \
         SLUICE_NO_SUCH_VARIABLE=...\n"
    );
    assert!(!out.exists());
    assert!(sluice(&["render", &file]).status.success());
}

#[test]
fn what_is_written_holds_the_secret_in_one_place() {
    let (directory, file) = gateway(", key: { file: p.key }");
    fs::write(directory.path().join("p.key"), "sk-hidden\n").unwrap();
    let out = directory.path().join("out");
    let output = sluice(&["render", &file, "--out", out.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let envoy = fs::read_to_string(out.join("envoy.yaml")).unwrap();
    assert!(!envoy.contains("sk-hidden") && !envoy.contains("p.key"));
    assert!(envoy.contains(out.join("secrets/p.yaml").to_str().unwrap()));
    assert!(fs::read_to_string(out.join("secrets/p.yaml")).unwrap().contains("sk-hidden"));
}

#[test]
fn all_that_is_missing_is_said_at_once_before_anything_starts() {
    let (directory, file) = gateway(", google: { service_account: { file: account.json } }");
    let token = format!(
        "{}redis: {{ url: \"http://127.0.0.1:9\", token: {{ file: token }} }}\n",
        fs::read_to_string(&file).unwrap()
    );
    fs::write(&file, token).unwrap();
    let said = text(&sluice(&["run", &file]).stderr);
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("sluice: redis: cannot read the token from "), "{said}");
    assert!(lines[1].starts_with("sluice: provider p: cannot read the service account key from "), "{said}");
    fs::write(directory.path().join("token"), "t").unwrap();
    fs::write(directory.path().join("account.json"), "sk-hidden").unwrap();
    let said = text(&sluice(&["run", &file]).stderr);
    assert!(said.contains("account.json: it is not a service account key") && !said.contains("sk-hidden"), "{said}");
}

#[test]
fn what_only_run_does_is_said_where_a_configuration_is_written() {
    let (directory, file) = gateway(", google: {}");
    let out = directory.path().join("out");
    let render = || text(&sluice(&["render", &file, "--out", out.to_str().unwrap()]).stderr);
    let token = out.join("secrets/p.yaml");
    let expected = format!("For your own Envoy, keep a valid token in the SDS secret in {}\n", token.display());
    let said = render();
    assert!(
        said.contains("sluice: provider p: only `sluice run` fetches and refreshes Google access tokens")
            && said.contains(&expected),
        "{said}"
    );
    assert!(fs::read_to_string(&token).unwrap().contains("inline_string: \"\""));
    fs::write(&token, "somebody's").unwrap();
    render();
    assert_eq!(fs::read_to_string(&token).unwrap(), "somebody's");
}

#[test]
fn an_envoy_that_ends_is_reported_below_its_last_words() {
    let (_directory, file) = gateway("");
    let output = sluice(&["run", &file, "--envoy", &fixture("dying-envoy"), "--wasm", &file]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.starts_with("no such thing\nsluice: Envoy exited unexpectedly (exit status: 3)"), "{said}");
}

#[test]
fn an_old_envoy_is_refused() {
    let (_directory, file) = gateway("");
    let output = sluice(&["run", &file, "--envoy", &fixture("old-envoy"), "--wasm", &file]);
    assert!(text(&output.stderr).contains("is Envoy 1.38.1, but version 1.39 or newer is required"));
}

#[test]
fn a_used_port_is_refused() {
    let (_directory, file) = gateway("");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = taken.local_addr().unwrap().to_string();
    let output = sluice(&["run", &file, "--envoy", &fixture("dying-envoy"), "--wasm", &file, "--admin", &admin]);
    let said = text(&output.stderr);
    assert!(said.contains("Address already in use") && said.contains("choose another address with --admin"), "{said}");
}

#[test]
fn a_new_key_is_printed_with_its_entry() {
    let output = sluice(&["keys", "new", "--id", "alice", "--team", "research", "--models", "chat,claude"]);
    let printed = text(&output.stdout);
    assert!(printed.contains("\nsk-sluice-") && printed.contains("    models: [\"chat\", \"claude\"]\n"), "{printed}");
    assert_eq!(sluice(&["keys", "new", "--id", "a b", "--team", "t"]).status.code(), Some(1));
    for (option, wrong) in [("--expires", "soon"), ("--app", "a b"), ("--sources", "10.0.0.1/8")] {
        let output = sluice(&["keys", "new", "--id", "a", "--team", "t", option, wrong]);
        assert_eq!(output.status.code(), Some(1), "{option}");
        assert!(text(&output.stderr).starts_with(&format!("sluice: {option} {wrong:?}: ")), "{option}");
    }
}

#[test]
fn a_key_is_bound_to_what_the_options_say() {
    let output = sluice(&[
        "keys",
        "new",
        "--id",
        "a",
        "--team",
        "t",
        "--app",
        "bot",
        "--owner",
        "Ann",
        "--endpoints",
        "/v1/chat/*",
        "--sources",
        "10.0.0.0/8,::1",
        "--control",
        "route,targets",
        "--label",
        "stage=prod",
        "--label",
        "zone=a=b",
    ]);
    let printed = text(&output.stdout);
    for line in [
        "    app: \"bot\"\n",
        "    owner: \"Ann\"\n",
        "    endpoints: [\"/v1/chat/*\"]\n",
        "    sources: [\"10.0.0.0/8\", \"::1\"]\n",
        "    control: [\"route\", \"targets\"]\n",
        "    labels: { \"stage\": \"prod\", \"zone\": \"a=b\" }\n",
    ] {
        assert!(printed.contains(line), "{line}{printed}");
    }
    assert_eq!(sluice(&["keys", "new", "--id", "a", "--team", "t", "--label", "stage"]).status.code(), Some(2));
    assert_eq!(sluice(&["keys", "new", "--id", "a", "--team", "t", "--control", "rout"]).status.code(), Some(2));
    let output = sluice(&["keys", "update", "a", "--clear", "owner,limits", "--limit", "requests_per_minute=5"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("--clear limits"), "{}", text(&output.stderr));
}

#[test]
fn the_administrators_key_is_printed_with_its_section() {
    let printed = text(&sluice(&["keys", "new", "--admin"]).stdout);
    assert!(printed.contains("\nsk-sluice-") && printed.contains("\nadmin:\n  sha256: \""), "{printed}");
    assert_eq!(sluice(&["keys", "new", "--admin", "--id", "a"]).status.code(), Some(2), "it has no name");
}

#[test]
fn the_version_tells_the_commit_the_modules_and_the_price_table() {
    let version = text(&sluice(&["--version"]).stdout);
    let mut lines = version.lines();
    assert_eq!(lines.next(), Some(concat!("sluice ", env!("CARGO_PKG_VERSION"))));
    let names: Vec<&str> = lines.map(|line| line.split("  ").next().unwrap()).collect();
    assert_eq!(names, ["commit", "sluice.wasm", "libsluice.so", "price table"]);
    let date = version.trim().rsplit(' ').next().unwrap();
    assert!(date.len() == 10 && date.starts_with("20"), "{version}");
    assert_eq!(text(&sluice(&["-V"]).stdout), concat!("sluice ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn shells_complete_all_commands_but_the_hidden_one() {
    for shell in ["bash", "zsh", "fish"] {
        let script = text(&sluice(&["completions", shell]).stdout);
        for word in ["doctor", "--credentials", "render", "evaluate", "rotate"] {
            assert!(script.contains(word.trim_start_matches("--")), "{shell}: {word}");
        }
        assert!(!script.contains("follow-parent"), "{shell}");
    }
    assert_eq!(sluice(&["completions", "sh"]).status.code(), Some(2));
}

#[test]
fn bash_completes_commands_and_options() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("sluice.bash");
    fs::write(&script, sluice(&["completions", "bash"]).stdout).unwrap();
    for (words, current, expected) in [("sluice doc", 1, "doctor"), ("sluice doctor --cred", 2, "--credentials")] {
        let last = words.rsplit(' ').next().unwrap();
        let line = format!(
            "source \"$1\"; COMP_WORDS=({words}); COMP_CWORD={current}; _sluice sluice {last} x; echo \"${{COMPREPLY[*]}}\""
        );
        let output = Command::new("bash").args(["-c", &line, "bash"]).arg(&script).output().unwrap();
        assert_eq!(text(&output.stdout).trim(), expected, "{}", text(&output.stderr));
    }
}
