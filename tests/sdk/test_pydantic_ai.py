"""Pydantic AI's agents on OpenAI's chat completions and Responses, against a provider of each format."""

import asyncio
import os

import pytest
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

from shared import PLACE, REPORT, TEXT, WEATHER, Place


# Each endpoint that agents can call, by the class of its models.
@pytest.fixture(params=[OpenAIChatModel, OpenAIResponsesModel], ids=["chat", "responses"])
def endpoint(request: pytest.FixtureRequest) -> type:
    return request.param


@pytest.fixture
def model(model: str, endpoint: type):
    provider = OpenAIProvider(base_url=os.environ["SLUICE_URL"], api_key=os.environ["SLUICE_KEY"])
    return endpoint(model, provider=provider)


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

    answer = agent.run_sync(WEATHER)
    assert sorted(asked) == ["Oslo", "Tromsø"]
    assert answer.output == REPORT


def test_structured_output(model):
    assert Agent(model, output_type=Place).run_sync("Name a place.").output == PLACE
