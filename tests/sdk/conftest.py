"""The models that every test runs against; each has a provider of another format."""

import pytest


@pytest.fixture(params=["on-openai", "on-anthropic", "on-gemini"])
def model(request: pytest.FixtureRequest) -> str:
    return request.param
