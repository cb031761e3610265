// The agents: how each is started unattended, and the task in terms of its own tools.

import { spawn } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

import { openWebUi } from "./open_webui.js";

const { SLUICE_KEY, SLUICE_AIDER } = process.env;
const modules = path.join(import.meta.dirname, "node_modules");
const versions = createRequire(import.meta.url)("./package.json").dependencies;
const arch = process.arch;

// The time limit of a task in seconds. An agent that exceeds it is stopped, and the test fails.
const PATIENCE = 120;

// A task that the simulated model does step by step.
const task = (steps) => ["Do this step by step.", ...steps.map(([tool, input]) => `call ${tool} ${JSON.stringify(input)}`)].join("\n");

// Runs a program without this machine's environment; returns its output and its exit status.
function program(file, args, { home, work, env = {}, input = "" }) {
  return new Promise((resolve) => {
    const clean = { PATH: process.env.PATH, HOME: home, TMPDIR: home, XDG_DATA_HOME: path.join(home, "data"), ...env };
    const child = spawn(file, args, { cwd: work, env: clean, stdio: ["pipe", "pipe", "pipe"] });
    const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE * 1000);
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (piece) => { said += piece; });
    child.on("error", (error) => { said += error; });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve(`${said}\n[ended with ${signal ?? code}]`);
    });
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

const shell = "cp hello.txt copy.txt";

function codex(model, steps) {
  return ({ home, work, url, kind }) => {
    const settings = path.join(home, ".codex");
    fs.mkdirSync(settings);
    fs.writeFileSync(path.join(settings, "config.toml"), [
      `model = "${model}-on-${kind}"`,
      'model_provider = "sluice"',
      "check_for_update_on_startup = false",
      "[model_providers.sluice]",
      'name = "Sluice"',
      `base_url = "${url}/v1"`,
      'env_key = "SLUICE_KEY"',
      'wire_api = "responses"',
      "[analytics]",
      "enabled = false",
      "",
    ].join("\n"));
    const args = ["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", task(steps)];
    return program(path.join(modules, ".bin/codex"), args, { home, work, env: { CODEX_HOME: settings, SLUICE_KEY } });
  };
}

const PATCH = "*** Begin Patch\n*** Add File: hello.txt\n+hello\n*** End Patch\n";

const claude = ({ home, work, url, kind }) => {
  const file = path.join(work, "hello.txt");
  const steps = [
    ["Write", { file_path: file, content: "hello\n" }],
    ["Read", { file_path: file }],
    ["Bash", { command: shell, description: "Copies it" }],
  ];
  const env = {
    ANTHROPIC_BASE_URL: url,
    ANTHROPIC_AUTH_TOKEN: SLUICE_KEY,
    ANTHROPIC_MODEL: `on-${kind}`,
    ANTHROPIC_DEFAULT_HAIKU_MODEL: `on-${kind}`,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    DISABLE_AUTOUPDATER: "1",
    // As root the agent refuses to skip permission prompts outside of a sandbox.
    IS_SANDBOX: "1",
  };
  const binary = path.join(modules, `@anthropic-ai/claude-code-linux-${arch}/claude`);
  return program(binary, ["-p", "--dangerously-skip-permissions", task(steps)], { home, work, env });
};

const opencode = ({ home, work, url, kind }) => {
  const file = path.join(work, "hello.txt");
  const steps = [
    ["write", { filePath: file, content: "hello\n" }],
    ["read", { filePath: file }],
    ["bash", { command: shell, description: "Copies it" }],
  ];
  fs.writeFileSync(path.join(work, "opencode.json"), JSON.stringify({
    autoupdate: false,
    share: "disabled",
    permission: { edit: "allow", bash: "allow" },
    provider: {
      sluice: {
        npm: "@ai-sdk/openai-compatible",
        options: { baseURL: `${url}/v1`, apiKey: SLUICE_KEY },
        models: { [`on-${kind}`]: { tool_call: true } },
      },
    },
    model: `sluice/on-${kind}`,
    small_model: `sluice/on-${kind}`,
  }));
  const env = { OPENCODE_DISABLE_AUTOUPDATE: "1", OPENCODE_DISABLE_MODELS_FETCH: "1", OPENCODE_DISABLE_LSP_DOWNLOAD: "1" };
  const binary = path.join(modules, `opencode-linux-${arch}/bin/opencode`);
  // OpenCode would quote command line arguments that contain spaces.
  return program(binary, ["run", "-m", `sluice/on-${kind}`], { home, work, env, input: task(steps) });
};

// aider has no tools: the model writes files as text. The first target is down for the second file.
const aider = async ({ home, work, url, kind }) => {
  const edit = (file) => `Do this.\nanswer ${JSON.stringify(`${file}\n\`\`\`\nhello\n\`\`\`\n`)}`;
  let said = "";
  for (const [model, file] of [[`on-${kind}`, "hello.txt"], [`down-on-${kind}`, "copy.txt"]]) {
    const args = [
      "-m", "aider", "--model", `openai/${model}`, "--openai-api-base", `${url}/v1`, "--openai-api-key", SLUICE_KEY,
      "--no-git", "--yes-always", "--edit-format", "whole", "--no-check-update", "--analytics-disable", "--no-show-release-notes",
      "--no-show-model-warnings", "--no-pretty", "--map-tokens", "0", "--chat-history-file", path.join(home, "chat.md"), "--input-history-file", path.join(home, "input"), "--no-suggest-shell-commands", "--message", edit(file),
    ];
    // Otherwise aider fetches prices from the network.
    const env = { LITELLM_LOCAL_MODEL_COST_MAP: "True", NO_PROXY: "127.0.0.1" };
    said += await program(SLUICE_AIDER, args, { home, work, env });
  }
  return said;
};

export const AGENTS = [
  {
    id: "codex",
    name: "Codex",
    version: versions["@openai/codex"],
    tools: true,
    done: /Step 3 of 3/,
    run: codex("gpt-5.5", [
      ["apply_patch", { input: PATCH }],
      ["exec_command", { cmd: "cat hello.txt" }],
      ["exec_command", { cmd: shell }],
    ]),
  },
  {
    id: "codex-code",
    name: "Codex in code mode",
    version: versions["@openai/codex"],
    tools: true,
    done: /Step 3 of 3/,
    run: codex("gpt-6.2-sol", [
      ["exec", { input: 'text(await tools.exec_command({cmd: "echo hello > hello.txt"}))' }],
      ["exec", { input: 'text(await tools.exec_command({cmd: "cat hello.txt"}))' }],
      ["exec", { input: `text(await tools.exec_command({cmd: ${JSON.stringify(shell)}}))` }],
    ]),
  },
  { id: "claude", name: "Claude Code", version: versions["@anthropic-ai/claude-code"], tools: true, done: /Step 3 of 3/, run: claude },
  { id: "opencode", name: "opencode", version: versions["opencode-ai"], tools: true, done: /Step 3 of 3/, run: opencode },
  {
    id: "aider",
    name: "aider",
    version: /^aider-chat==(.*)$/m.exec(fs.readFileSync(path.join(import.meta.dirname, "requirements.txt"), "utf8"))[1],
    tools: false,
    done: /Applied edit to copy\.txt/,
    run: aider,
  },
  {
    id: "open-webui",
    name: "Open WebUI",
    version: "(its requests)",
    tools: true,
    done: /Step 3 of 3/,
    run: (place) => openWebUi(place, task([
      ["write_file", { path: "hello.txt", content: "hello\n" }],
      ["read_file", { path: "hello.txt" }],
      ["run_command", { command: shell }],
    ])),
  },
];
