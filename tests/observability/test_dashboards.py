"""The dashboards as files: they are current, they follow Grafana's types, and they belong together."""

import copy
import json
from pathlib import Path

import dashboards
import schema

COMMITTED = {path.stem: json.loads(path.read_text()) for path in sorted(dashboards.DIRECTORY.glob("*.json"))}


def panels(dashboard: dict) -> list:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def test_the_files_are_those_that_the_script_writes() -> None:
    written = {path.name: path.read_text() for path in dashboards.DIRECTORY.glob("*.json")}
    assert written == dashboards.dashboards(), "run python3 tests/observability/dashboards.py"


def test_they_follow_grafanas_types(tmp_path: Path) -> None:
    assert schema.mistakes(COMMITTED, tmp_path) == ""


def test_the_check_finds_mistakes(tmp_path: Path) -> None:
    broken = {}
    for where, field, value in (
        ("dashboard", "refreshes", "30s"),
        ("dashboard", "schemaVersion", "39"),
        ("panel", "titel", "Requests"),
        ("options", "colorMode", "valeu"),
        ("options", "reduceOptions", None),
        ("target", "exprs", "up"),
    ):
        dashboard = broken[field] = copy.deepcopy(COMMITTED["overview"])
        panel = next(panel for panel in dashboard["panels"] if panel["type"] == "stat")
        {"dashboard": dashboard, "panel": panel, "options": panel["options"], "target": panel["targets"][0]}[where][field] = value
    found = schema.mistakes(broken, tmp_path)
    assert [name for name in broken if f"{name}.ts(" not in found] == []


def test_ids_are_unique_and_stable() -> None:
    assert [dashboard["uid"] for dashboard in COMMITTED.values()] == [f"sluice-{name}" for name in COMMITTED]
    for dashboard in COMMITTED.values():
        assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_panels_do_not_overlap() -> None:
    for name, dashboard in COMMITTED.items():
        taken: set = set()
        for panel in dashboard["panels"]:
            place = panel["gridPos"]
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
            assert place["x"] + place["w"] <= 24
            assert not cells & taken, f"{name}: {panel['title']}"
            taken |= cells


def test_every_panel_says_what_it_shows() -> None:
    for name, dashboard in COMMITTED.items():
        for panel in panels(dashboard):
            assert len(panel["description"]) > 10, f"{name}: {panel['title']}"
            levels = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
            if panel["type"] in ("stat", "bargauge") and len(levels) > 1:
                assert "Red:" in panel["description"] or "More than one" in panel["description"] or "“No”:" in panel["description"], f"{name}: {panel['title']}"


def test_every_variable_is_used_and_defined() -> None:
    for name, dashboard in COMMITTED.items():
        queries = json.dumps([target["expr"] for panel in panels(dashboard) for target in panel["targets"]])
        for variable in dashboard["templating"]["list"][1:]:
            assert f"${variable['name']}" in queries, f"{name}: {variable['name']}"
        defined = {variable["name"] for variable in dashboard["templating"]["list"]}
        for used in dashboards.VARIABLES:
            assert f"${used}" not in queries or used in defined, f"{name}: {used}"
