"""Pydantic AI's agents on OpenAI's chat completions, before a provider of each format."""

import asyncio
import os

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

TEXT = "Grüße aus Tromsø — 你好 🙂 and good night"


# Each endpoint that agents can call, by the class of its models.
@pytest.fixture(params=[OpenAIChatModel], ids=["chat"])
def endpoint(request: pytest.FixtureRequest) -> type:
    return request.param


@pytest.fixture(params=["on-openai", "on-anthropic"])
def model(request: pytest.FixtureRequest, endpoint: type):
    provider = OpenAIProvider(base_url=os.environ["SLUICE_URL"], api_key=os.environ["SLUICE_KEY"])
    return endpoint(request.param, provider=provider)


class Place(BaseModel):
    city: str
    people: int
    coastal: bool


def test_chat(model):
    answer = Agent(model, instructions="Be brief.").run_sync(f"say {TEXT}")
    assert answer.output == TEXT


def test_stream(model):
    async def pieces() -> list[str]:
        async with Agent(model).run_stream(f"say {TEXT}") as stream:
            return [piece async for piece in stream.stream_text(delta=True, debounce_by=None)]

    streamed = asyncio.run(pieces())
    assert "".join(streamed) == TEXT and len(streamed) > 1


def test_tools(model):
    agent = Agent(model)
    asked = []

    @agent.tool_plain
    def get_weather(city: str) -> str:
        """The weather in a city."""
        asked.append(city)
        return f"snow in {city}"

    answer = agent.run_sync("The weather in both cities?")
    assert sorted(asked) == ["Oslo", "Tromsø"]
    assert answer.output == "The tool says: “snow in Oslo” and “snow in Tromsø”."


def test_structured_output(model):
    assert Agent(model, output_type=Place).run_sync("Name a place.").output == Place(city="Oslo", people=3, coastal=True)
