"""Every query of every panel returns data: at least one number for each."""

import math
import os
from collections.abc import Iterator

import pytest
from conftest import Prometheus, eventually
from test_dashboards import COMMITTED, panels

# Grafana's variables. The load is short, and so are the windows.
VARIABLES = {"$__rate_interval": "10s", "$__range": "30s", "$team": ".*", "$app": ".*", "$model": ".*", "$provider": ".*", "$instance": ".*"}
DRAWINGS = os.environ.get("DRAWINGS")


def filled(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression


def queries() -> Iterator:
    for name, dashboard in COMMITTED.items():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                yield pytest.param(target, id=f"{name}: {panel['title']} {target['refId']}")


def numbers(result: list) -> list:
    values = [value for series in result for _, value in series.get("values", [series.get("value")])]
    return [float(value) for value in values if not math.isnan(float(value))]


@pytest.mark.parametrize("target", list(queries()))
def test_the_query_returns_numbers(target: dict, prometheus: Prometheus) -> None:
    expression = filled(target["expr"])
    ask = prometheus.query if target["instant"] else prometheus.range
    assert eventually(lambda: numbers(ask(expression))), expression


def variables() -> Iterator:
    for name, dashboard in COMMITTED.items():
        for variable in dashboard["templating"]["list"][1:]:
            yield pytest.param(variable["query"]["query"], id=f"{name}: {variable['name']}")


@pytest.mark.parametrize("query", list(variables()))
def test_the_variable_has_values(query: str, prometheus: Prometheus) -> None:
    metric, label = query.removeprefix("label_values(").removesuffix(")").split(", ")
    assert prometheus.get(f"label/{label}/values", **{"match[]": metric})


@pytest.mark.skipif(not DRAWINGS, reason="only with --draw")
@pytest.mark.parametrize("name", COMMITTED)
def test_draw(name: str, prometheus: Prometheus) -> None:
    import drawing

    drawing.draw(name, COMMITTED[name], prometheus, filled, DRAWINGS)
