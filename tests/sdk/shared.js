// The requests of all client tests to the simulator, and its responses: `say X` returns X, the weather in both cities returns two calls of
// the first tool, and a required schema returns a place.

import assert from "node:assert/strict";
import { z } from "zod";

export const { SLUICE_URL, SLUICE_KEY, SIMULATOR_KEY } = process.env;

// The models that every test runs against; each has a provider of another format.
export const MODELS = ["on-openai", "on-anthropic", "on-gemini"];

export const TEXT = "Grüße aus Tromsø — 你好 🙂 and good night";
export const TOKENS = Math.ceil(Buffer.byteLength(TEXT) / 4);
export const WEATHER = "The weather in both cities?";
export const REPORT = "The tool says: “snow in Oslo” and “snow in Tromsø”.";
export const PARAMETERS = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
export const place = z.object({ city: z.string(), people: z.number(), coastal: z.boolean() });
export const PLACE = { city: "Oslo", people: 3, coastal: true };

export async function collect(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

// Awaits an error of this class and status that reveals nothing internal.
export async function refused(promise, kind, status) {
  const error = await promise.then(() => assert.fail(`expected ${kind.name}`), (reason) => reason);
  assert.ok(error instanceof kind, `${error} is not ${kind.name}`);
  assert.equal(error.status, status);
  const text = JSON.stringify(error.error);
  assert.ok(!text.includes("+status") && !text.includes(SIMULATOR_KEY));
  return error;
}

// Awaits such an error in OpenAI's format.
export async function refusedAsOpenAi(promise, kind, status) {
  const error = await refused(promise, kind, status);
  for (const field of ["message", "type", "param", "code"]) assert.ok(field in error.error, `no ${field}`);
  assert.ok(error.error.message && error.error.type);
  return error;
}
