// Each agent does a task through each kind of provider. The results are a table in the documentation.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";

import { AGENTS } from "./agents.js";
import { page } from "./page.js";
import { Passage } from "./passage.js";

const { SLUICE_SCRATCH } = process.env;
const KINDS = ["responses", "chat", "anthropic", "gemini", "bedrock"];
const wanted = (process.env.SLUICE_AGENTS ?? "").split(" ").filter(Boolean);
const agents = AGENTS.filter(({ id }) => wanted.length === 0 || wanted.includes(id));

const passage = new Passage(process.env.SLUICE_URL);
const rows = [];
before(() => passage.open());
after(() => passage.close());

// Runs the agent in its own directory, once with its bodies as sent and once with compressed bodies.
async function attempt(agent, kind, compress) {
  const home = fs.mkdtempSync(path.join(SLUICE_SCRATCH, `${agent.id}-`));
  const work = path.join(home, "work");
  fs.mkdirSync(work);
  passage.begin(compress);
  const said = await agent.run({ home, work, url: passage.url, kind });
  return { said, work, seen: passage.seen() };
}

// The three steps leave one file that was written, read, and changed by a command.
function tools({ work }) {
  return fs.readFileSync(path.join(work, "hello.txt"), "utf8") === "hello\n" && fs.readFileSync(path.join(work, "copy.txt"), "utf8") === "hello\n";
}

const short = (text) => text.slice(-2000);

for (const agent of agents) {
  for (const kind of KINDS) {
    const row = { agent: agent.name, version: agent.version, kind };
    rows.push(row);
    test(`${agent.name} through ${kind}`, async () => {
      const plain = await attempt(agent, kind, false);
      const { said, seen } = plain;
      const about = () => `${short(said)}\n${JSON.stringify(seen.filter(({ status }) => status >= 400))}`;
      assert.ok(seen.length > 0, about());
      assert.deepEqual(seen.filter(({ status, path }) => status >= 400 && !agent.may?.(path)), [], about());
      assert.match(said, agent.done, about());
      row.chat = "yes";
      assert.ok(seen.some(({ stream }) => stream), about());
      row.stream = "yes";
      assert.ok(tools(plain), about());
      row.tools = agent.tools ? "yes" : "as text";
      const providers = new Set(seen.map(({ provider }) => provider).filter(Boolean));
      assert.ok(providers.has(kind) && providers.size === 2, `nothing failed in the middle: ${[...providers]}`);
      row.dropped = [...new Set(seen.flatMap(({ dropped }) => dropped))].sort();
    });
    test(`${agent.name} through ${kind}, compressed`, async () => {
      const { said, seen } = await attempt(agent, kind, true);
      const failed = seen.filter(({ status, path }) => status >= 400 && !agent.may?.(path));
      assert.ok(seen.some(({ compressed }) => compressed), short(said));
      row.compressed = failed.length === 0 && agent.done.test(said) ? "yes" : `refused: ${failed[0]?.status ?? "?"}`;
    });
  }
}

test("docs/agents.md says what was seen", { skip: wanted.length > 0 }, () => {
  const file = path.join(import.meta.dirname, "../../docs/agents.md");
  const text = page(rows);
  if (process.env.UPDATE_DOCS) fs.writeFileSync(file, text);
  assert.equal(fs.existsSync(file) && fs.readFileSync(file, "utf8"), text, "run this with UPDATE_DOCS=1");
});
