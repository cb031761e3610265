"""The alerts: promtool's checks and unit tests, and their state under load."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from conftest import Prometheus, eventually

EXAMPLES = Path(__file__).parents[2] / "examples" / "prometheus"
RULES = [rule for group in yaml.safe_load((EXAMPLES / "rules.yaml").read_text())["groups"] for rule in group["rules"]]

DURATION = "gen_ai_server_request_duration_seconds_count"
OVERHEAD = "sluice_overhead_seconds_bucket"

# For each alert: the labels with which it fires, series with which it fires, and series with which it does not. promtool's notation:
# `0+6x60` begins at 0 and grows by 6 each minute.
CASES = {
    "SluiceDown": (
        {"job": "sluice", "instance": "a"},
        {'up{job="sluice",instance="a"}': "0x60"},
        {'up{job="sluice",instance="a"}': "1x10 0 1x50", 'up{job="other",instance="a"}': "0x60"},
    ),
    "SluiceErrorRate": (
        {"gen_ai_request_model": "chat"},
        {f'{DURATION}{{gen_ai_request_model="chat"}}': "0+90x60", f'{DURATION}{{gen_ai_request_model="chat",error_type="status_503"}}': "0+10x60"},
        {
            f'{DURATION}{{gen_ai_request_model="chat"}}': "0+90x60",
            f'{DURATION}{{gen_ai_request_model="chat",error_type="status_503"}}': "0+2x60",
            f'{DURATION}{{gen_ai_request_model="chat",error_type="status_400"}}': "0+50x60",
            f'{DURATION}{{gen_ai_request_model="chat",error_type="interrupted"}}': "0+50x60",
            f'{DURATION}{{gen_ai_request_model="chat",error_type="guardrail"}}': "0+50x60",
            f'{DURATION}{{gen_ai_request_model="chat",error_type="status_415"}}': "0+50x60",
            **{
                f'{DURATION}{{gen_ai_operation_name="stored",error_type="{error}"}}': "0+50x60"
                for error in ("status_404", "status_409", "status_4xx")
            },
        },
    ),
    "SluiceRejectsRequests": (
        {"code": "limits_unavailable"},
        {'sluice_rejected_requests_total{team="a",code="limits_unavailable"}': "0+1x60"},
        {'sluice_rejected_requests_total{team="a",code="rate_limit_exceeded"}': "0+100x60"},
    ),
    "SluiceOverhead": (
        {},
        {f'{OVERHEAD}{{le="0.0512"}}': "0+90x60", f'{OVERHEAD}{{le="0.1024"}}': "0+100x60", f'{OVERHEAD}{{le="+Inf"}}': "0+100x60"},
        {f'{OVERHEAD}{{le="0.0256"}}': "0+100x60", f'{OVERHEAD}{{le="0.0512"}}': "0+100x60", f'{OVERHEAD}{{le="+Inf"}}': "0+100x60"},
    ),
    "SluiceFallbackRate": (
        {"model": "chat"},
        {'sluice_requests_total{model="chat",provider="b"}': "0+100x60", 'sluice_fallbacks_total{model="chat",reason="status_503"}': "0+20x60"},
        {'sluice_requests_total{model="chat",provider="b"}': "0+100x60", 'sluice_fallbacks_total{model="chat",reason="status_503"}': "0+5x60"},
    ),
    "SluiceCircuitOpen": (
        {"provider": "a", "model": "m"},
        {'sluice_circuit_open{provider="a",model="m",instance="x"}': "1x60", 'sluice_circuit_open{provider="a",model="m",instance="y"}': "0x60"},
        {'sluice_circuit_open{provider="a",model="m"}': "0 1 0 1 0 1 0x60"},
    ),
    "SluiceBudgetNearlyUsed": (
        {"budget": "team=a", "period": "month"},
        {'sluice_budget_used_ratio{budget="team=a",period="month"}': "0.85x60"},
        {'sluice_budget_used_ratio{budget="team=a",period="month"}': "0.5x60", 'sluice_budget_used_ratio{budget="team=b",period="month"}': "1.2x60"},
    ),
    "SluiceBudgetUsedUp": (
        {"budget": "team=a", "period": "month"},
        {'sluice_budget_used_ratio{budget="team=a",period="month"}': "1x60"},
        {'sluice_budget_used_ratio{budget="team=a",period="month"}': "0.99x60"},
    ),
    "SluiceBudgetRejects": (
        {"team": "a", "app": "bot"},
        {'sluice_rejected_requests_total{team="a",app="bot",code="insufficient_quota"}': "0+1x60"},
        {'sluice_rejected_requests_total{team="a",app="bot",code="insufficient_quota"}': "5x60", 'sluice_rejected_requests_total{team="a",code="rate_limit_exceeded"}': "0+1x60"},
    ),
    "SluiceRedisUnavailable": (
        {"instance": "a"},
        {'sluice_redis_failed_calls_total{instance="a"}': "0+1x60"},
        {'sluice_redis_failed_calls_total{instance="a"}': "7x60"},
    ),
    "SluiceUncheckedRequests": (
        {"instance": "a"},
        {'sluice_unchecked_requests_total{instance="a"}': "0+1x60"},
        {'sluice_unchecked_requests_total{instance="a"}': "7x60"},
    ),
    "SluiceSettlementBacklog": (
        {"instance": "a"},
        {'sluice_settlement_backlog{instance="a"}': "2000x60"},
        {'sluice_settlement_backlog{instance="a"}': "0 5000 0 5000 10x60"},
    ),
    "SluiceSettlementsDropped": (
        {"instance": "a"},
        {'sluice_dropped_settlements_total{instance="a"}': "0+1x60"},
        {'sluice_dropped_settlements_total{instance="a"}': "7x60"},
    ),
    "SluiceReloadFailed": (
        {"instance": "a"},
        {'sluice_config_last_reload_successful{instance="a"}': "0x60", 'sluice_config_last_reload_successful{instance="b"}': "1x60"},
        {'sluice_config_last_reload_successful{instance="a"}': "1x60"},
    ),
    "SluiceConfigurationsDiffer": (
        {},
        {'sluice_config_info{version="1",instance="a"}': "1x60", 'sluice_config_info{version="2",instance="b"}': "1x60"},
        {'sluice_config_info{version="1",instance="a"}': "1x60", 'sluice_config_info{version="1",instance="b"}': "1x60", 'sluice_config_info{version="2",instance="c"}': "1x10 _x50"},
    ),
    "SluiceLabelsLost": (
        {"instance": "a"},
        {'sluice_requests_total{instance="a",team="other",app="other",model="other"}': "0+1x60"},
        {
            'sluice_requests_total{instance="a",team="other",model="chat"}': "0+1x60",
            f'{DURATION}{{instance="a",gen_ai_operation_name="chat",gen_ai_request_model="other"}}': "0+1x60",
            'sluice_attempts_total{instance="a",gen_ai_operation_name="chat",provider="other"}': "0+1x60",
        },
    ),
}

# Further cases, of which one series is enough.
ALSO_FIRES = [
    ("SluiceErrorRate", f'{DURATION}{{gen_ai_operation_name="chat",gen_ai_request_model="chat",error_type="status_404"}}'),
    ("SluiceErrorRate", f'{DURATION}{{gen_ai_operation_name="stored",error_type="status_503"}}'),
    ("SluiceLabelsLost", f'{DURATION}{{instance="a",gen_ai_operation_name="other"}}'),
    ("SluiceLabelsLost", 'sluice_attempts_total{instance="a",gen_ai_operation_name="other"}'),
]

# Alerts that a single event does not fire.
OUTAGES = {
    "SluiceRedisUnavailable": "sluice_redis_failed_calls_total",
    "SluiceUncheckedRequests": "sluice_unchecked_requests_total",
}


# Alerts about a single event, each with the series of its first one.
FIRST = {
    "SluiceRejectsRequests": 'sluice_rejected_requests_total{job="sluice",instance="a",team="a",code="limits_unavailable"}',
    "SluiceBudgetRejects": 'sluice_rejected_requests_total{job="sluice",instance="a",team="a",code="insufficient_quota"}',
}


def promtool(*arguments: str) -> None:
    result = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_promtool_accepts_the_rules() -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(EXAMPLES / "rules.yaml"))


def test_promtool_accepts_the_configuration(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "rules.yaml", tmp_path)
    (tmp_path / "sluice-metrics-key").write_text("sk-a-key")
    text = (EXAMPLES / "prometheus.yaml").read_text()
    (tmp_path / "prometheus.yaml").write_text(text.replace("/etc/prometheus/", f"{tmp_path}/"))
    promtool("check", "config", "--lint=all", "--lint-fatal", str(tmp_path / "prometheus.yaml"))


def test_every_alert_has_a_case_and_says_what_to_do() -> None:
    assert [rule["alert"] for rule in RULES] == list(CASES)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert "for" in rule
        assert set(rule["annotations"]) == {"summary", "description"}


def test_the_page_lists_every_alert() -> None:
    page = (EXAMPLES.parents[1] / "docs" / "observability.md").read_text()
    listed = [tuple(line.split(" | ")[:2]) for line in page.splitlines() if line.startswith("| `Sluice")]
    assert listed == [(f"| `{rule['alert']}`", rule["labels"]["severity"]) for rule in RULES]


@pytest.mark.parametrize("alert", CASES)
def test_the_alert_fires_and_does_not_fire(alert: str, tmp_path: Path) -> None:
    labels, firing, quiet = CASES[alert]
    rule = next(rule for rule in RULES if rule["alert"] == alert)
    active = f'ALERTS{{alertname="{alert}",alertstate="firing"}}'
    expected = {"alertname": alert, "alertstate": "firing", "severity": rule["labels"]["severity"]} | labels
    pairs = ",".join(f'{name}="{value}"' for name, value in expected.items())
    tests = [
        {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [{"expr": active, "eval_time": "59m", "exp_samples": samples}],
        }
        for series, samples in ((firing, [{"labels": f"ALERTS{{{pairs}}}", "value": 1}]), (quiet, []))
    ]
    # The annotations' templates are evaluated too.
    file = {"rule_files": [str(EXAMPLES / "rules.yaml")], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "test.json").write_text(json.dumps(file))
    promtool("test", "rules", str(tmp_path / "test.json"))


def evaluate(tmp_path: Path, *tests: dict) -> None:
    file = {"rule_files": [str(EXAMPLES / "rules.yaml")], "evaluation_interval": "15s", "tests": tests}
    (tmp_path / "test.json").write_text(json.dumps(file))
    promtool("test", "rules", str(tmp_path / "test.json"))


@pytest.mark.parametrize(("alert", "series"), ALSO_FIRES)
def test_the_alert_also_fires(alert: str, series: str, tmp_path: Path) -> None:
    count = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'
    expected = {"expr": count, "eval_time": "59m", "exp_samples": [{"labels": "{}", "value": 1}]}
    evaluate(tmp_path, {"interval": "1m", "input_series": [{"series": series, "values": "0+1x60"}], "promql_expr_test": [expected]})


@pytest.mark.parametrize("alert", OUTAGES)
def test_a_single_event_is_no_outage(alert: str, tmp_path: Path) -> None:
    """With the example's scrapes, every 15 seconds."""
    count = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'
    series = f'{OUTAGES[alert]}{{instance="a"}}'
    steps = range(0, 20 * 60, 15)
    single = [{"expr": count, "eval_time": f"{second}s", "exp_samples": []} for second in steps]
    outage = {"expr": count, "eval_time": "13m", "exp_samples": [{"labels": "{}", "value": 1}]}
    evaluate(
        tmp_path,
        {"interval": "15s", "input_series": [{"series": series, "values": "0x40 1x40"}], "promql_expr_test": single},
        {"interval": "15s", "input_series": [{"series": series, "values": "0x40 1+1x40"}], "promql_expr_test": [outage]},
    )


@pytest.mark.parametrize("alert", FIRST)
def test_the_alert_fires_at_the_first_event_of_a_series(alert: str, tmp_path: Path) -> None:
    """A series begins with its first event. One that was there before Prometheus came is no event."""
    count = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'
    tests = [
        {
            "interval": "1m",
            "input_series": [{"series": 'up{job="sluice",instance="a"}', "values": up}, {"series": FIRST[alert], "values": "_x20 1x40"}],
            "promql_expr_test": [{"expr": count, "eval_time": time, "exp_samples": samples} for time, samples in times],
        }
        for up, times in (
            ("1x60", (("19m", []), ("23m", [{"labels": "{}", "value": 1}]), ("50m", []))),
            ("_x20 1x40", (("23m", []), ("50m", []))),
        )
    ]
    file = {"rule_files": [str(EXAMPLES / "rules.yaml")], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "test.json").write_text(json.dumps(file))
    promtool("test", "rules", str(tmp_path / "test.json"))


def test_a_real_prometheus_evaluates_every_rule(prometheus: Prometheus) -> None:
    def evaluated() -> list:
        rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
        return rules if all(rule["health"] != "unknown" for rule in rules) else []

    rules = eventually(evaluated)
    assert {(rule["name"], rule["health"], rule.get("lastError")) for rule in rules} == {(alert, "ok", None) for alert in CASES}


def test_alerts_become_active_under_load(prometheus: Prometheus) -> None:
    """The load breaks a provider and uses up budgets."""
    expected = {"SluiceErrorRate", "SluiceFallbackRate", "SluiceCircuitOpen"}
    expected |= {"SluiceBudgetNearlyUsed", "SluiceBudgetUsedUp", "SluiceBudgetRejects"}

    def active() -> set:
        return {alert["labels"]["alertname"] for alert in prometheus.get("alerts")["alerts"]}

    assert eventually(lambda: expected <= active()), active()
