// The known requests that Open WebUI sends to a server. Open WebUI needs its own database, so this file replays its requests in place of
// the program. With native function calling it runs tools itself and repeats the calls as they were streamed, each with its `index`.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

const { SLUICE_KEY } = process.env;

const tool = (name, parameters) => ({
  type: "function",
  function: { name, description: name, parameters: { type: "object", properties: parameters, required: Object.keys(parameters) } },
});
const TEXT = { type: "string" };
const TOOLS = [
  tool("write_file", { path: TEXT, content: TEXT }),
  tool("read_file", { path: TEXT }),
  tool("run_command", { command: TEXT }),
];

function carryOut(work, name, input) {
  const file = input.path && path.join(work, input.path);
  if (name === "write_file") fs.writeFileSync(file, input.content);
  if (name === "read_file") return fs.readFileSync(file, "utf8");
  if (name === "run_command") execFileSync("sh", ["-c", input.command], { cwd: work });
  return "done";
}

// Joins the pieces of a stream like Open WebUI's middleware.
async function streamed(answer) {
  const whole = { content: "", tool_calls: [] };
  for (const line of (await answer.text()).split("\n")) {
    if (!line.startsWith("data: ") || line === "data: [DONE]") continue;
    const delta = JSON.parse(line.slice(6)).choices?.[0]?.delta ?? {};
    whole.content += delta.content ?? "";
    for (const call of delta.tool_calls ?? []) {
      const known = whole.tool_calls.find(({ index }) => index === call.index);
      if (known) known.function.arguments += call.function?.arguments ?? "";
      else whole.tool_calls.push(structuredClone(call));
    }
  }
  return whole;
}

export async function openWebUi({ work, url, kind }, task) {
  const headers = { "content-type": "application/json", authorization: `Bearer ${SLUICE_KEY}` };
  const model = `on-${kind}`;
  const ask = (body) => fetch(`${url}/v1/chat/completions`, { method: "POST", headers, body: JSON.stringify(body) });
  const models = await (await fetch(`${url}/v1/models`, { headers })).json();
  if (!models.data.some(({ id }) => id === model)) return "The model is not listed.";
  const messages = [{ role: "user", content: task }];
  let said = "";
  for (let turn = 0; turn < 5; turn += 1) {
    const answer = await ask({ stream: true, model, messages, stream_options: { include_usage: true }, tools: TOOLS });
    if (!answer.ok) return `${answer.status} ${await answer.text()}`;
    const { content, tool_calls: calls } = await streamed(answer);
    said += content;
    if (calls.length === 0) break;
    messages.push({ role: "assistant", content, tool_calls: calls });
    for (const call of calls) {
      const content = carryOut(work, call.function.name, JSON.parse(call.function.arguments));
      messages.push({ role: "tool", tool_call_id: call.id, content });
    }
  }
  // The request for the conversation's title.
  const title = await ask({
    model,
    messages: [{ role: "user", content: "### Task:\nGenerate a concise, 3-5 word title.\n### Output:\nJSON format: { \"title\": \"...\" }" }],
    stream: false,
    max_completion_tokens: 1000,
  });
  return `${said}\n${await title.text()}`;
}
