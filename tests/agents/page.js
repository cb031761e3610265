// Renders docs/agents.md from the results of a run.

const HEAD = `# Coding agents

How to set up coding agents, and what a test of each agent shows.

## Set up an agent

The examples use the gateway at \`http://127.0.0.1:8080\`, a key in \`SLUICE_KEY\`, and a model \`chat\` of the gateway file.

**Claude Code** takes the address without \`/v1\`:

\`\`\`sh
export ANTHROPIC_BASE_URL=http://127.0.0.1:8080 ANTHROPIC_AUTH_TOKEN=$SLUICE_KEY
export ANTHROPIC_MODEL=chat ANTHROPIC_DEFAULT_HAIKU_MODEL=chat
claude
\`\`\`

**Codex** reads \`~/.codex/config.toml\`. It enables its tools by the model's name: begin the name with a model that Codex knows, and add it to
the gateway file.

\`\`\`toml
model = "gpt-5.5-on-gemini"
model_provider = "sluice"
[model_providers.sluice]
name = "Sluice"
base_url = "http://127.0.0.1:8080/v1"
env_key = "SLUICE_KEY"
wire_api = "responses"
\`\`\`

**opencode** reads \`opencode.json\` in the project:

\`\`\`json
{
  "provider": {
    "sluice": {
      "npm": "@ai-sdk/openai-compatible",
      "options": { "baseURL": "http://127.0.0.1:8080/v1", "apiKey": "sk-sluice-..." },
      "models": { "chat": { "tool_call": true } }
    }
  },
  "model": "sluice/chat",
  "small_model": "sluice/chat"
}
\`\`\`

**aider**:

\`\`\`sh
aider --model openai/chat --openai-api-base http://127.0.0.1:8080/v1 --openai-api-key "$SLUICE_KEY"
\`\`\`

**Open WebUI** (the test repeats its requests, but does not run the program):

\`\`\`sh
export OPENAI_API_BASE_URL=http://127.0.0.1:8080/v1 OPENAI_API_KEY=$SLUICE_KEY
open-webui serve
\`\`\`

## The test

Each section below is a published agent, without a user and without a network. Each row is a gateway with one kind of provider. The task
uses three tools: it writes a file, reads it, and runs a command on it. The provider fails in the second turn, and the gateway falls back to
another kind of provider. In the third turn, the first provider responds again.

\`./scripts/test agents\` installs the agents and runs them against simulated providers. It fails if this page differs from the results.
\`UPDATE_DOCS=1\` makes it write the page.

| column | checked |
|---|---|
| chat | the agent shows the model's final text |
| tools | all three tools did their work |
| stream | the agent requested streams and read them to the end |
| compressed body | the same task with every request in gzip, as agents send large ones to their own vendors |
| dropped | optional fields without an equivalent in the provider's format; \`x-sluice-dropped\` lists them |

| provider | format |
|---|---|
| responses | OpenAI's Responses if the agent supports it, else chat completions |
| chat | chat completions, in Groq's variant |
| anthropic | Anthropic's messages |
| gemini | Gemini's |
| bedrock | Bedrock's Converse |
`;

export function page(rows) {
  let text = HEAD;
  for (const agent of new Set(rows.map((row) => row.agent))) {
    const of = rows.filter((row) => row.agent === agent);
    text += `\n## ${agent} ${of[0].version}\n\n`;
    text += "| provider | chat | tools | stream | compressed body | dropped |\n|---|---|---|---|---|---|\n";
    for (const row of of) {
      const dropped = (row.dropped ?? []).map((name) => `\`${name}\``).join(", ");
      const cells = [row.kind, row.chat, row.tools, row.stream, row.compressed, dropped || "nothing"];
      text += `| ${cells.map((cell) => cell ?? "no").join(" | ")} |\n`;
    }
  }
  return text;
}
