"""LangChain's chat model for OpenAI, against a provider of each format."""

import json
import os

import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from shared import PLACE, REPORT, TEXT, TOKENS, WEATHER, Place


# Each endpoint that the class can call, by the settings that select it.
@pytest.fixture(params=[{"use_responses_api": False}, {"use_responses_api": True}], ids=["chat", "responses"])
def endpoint(request: pytest.FixtureRequest) -> dict:
    return request.param


@pytest.fixture
def model(model: str, endpoint: dict) -> ChatOpenAI:
    url, key = os.environ["SLUICE_URL"], os.environ["SLUICE_KEY"]
    return ChatOpenAI(model=model, base_url=url, api_key=key, max_retries=0, timeout=20, **endpoint)


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"snow in {city}"


def test_chat(model):
    answer = model.invoke([("system", "Be brief."), ("user", f"say {TEXT}")])
    assert answer.text == TEXT
    assert answer.usage_metadata["output_tokens"] == TOKENS


def test_stream(model):
    pieces = [chunk.text for chunk in model.stream(f"say {TEXT}")]
    assert "".join(pieces) == TEXT
    assert sum(map(bool, pieces)) > 1, "the text came in one piece"


def test_tools(model):
    model = model.bind_tools([get_weather])
    messages = [HumanMessage(WEATHER)]
    answer = model.invoke(messages)
    assert [call["args"]["city"] for call in answer.tool_calls] == ["Oslo", "Tromsø"]
    results = [ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"]) for call in answer.tool_calls]
    last = model.invoke([*messages, answer, *results])
    assert last.text == REPORT


def test_structured_output(model):
    assert model.with_structured_output(Place, method="json_schema").invoke("Name a place.") == PLACE
    raw = model.with_structured_output(Place, method="json_schema", include_raw=True).invoke("Name a place.")
    assert json.loads(raw["raw"].text) == PLACE.model_dump()
