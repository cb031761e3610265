// Renders docs/agents.md from the results of a run.

const HEAD = `# Coding agents

Each row is a published agent, without a user and without a network, behind a gateway with one kind of provider. Its task uses three
tools: it writes a file, reads it, and runs a command on it. The provider fails in the second turn, and the gateway falls back to another
kind of provider. In the third turn, the first provider responds again.

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
