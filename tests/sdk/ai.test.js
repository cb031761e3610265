// Vercel's AI SDK with its provider for OpenAI, before a provider of each format.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const { SLUICE_URL, SLUICE_KEY } = process.env;
const TEXT = "Grüße aus Tromsø — 你好 🙂 and good night";
const openai = createOpenAI({ baseURL: SLUICE_URL, apiKey: SLUICE_KEY });
const settings = { maxRetries: 0, abortSignal: AbortSignal.timeout(60_000) };

// Each endpoint that the provider can call, by the function that makes its models.
const endpoints = { chat: openai.chat };

for (const [endpoint, make] of Object.entries(endpoints)) {
  for (const name of ["on-openai", "on-anthropic"]) {
    describe(`${endpoint} ${name}`, () => {
      const model = make(name);

      test("chat", async () => {
        const answer = await generateText({ ...settings, model, system: "Be brief.", prompt: `say ${TEXT}` });
        assert.deepEqual([answer.text, answer.finishReason], [TEXT, "stop"]);
        assert.equal(answer.usage.outputTokens, Math.ceil(Buffer.byteLength(TEXT) / 4));
      });

      test("stream", async () => {
        const pieces = [];
        for await (const piece of streamText({ ...settings, model, prompt: `say ${TEXT}` }).textStream) pieces.push(piece);
        assert.equal(pieces.join(""), TEXT);
        assert.ok(pieces.length > 1, "the text came in one piece");
      });

      test("tools", async () => {
        const get_weather = tool({
          description: "The weather in a city.",
          inputSchema: z.object({ city: z.string() }),
          execute: ({ city }) => `snow in ${city}`,
        });
        const prompt = "The weather in both cities?";
        const answer = await generateText({ ...settings, model, prompt, tools: { get_weather }, stopWhen: stepCountIs(3) });
        assert.equal(answer.text, "The tool says: “snow in Oslo” and “snow in Tromsø”.");
      });

      test("structured output", async () => {
        const schema = z.object({ city: z.string(), people: z.number(), coastal: z.boolean() });
        const answer = await generateText({ ...settings, model, prompt: "Name a place.", output: Output.object({ schema }) });
        assert.deepEqual(answer.output, { city: "Oslo", people: 3, coastal: true });
      });
    });
  }
}
