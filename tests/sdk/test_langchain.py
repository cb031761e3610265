"""LangChain's chat model for OpenAI, before a provider of each format."""

import json
import os

import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

TEXT = "Grüße aus Tromsø — 你好 🙂 and good night"


# Each endpoint that the class can call, by the settings that choose it.
@pytest.fixture(params=[{"use_responses_api": False}], ids=["chat"])
def endpoint(request: pytest.FixtureRequest) -> dict:
    return request.param


@pytest.fixture(params=["on-openai", "on-anthropic"])
def model(request: pytest.FixtureRequest, endpoint: dict) -> ChatOpenAI:
    url, key = os.environ["SLUICE_URL"], os.environ["SLUICE_KEY"]
    return ChatOpenAI(model=request.param, base_url=url, api_key=key, max_retries=0, timeout=20, **endpoint)


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"snow in {city}"


class Place(BaseModel):
    city: str
    people: int
    coastal: bool


def test_chat(model):
    answer = model.invoke([("system", "Be brief."), ("user", f"say {TEXT}")])
    assert answer.text == TEXT
    assert answer.usage_metadata["output_tokens"] == -(-len(TEXT.encode()) // 4)


def test_stream(model):
    pieces = [chunk.text for chunk in model.stream(f"say {TEXT}")]
    assert "".join(pieces) == TEXT
    assert sum(map(bool, pieces)) > 1, "the text came in one piece"


def test_tools(model):
    model = model.bind_tools([get_weather])
    messages = [HumanMessage("The weather in both cities?")]
    answer = model.invoke(messages)
    assert [call["args"]["city"] for call in answer.tool_calls] == ["Oslo", "Tromsø"]
    results = [ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"]) for call in answer.tool_calls]
    last = model.invoke([*messages, answer, *results])
    assert last.text == "The tool says: “snow in Oslo” and “snow in Tromsø”."


def test_structured_output(model):
    expected = Place(city="Oslo", people=3, coastal=True)
    assert model.with_structured_output(Place, method="json_schema").invoke("Name a place.") == expected
    raw = model.with_structured_output(Place, method="json_schema", include_raw=True).invoke("Name a place.")
    assert json.loads(raw["raw"].text) == expected.model_dump()
