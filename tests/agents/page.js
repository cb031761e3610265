// The page of documentation, made of what a run has seen.

const HEAD = `# Coding agents

Each row is an agent as its makers publish it, without a person and without a network, through a gateway in front of one kind of
provider. It does a task of three tools: it writes a file, reads it, and runs a command on it. The provider fails in the second turn, so
that another kind of provider answers it, and the first answers again in the third.

This page is written by \`./scripts/test agents\`, which installs the agents, runs them against simulated providers and fails when the
page says something else. \`UPDATE_DOCS=1\` makes it write the page.

| column | what was seen |
|---|---|
| chat | the agent shows the model's last words |
| tools | all three tools did what they were called for |
| stream | the agent asked for streams, and read them to their ends |
| compressed body | the same task with every request compressed with gzip, as agents send large ones to their own makers |
| left out | the optional fields that the provider's format cannot express; \`x-sluice-dropped\` lists them |

| provider | is asked in the format |
|---|---|
| responses | OpenAI's Responses where the agent speaks it, else chat completions |
| chat | chat completions, as Groq takes them |
| anthropic | Anthropic's messages |
| gemini | Gemini's |
| bedrock | Bedrock's Converse |
`;

export function page(rows) {
  let text = HEAD;
  for (const agent of new Set(rows.map((row) => row.agent))) {
    const of = rows.filter((row) => row.agent === agent);
    text += `\n## ${agent} ${of[0].version}\n\n`;
    text += "| provider | chat | tools | stream | compressed body | left out |\n|---|---|---|---|---|---|\n";
    for (const row of of) {
      const dropped = (row.dropped ?? []).map((name) => `\`${name}\``).join(", ");
      const cells = [row.kind, row.chat, row.tools, row.stream, row.compressed, dropped || "nothing"];
      text += `| ${cells.map((cell) => cell ?? "no").join(" | ")} |\n`;
    }
  }
  return text;
}
