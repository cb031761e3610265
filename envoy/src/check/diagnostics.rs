//! Common mistakes in gateway files, each with the message that says what to write. Add new ones here.

use super::check;

const GOOD: &str = "\
listen: 127.0.0.1:8080
providers:
  openai: { kind: openai, key: { env: OPENAI_API_KEY } }
models:
  chat:
    targets: [{ provider: openai, model: gpt-5 }]
teams:
  research: {}
keys:
  - id: alice
    team: research
    sha256: \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"
";

const KIND: &str = "kind: openai, key: { env: OPENAI_API_KEY }";
const KEY: &str = "key: { env: OPENAI_API_KEY }";
const TARGETS: &str = "targets: [{ provider: openai, model: gpt-5 }]";
const TARGET: &str = "{ provider: openai, model: gpt-5 }";
const TEAM: &str = "research: {}";
const ID: &str = "    team: research\n";
const HASH: &str = "\"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"";
const END: &str = "teams:\n";

/// The original text, its replacement, and the expected message, starting with its place.
const MISTAKES: &[(&str, &str, &str)] = &[
    // Credentials.
    (KEY, "api_key: sk-hidden", "providers.openai.api_key: found an unknown field, expected key: { env: NAME }"),
    (KEY, "apiKey: sk-hidden", "providers.openai.apiKey: found an unknown field, expected key: { env: NAME }"),
    (
        KEY,
        "api_key: os.environ/OPENAI_API_KEY",
        "providers.openai.api_key: found an unknown field, expected key: { env: OPENAI_API_KEY }",
    ),
    (
        KEY,
        "key: sk-hidden",
        "providers.openai.key: found text, expected { env: NAME }, with the secret in that environment variable",
    ),
    (KEY, "key: $OPENAI_API_KEY", "providers.openai.key: found text, expected { env: OPENAI_API_KEY }"),
    (KEY, "key: \"${OPENAI_API_KEY}\"", "providers.openai.key: found text, expected { env: OPENAI_API_KEY }"),
    (KEY, "key: \"{{ env.OPENAI_API_KEY }}\"", "providers.openai.key: found text, expected { env: OPENAI_API_KEY }"),
    (KEY, "key: ${OPENAI_API_KEY}", ": found text that is not YAML"),
    (
        KEY,
        "key: { env: $OPENAI_API_KEY }",
        "providers.openai.key.env: found text that is not a valid name, expected OPENAI_API_KEY, the variable's \
         name alone",
    ),
    (KEY, "key: { env: \"${OPENAI_API_KEY}\" }", "expected OPENAI_API_KEY, the variable's name alone"),
    (
        KEY,
        "key: { env: sk-hidden-1 }",
        "providers.openai.key.env: found text that is not a valid name, expected the name of an environment \
         variable",
    ),
    (
        KEY,
        "key: { value: sk-hidden }",
        "providers.openai.key.value: found an unknown field, expected env: NAME or file: PATH",
    ),
    (KEY, "key: { path: openai.key }", "providers.openai.key.path: found an unknown field, expected file: PATH"),
    (KEY, "key: { env: A, file: b }", "providers.openai.key: found both env and file, expected exactly one of them"),
    (KEY, "key: {}", "providers.openai.key: found neither env nor file, expected one of them"),
    (KEY, "keys: sk-hidden", "providers.openai.keys: found text, expected a list"),
    // Providers.
    (KIND, "type: openai", "providers.openai.type: found an unknown field, expected kind"),
    (KIND, "kind: opnai", "providers.openai.kind: found \"opnai\""),
    (KIND, "kind: claude", "providers.openai.kind: found \"claude\", expected \"anthropic\""),
    (KIND, "kind: openai_compatible", "providers.openai.kind: found \"openai_compatible\", expected \"openai\""),
    (KIND, "kind: aws", "providers.openai.kind: found \"aws\", expected \"bedrock\""),
    (KIND, "kind: google", "providers.openai.kind: found \"google\", expected \"gemini\""),
    (KIND, "kind: vertex_ai", "providers.openai.kind: found \"vertex_ai\", expected \"vertex\""),
    (
        KIND,
        "kind: openai, api_base: https://x.test/v1",
        "providers.openai.api_base: found an unknown field, expected url",
    ),
    (
        KIND,
        "kind: openai, base_url: https://x.test/v1",
        "providers.openai.base_url: found an unknown field, expected url",
    ),
    (
        KIND,
        "kind: openai, url: api.openai.com/v1",
        "providers.openai.url: found no http:// or https:// at its start, expected a base URL such as https://api.openai.com/v1",
    ),
    (
        KIND,
        "kind: openai, url: \"https://x.test/v1?key=sk-hidden\"",
        "providers.openai.url: found a query or fragment in the URL",
    ),
    (
        KIND,
        "kind: openai, url: $BASE",
        "providers.openai.url: found no http:// or https:// at its start, expected the value itself: only secrets may come",
    ),
    (
        KIND,
        "kind: azure",
        "providers.openai.url: found nothing, expected its base URL: a provider of kind azure has no default URL",
    ),
    (
        KIND,
        "kind: openai, rpm: 60",
        "providers.openai.rpm: found an unknown field, expected limits: { requests_per_minute: NUMBER }",
    ),
    (
        KIND,
        "kind: openai, models: [gpt-5]",
        "providers.openai.models: found an unknown field, expected no such field: list models under `models`",
    ),
    (
        "  openai: { kind: openai, key: { env: OPENAI_API_KEY } }",
        "  openai: openai",
        "providers.openai: found text, expected { kind: openai, key: { env: NAME } }",
    ),
    (
        "  openai: { kind: openai, key: { env: OPENAI_API_KEY } }",
        "  - { kind: openai }",
        "providers: found a list, expected NAME: { kind: KIND }",
    ),
    ("  openai:", "  OpenAI:", "providers.OpenAI: found \"OpenAI\", expected a name of lower-case letters"),
    // Models.
    (
        "models:\n",
        "model_list: []\nmodels:\n",
        "model_list: found an unknown field, expected models: { NAME: { targets: [",
    ),
    (
        TARGETS,
        "litellm_params: { model: openai/gpt-5 }",
        "models.chat.litellm_params: found an unknown field, expected targets: [{ provider: NAME, model: NAME }]",
    ),
    (
        "  chat:\n    targets: [{ provider: openai, model: gpt-5 }]",
        "  chat: openai/gpt-5-mini",
        "models.chat: found text, expected { targets: [{ provider: openai, model: \"gpt-5-mini\" }] }",
    ),
    (
        TARGET,
        "openai/gpt-5-mini",
        "models.chat.targets[0]: found text, expected { provider: openai, model: \"gpt-5-mini\" }",
    ),
    (
        "targets: [{ provider: openai, model: gpt-5 }]",
        "targets: { provider: openai, model: gpt-5 }",
        "models.chat.targets: found a mapping, expected a list: [{ provider: NAME, model: NAME }]",
    ),
    (
        TARGETS,
        "provider: openai",
        "models.chat.provider: found an unknown field, expected targets: [{ provider: NAME, model: NAME }]",
    ),
    (
        TARGETS,
        "targets: openai/gpt-5",
        "models.chat.targets: found text, expected a list: [{ provider: openai, model: \"gpt-5\" }]",
    ),
    (TARGETS, "targets: []", "models.chat.targets: found an empty list, expected at least one target"),
    (
        TARGET,
        "{ provider: opnai, model: gpt-5 }",
        "models.chat.targets[0].provider: found \"opnai\", expected \"openai\"",
    ),
    (
        TARGET,
        "{ model: openai/gpt-5 }",
        "models.chat.targets[0].provider: found nothing, expected the name of one of `providers`",
    ),
    (
        TARGET,
        "{ provider: openai, name: gpt-5 }",
        "models.chat.targets[0].name: found an unknown field, expected model",
    ),
    (
        TARGET,
        "{ provider: openai, model: 4 }",
        "models.chat.targets[0].model: found a number, expected the provider's name for the model",
    ),
    (
        TARGET,
        "{ provider: openai, model: gpt-5, api_key: sk-hidden }",
        "models.chat.targets[0].api_key: found an unknown field, expected no such field: set it for the provider",
    ),
    (
        TARGET,
        "{ provider: openai, model: \"${MODEL}\" }",
        "models.chat.targets[0].model: found a reference to a variable, expected the value itself",
    ),
    (
        TARGETS,
        "targets: [{ provider: openai, model: gpt-5 }]\n    fallbacks: [claude]",
        "models.chat.fallbacks: found an unknown field, expected more targets of the model: the gateway",
    ),
    (
        TARGETS,
        "targets: [{ provider: openai, model: gpt-5 }]\n    strategy: round-robin",
        "models.chat.strategy: found \"round-robin\", expected \"weighted\"",
    ),
    (
        TARGETS,
        "targets: [{ provider: openai, model: gpt-5 }]\n    strategy: simple-shuffle",
        "models.chat.strategy: found \"simple-shuffle\", expected \"weighted\"",
    ),
    (
        TARGETS,
        "targets: [{ provider: openai, model: gpt-5 }]\n    rpm: 10",
        "models.chat.rpm: found an unknown field, expected limits: { requests_per_minute: NUMBER }",
    ),
    (
        TARGETS,
        "targets: [{ provider: openai, model: gpt-5 }]\n    temperature: 0",
        "models.chat.temperature: found an unknown field, expected no such field: clients set it",
    ),
    (
        TARGETS,
        "targets: [{ provider: openai, model: gpt-5 }]\n    timeouts: { total: 30 }",
        "models.chat.timeouts.total: found a number, expected a time with its unit: 30s",
    ),
    (
        TARGETS,
        "targets: [{ provider: openai, model: gpt-5 }]\n    timeouts: { total: \"30\" }",
        "models.chat.timeouts.total: found \"30\", expected a time above zero and up to 24h, such as 500ms, 30s",
    ),
    (
        TARGETS,
        "targets: [{ provider: openai, model: gpt-5 }]\n    timeout: 30s",
        "models.chat.timeout: found an unknown field, expected timeouts: { answer: 30s }",
    ),
    (
        TARGETS,
        "targets: [{ provider: openai, model: gpt-5 }]\n    cache: { ttl: 600 }",
        "models.chat.cache.ttl: found a number, expected a time with its unit: 600s",
    ),
    (
        "  chat:\n    targets: [{ provider: openai, model: gpt-5 }]",
        "  - { model_name: chat }",
        "models: found a list, expected NAME: { targets: [",
    ),
    ("  chat:", "  *-mini:", ": found text that is not YAML"),
    (
        "  chat:",
        "  \"gpt-*-*\":",
        "models[\"gpt-*-*\"]: found \"gpt-*-*\" with several stars, expected one star at most",
    ),
    (END, "aliases: { gpt-4: caht }\nteams:\n", "aliases.gpt-4: found \"caht\", expected \"chat\""),
    (END, "aliases: [gpt-4]\nteams:\n", "aliases: found a list, expected OTHER: NAME"),
    (
        END,
        "model_aliases: { gpt-4: chat }\nteams:\n",
        "model_aliases: found an unknown field, expected aliases: { OTHER: NAME }",
    ),
    (
        "  chat:\n    targets: [{ provider: openai, model: gpt-5 }]",
        "  chat: sk-hidden",
        "models.chat: found text, expected { targets: [",
    ),
    (ID, "    team: research\n    models: sk-hidden\n", "keys[0].models: found text, expected a list: [NAME]"),
    // Keys and teams.
    (
        HASH,
        "sk-hidden",
        "keys[0].sha256: found 9 characters that are not a SHA-256, expected 64 hexadecimal digits, as `sluice keys new` prints them",
    ),
    (
        "    sha256:",
        "    key:",
        "keys[0].key: found an unknown field, expected sha256, the secret's hash: `sluice keys new` prints both",
    ),
    ("  - id:", "  - name:", "keys[0].name: found an unknown field, expected id"),
    (ID, "    team: reserach\n", "keys[0].team: found \"reserach\", expected \"research\""),
    (ID, "    team: research\n    models: gpt-*\n", "keys[0].models: found text, expected a list: [\"gpt-*\"]"),
    (
        ID,
        "    team: research\n    models: [\"gpt-*\"]\n",
        "keys[0].models[0]: found \"gpt-*\", expected a pattern that matches \"chat\"",
    ),
    (
        ID,
        "    team: research\n    rpm: 10\n",
        "keys[0].rpm: found an unknown field, expected limits: { requests_per_minute: NUMBER }",
    ),
    (
        ID,
        "    team: research\n    max_budget: 10\n",
        "keys[0].max_budget: found an unknown field, expected budget: { daily: DOLLARS }",
    ),
    (
        ID,
        "    team: research\n    expires: 2027-01-31\n",
        "keys[0].expires: found \"2027-01-31\", expected a date and time such as 2027-01-31T00:00:00Z",
    ),
    (
        ID,
        "    team: research\n    duration: 30d\n",
        "keys[0].duration: found an unknown field, expected expires: 2027-01-31T00:00:00Z",
    ),
    (
        ID,
        "    team: research\n    metadata: { a: b }\n",
        "keys[0].metadata: found an unknown field, expected labels: { NAME: VALUE }",
    ),
    (TEAM, "research:", "teams.research: found nothing, expected {}"),
    ("teams:\n  research: {}\n", "teams: [research]\n", "teams: found a list, expected NAME: {}"),
    (
        TEAM,
        "research: { budget: 20 }",
        "teams.research.budget: found a number, expected { monthly: 20 }, or daily, or total",
    ),
    (
        TEAM,
        "research: { budget: { max_budget: 20 } }",
        "teams.research.budget.max_budget: found an unknown field, expected daily, monthly or total, in US dollars",
    ),
    (
        TEAM,
        "research: { budget: { monthly: $20 } }",
        "teams.research.budget.monthly: found text, expected 20, the number alone",
    ),
    (TEAM, "research: { limits: 60 }", "teams.research.limits: found a number, expected { requests_per_minute: 60 }"),
    (
        TEAM,
        "research: { limits: { rpm: 60 } }",
        "teams.research.limits.rpm: found an unknown field, expected requests_per_minute",
    ),
    (
        TEAM,
        "research: { limits: { rps: 1 } }",
        "teams.research.limits.rps: found an unknown field, expected requests_per_minute: other periods are not supported for requests",
    ),
    (
        TEAM,
        "research: { limits: { requests_per_minute: 0 } }",
        "teams.research.limits.requests_per_minute: found 0, expected 1 to 1000000000 (remove the field",
    ),
    (
        TEAM,
        "research: { members: [alice] }",
        "teams.research.members: found an unknown field, expected no such field: each key names its team",
    ),
    (
        TEAM,
        "research: { budget: { monthly: 20 USD } }",
        "teams.research.budget.monthly: found text, expected 20, the number alone",
    ),
    (
        TEAM,
        "research: { limits: { requests_per_minute: 60/min } }",
        "teams.research.limits.requests_per_minute: found text, expected 60, the number alone",
    ),
    (TEAM, "research: The research group", "teams.research: found text, expected {}"),
    ("    team: research\n", "", "keys[0].team: found nothing, expected the name of one of `teams`"),
    (
        ID,
        "    team: research\n    expires: 1767225600\n",
        "keys[0].expires: found a number, expected a date and time such as 2027-01-31T00:00:00Z",
    ),
    (
        ID,
        "    team: research\n    sources: 10.0.0.0/8\n",
        "keys[0].sources: found text, expected a list: [\"10.0.0.0/8\"]",
    ),
    (KEY, "key: [OPENAI_API_KEY]", "providers.openai.key: found a list, expected { env: NAME }"),
    (KEY, "key:", "providers.openai.key: found nothing, expected { env: NAME }"),
    (KEY, "keys: [OPENAI_API_KEY]", "providers.openai.keys[0]: found text, expected { env: NAME }"),
    (
        KEY,
        "headers: { authorization: Bearer sk-hidden }",
        "providers.openai.headers: found an unknown field, expected no such field",
    ),
    (KIND, "kind: openai, url: 8000", "providers.openai.url: found a number, expected a base URL such as"),
    (
        TARGETS,
        "target: openai/gpt-5",
        "models.chat.targets: found nothing, expected a list: [{ provider: NAME, model: NAME }]",
    ),
    (
        TARGET,
        "{ provider: openai, model: gpt-5, weight: \"3\" }",
        "models.chat.targets[0].weight: found text, expected 3, the number alone",
    ),
    (
        "models:\n  chat:\n    targets: [{ provider: openai, model: gpt-5 }]\n",
        "models: gpt-5\n",
        "models: found text, expected NAME: { targets: [",
    ),
    // The rest of the file.
    ("listen:", "ssl: true\nlisten:", "ssl: found an unknown field, expected tls: { certificate: PATH, key: PATH }"),
    ("listen:", "cors_origins: [x]\nlisten:", "cors_origins: found an unknown field, expected cors: { origins: ["),
    (
        "listen: 127.0.0.1:8080",
        "listen: 8080",
        "listen: found a number, expected an address and a port: 127.0.0.1:8080",
    ),
    (
        "listen: 127.0.0.1:8080",
        "listen: localhost:8080",
        "listen: found \"localhost:8080\", expected an IP address and a port, such as 127.0.0.1:8080",
    ),
    ("listen: 127.0.0.1:8080", "port: 8080", "port: found an unknown field, expected listen: 127.0.0.1:8080"),
    (
        END,
        "redis: { url: \"redis://:sk-hidden@localhost:6379\" }\nteams:\n",
        "redis.url: found no http:// or https:// at its start, expected the URL of Webdis, such as http://127.0.0.1:7379",
    ),
    (
        END,
        "redis: redis://localhost:6379\nteams:\n",
        "redis: found text, expected { url: \"http://127.0.0.1:7379\" }, the URL of Webdis",
    ),
    (
        END,
        "redis: { host: localhost, port: 6379 }\nteams:\n",
        "redis.host: found an unknown field, expected url: \"http://127.0.0.1:7379\", the URL of Webdis",
    ),
    (END, "timeouts: { total: 600 }\nteams:\n", "timeouts.total: found a number, expected a time with its unit: 600s"),
    (END, "timeouts: 30s\nteams:\n", "timeouts: found text, expected { total: 10m }"),
    (END, "timeout: 600\nteams:\n", "timeout: found an unknown field, expected timeouts: { total: 10m }"),
    (
        END,
        "memory: { worker: 268435456 }\nteams:\n",
        "memory.worker: found a number, expected a size with its unit, such as 64MiB",
    ),
    (
        END,
        "master_key: sk-hidden\nteams:\n",
        "master_key: found an unknown field, expected admin: { sha256: HASH }, which `sluice keys new --admin` prints",
    ),
    (
        END,
        "router_settings: {}\nteams:\n",
        "router_settings: found an unknown field, expected no such section: `sluice init --from-litellm FILE`",
    ),
    (
        END,
        "database_url: postgres://u:sk-hidden@h/d\nteams:\n",
        "database_url: found an unknown field, expected redis: {",
    ),
    (END, "telemetry: {}\nteams:\n", "telemetry: found an unknown field, expected tracing: {"),
    (END, "guardrails: []\nteams:\n", "guardrails: found an unknown field, expected guards: {"),
    (
        END,
        "guards: { g: { words: [x], action: redact } }\nteams:\n",
        "guards.g.action: found \"redact\", expected \"mask\"",
    ),
    (
        END,
        "prices: { models: { gpt-5: { input: 1, output: 2 } } }\nteams:\n",
        "prices.models.gpt-5: found \"gpt-5\", expected \"openai/gpt-5\"",
    ),
    (END, "teams: {}\nteams:\n", "teams: found \"teams\" again"),
    ("models:\n", "\tmodels:\n", ": found text that is not YAML"),
];

#[test]
fn each_has_a_message_that_says_what_to_write_and_no_secret() {
    assert!(check(GOOD).is_ok());
    assert!(MISTAKES.len() >= 60);
    let mut wrong = Vec::new();
    for (from, to, expected) in MISTAKES {
        assert!(GOOD.contains(from), "{from}");
        let text = GOOD.replacen(from, to, 1);
        let found: Vec<String> = check(&text).err().unwrap_or_default().iter().map(ToString::to_string).collect();
        if !found.iter().any(|found| found.contains(expected)) || found.iter().any(|found| found.contains("sk-hidden"))
        {
            wrong.push(format!("{to}\n  not: {expected}\n  but: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The full example has judges in comments while the gateway does not support them.
#[test]
fn the_full_examples_judges_have_no_mistake_but_that_they_are_not_supported() {
    let full = include_str!("../../../examples/full.yaml");
    let (mut text, mut before) = (String::new(), None);
    for line in full.lines() {
        before = ["  # moderated:", "# judges:"].into_iter().find(|start| line.starts_with(start)).or(before);
        let mark = before.map_or("", |start| if start.starts_with(' ') { "  # " } else { "# " });
        match line.strip_prefix(mark).filter(|_| before.is_some()) {
            Some(rest) => text.extend([mark.strip_suffix("# ").unwrap_or(mark), rest, "\n"]),
            None => {
                before = None;
                text.extend([line, "\n"]);
            }
        }
    }
    assert_eq!(text.lines().filter(|line| line.contains("type: ")).count(), 8, "{text}");
    let found = super::check_in(&text, std::path::Path::new("../examples")).unwrap_err();
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found.iter().all(|found| found.contains("not supported yet")), "{found:?}");
}

#[test]
fn text_that_is_no_yaml_for_a_usual_reason_is_said_so() {
    let expected = |from: &str, to: &str| check(&GOOD.replacen(from, to, 1)).unwrap_err()[0].to_string();
    assert!(
        expected(KEY, "key: ${OPENAI_API_KEY}")
            .ends_with("expected no variables in the file: write a secret as key: { env: NAME }")
    );
    assert!(
        expected("  chat:", "  *-mini:").ends_with("expected quotes around a name that begins with a star: \"*-mini\"")
    );
    assert!(expected("  openai:", "\topenai:").ends_with("expected spaces for indentation, not tabs"));
}
