"""Writes Grafana's dashboards, examples/grafana/*.json: python3 tests/observability/dashboards.py

One place for all of them keeps names, units, colors and variables consistent. A test compares the files with what this script writes.
A model, a team and an app are those of the gateway file. Attempts at a provider know only the provider and its own name of the model,
so their panels have no other filter. A request that no provider served has no provider.
"""

import json
from pathlib import Path

DIRECTORY = Path(__file__).parents[2] / "examples" / "grafana"

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
REQUESTS = 'team=~"$team",app=~"$app",model=~"$model",provider=~"$provider"'
CALLERS = 'team=~"$team",app=~"$app",model=~"$model"'
SERVED = 'gen_ai_request_model=~"$model",provider=~"$provider"'
ASKED = 'gen_ai_request_model=~"$model"'
ATTEMPTS = 'provider=~"$provider"'
MODEL = 'model=~"$model"'
SPENT = REQUESTS + ',provider!=""'
SERVED_BY = SERVED + ',provider!=""'
# Without what is no failure of a provider: the client left, its request is wrong, or a guardrail blocks the response.
FAILED = 'error_type!~"|interrupted|guardrail|status_400|status_413|status_415|status_422"'
# Of these too, the client names an object that is not there, or that is not in this state.
OF_STORED_OBJECTS = 'gen_ai_operation_name="stored",error_type=~"status_404|status_409|status_4xx"'

OK, WARNING, BAD = "green", "orange", "red"


def rate(metric: str, labels: str, window: str = "$__rate_interval") -> str:
    return f"rate({metric}{{{labels}}}[{window}])"


def total(metric: str, labels: str, by: str = "") -> str:
    """The growth over the dashboard's time range."""
    return f"sum{by and f' by ({by})'} (increase({metric}{{{labels}}}[$__range]))"


def failures(metric: str, labels: str, function: str = "rate", window: str = "$__rate_interval") -> str:
    """The growth of failures that are not the client's."""
    growth = [f"{function}({metric}{{{labels},{kind}}}[{window}])" for kind in (FAILED, OF_STORED_OBJECTS)]
    return f"({' unless '.join(growth)})"


def quantile(q: float, histogram: str, labels: str, by: str = "") -> str:
    by = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, sum by ({by}) ({rate(histogram + '_bucket', labels)}))"


def ratio(part: str, whole: str) -> str:
    """A part of a whole; 0 while the part has no time series."""
    return f"({part} or vector(0)) / {whole}"


def per(expression: str, *labels: str) -> str:
    return f"sum by ({', '.join(labels)}) ({expression})"


def named(expression: str, label: str) -> str:
    """Gives series without this label the value `none`: Grafana has no name for them."""
    return f'label_replace({expression}, "{label}", "none", "{label}", "")'


def query(expression: str, legend: str, ref: int, instant: bool = False, table: bool = False) -> dict:
    return {
        "datasource": DATASOURCE,
        "expr": expression,
        "legendFormat": legend,
        "refId": chr(ord("A") + ref),
        "instant": instant,
        "range": not instant,
        "format": "table" if table else "time_series",
        "editorMode": "code",
    }


def steps(levels: list) -> dict:
    """Thresholds: green below the first level, or the colors that are given as pairs."""
    if levels and not isinstance(levels[0], tuple):
        levels = list(zip([None, *levels], [OK, WARNING, BAD] if len(levels) > 1 else [OK, BAD]))
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in levels or [(None, OK)]]}


def panel(kind: str, title: str, description: str, queries: list, unit: str, width: int, height: int, levels: list = ()) -> dict:
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "gridPos": {"x": 0, "y": 0, "w": width, "h": height},
        "targets": queries,
        "fieldConfig": {"defaults": {"unit": unit, "thresholds": steps(list(levels))}, "overrides": []},
        "options": {},
    }


def stat(title: str, expression: str, unit: str, description: str, levels: list = (), width: int = 4, decimals: int | None = None) -> dict:
    made = panel("stat", title, description, [query(expression, "", 0, instant=True)], unit, width, 4, levels)
    made["options"] = {
        "reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": ""},
        "colorMode": "value",
        "graphMode": "none",
        "textMode": "auto",
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "showPercentChange": False,
        "wideLayout": True,
    }
    if not levels:
        made["fieldConfig"]["defaults"]["thresholds"] = steps([(None, "text")])
    if decimals is not None:
        made["fieldConfig"]["defaults"]["decimals"] = decimals
    return made


def graph(title: str, queries: list, unit: str, description: str, levels: list = (), width: int = 12, stack: bool = False) -> dict:
    """Lines over time, of pairs of an expression and a legend."""
    made = panel("timeseries", title, description, [query(*pair, ref) for ref, pair in enumerate(queries)], unit, width, 8, levels)
    made["fieldConfig"]["defaults"] |= {
        "min": 0,
        "color": {"mode": "palette-classic"},
        "custom": {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 25 if stack else 0,
            "showPoints": "never",
            "stacking": {"mode": "normal" if stack else "none", "group": "A"},
            "thresholdsStyle": {"mode": "line" if levels else "off"},
        },
    }
    made["options"] = {
        "legend": {"showLegend": True, "displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return made


def bars(title: str, expression: str, legend: str, unit: str, description: str, levels: list = (), width: int = 8, most: float | None = None) -> dict:
    made = panel("bargauge", title, description, [query(expression, legend, 0, instant=True)], unit, width, 8, levels)
    made["fieldConfig"]["defaults"] |= {"min": 0} | ({} if most is None else {"max": most})
    if not levels:
        made["fieldConfig"]["defaults"]["color"] = {"mode": "palette-classic"}
    made["options"] = {
        "displayMode": "basic",
        "orientation": "horizontal",
        "valueMode": "color",
        "showUnfilled": True,
        "namePlacement": "auto",
        "sizing": "auto",
        "minVizWidth": 8,
        "minVizHeight": 16,
        "maxVizHeight": 300,
        "legend": {"showLegend": False, "displayMode": "hidden", "placement": "bottom", "calcs": []},
        "reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": ""},
    }
    return made


def table(title: str, columns: list, description: str, width: int = 24, height: int = 9, names: dict | None = None) -> dict:
    """A row for each combination of labels; `columns` are pairs of a title and an expression, with a unit and levels."""
    queries = [query(column[1], "", ref, instant=True, table=True) for ref, column in enumerate(columns)]
    made = panel("table", title, description, queries, "short", width, height)
    renamed = dict(names or {})
    for ref, (name, _, unit, *levels) in enumerate(columns):
        value = f"Value #{chr(ord('A') + ref)}" if len(columns) > 1 else "Value"
        renamed[value] = name
        properties = [{"id": "unit", "value": unit}]
        if levels:
            properties += [{"id": "thresholds", "value": steps(levels[0])}, {"id": "custom.cellOptions", "value": {"type": "color-text"}}]
        made["fieldConfig"]["overrides"].append({"matcher": {"id": "byName", "options": name}, "properties": properties})
    made["transformations"] = [
        *([{"id": "merge", "options": {}}] if len(columns) > 1 else []),
        {"id": "organize", "options": {"excludeByName": {"Time": True}, "indexByName": {}, "renameByName": renamed}},
    ]
    made["options"] = {"frameIndex": 0, "showHeader": True, "cellHeight": "sm", "sortBy": [{"displayName": columns[0][0], "desc": True}]}
    return made


def states(title: str, expression: str, legend: str, description: str, width: int = 24) -> dict:
    made = panel("state-timeline", title, description, [query(expression, legend, 0)], "short", width, 8, [(None, OK), (1, BAD)])
    texts = {"0": {"text": "closed", "color": OK, "index": 0}, "1": {"text": "open", "color": BAD, "index": 1}}
    made["fieldConfig"]["defaults"] |= {"color": {"mode": "thresholds"}, "mappings": [{"type": "value", "options": texts}]}
    made["fieldConfig"]["defaults"]["custom"] = {"lineWidth": 0, "fillOpacity": 70}
    made["options"] = {
        "mergeValues": True,
        "showValue": "never",
        "rowHeight": 0.8,
        "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return made


VARIABLES = {
    "team": "sluice_requests_total",
    "app": "sluice_requests_total",
    "model": "sluice_requests_total",
    "provider": "sluice_attempts_total",
    "instance": "sluice_config_info",
}


def variable(name: str) -> dict:
    expression = f"label_values({VARIABLES[name]}, {name})"
    return {
        "type": "query",
        "name": name,
        "label": name.capitalize(),
        "datasource": DATASOURCE,
        "query": {"query": expression, "refId": "variable"},
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
        "refresh": 2,
        "sort": 1,
        "hide": 0,
        "options": [],
        "regex": "",
        "skipUrlSync": False,
    }


def dashboard(name: str, title: str, description: str, variables: list, rows: list) -> dict:
    panels, y = [], 0
    for heading, members in rows:
        panels.append({"type": "row", "title": heading, "collapsed": False, "panels": [], "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}})
        x, y, height = 0, y + 1, 0
        for member in members:
            place = member["gridPos"]
            if x + place["w"] > 24:
                x, y, height = 0, y + height, 0
            place |= {"x": x, "y": y}
            x, height = x + place["w"], max(height, place["h"])
            panels.append(member)
        y += height
    for number, each in enumerate(panels, 1):
        each["id"] = number
    source = {"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus", "hide": 0}
    source |= {"includeAll": False, "multi": False, "options": [], "refresh": 1, "regex": "", "skipUrlSync": False}
    link = {"type": "dashboards", "title": "Sluice", "tags": ["sluice"], "asDropdown": False, "icon": "external link", "tooltip": ""}
    link |= {"includeVars": True, "keepTime": True, "targetBlank": False, "url": ""}
    return {
        "uid": f"sluice-{name}",
        "title": f"Sluice: {title}",
        "description": description,
        "tags": ["sluice"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timepicker": {},
        "fiscalYearStartMonth": 0,
        "annotations": {"list": []},
        "links": [link],
        "templating": {"list": [source, *map(variable, variables)]},
        "panels": panels,
    }


DURATION = "gen_ai_server_request_duration_seconds"
FIRST_TOKEN = "gen_ai_server_time_to_first_token_seconds"
PER_TOKEN = "gen_ai_server_time_per_output_token_seconds"
ATTEMPT = "gen_ai_client_operation_duration_seconds"
FIRST_CHUNK = "gen_ai_client_operation_time_to_first_chunk_seconds"
PER_CHUNK = "gen_ai_client_operation_time_per_output_chunk_seconds"
TOKENS = "gen_ai_client_token_usage"
OVERHEAD = "sluice_overhead_seconds"

FAILURES = f"sum({failures(f'{DURATION}_count', ASKED)})"
ACCEPTED = f"sum({rate(f'{DURATION}_count', ASKED)})"
REJECTED = f"sum({rate('sluice_rejected_requests_total', CALLERS)})"
ALL_REQUESTS = f"sum({rate('sluice_requests_total', CALLERS)})"
FALLBACKS = f"sum({rate('sluice_fallbacks_total', MODEL)})"
COST = rate("sluice_cost_usd_total", REQUESTS)
BUDGET = "max by (budget, period) (sluice_budget_used_ratio)"
OPEN = f"max by (provider, model) (sluice_circuit_open{{{ATTEMPTS}}})"
OF_MODEL = {"gen_ai_request_model": "Model", "provider": "Provider", "route": "Route", "tier": "Tier"}
BY_VARIANT = "gen_ai_request_model, provider, route, tier"


def percentiles(histogram: str, labels: str) -> list:
    return [(quantile(q, histogram, labels), f"p{round(q * 100)}") for q in (0.5, 0.95, 0.99)]


def overview() -> dict:
    return dashboard("overview", "overview", "Whether the gateway serves, how fast, and for how much.", ["team", "app", "model", "provider"], [
        ("Now", [
            stat("Requests", f"sum({rate('sluice_requests_total', REQUESTS)})", "reqps",
                 "Requests, rejected ones included. At 0, check that clients reach the gateway: GET /ready.", width=3),
            stat("Failed", ratio(FAILURES, ACCEPTED), "percentunit",
                 "Accepted requests that failed through no fault of the client. Red: open “providers” and find the provider that fails. The filter on the provider has no effect here: a failed request has none.", [0.01, 0.05], width=3, decimals=2),
            stat("Rejected", ratio(REJECTED, ALL_REQUESTS), "percentunit",
                 "Requests that the gateway rejected: a wrong key, a limit, a budget, a guardrail. Red: the panel “Rejected” has the codes, docs/troubleshooting.md explains them.", [0.05, 0.2], width=3, decimals=2),
            stat("First token, p95", quantile(0.95, FIRST_TOKEN, SERVED), "s",
                 "Time to the first token of streams. Red: open “latency”, and compare the providers.", [2, 10], width=3),
            stat("Cost per hour", f"sum({COST}) * 3600", "currencyUSD", "At the present rate. “Cost” shows who spends it.", width=3),
            stat("Fullest budget", f"max({BUDGET})", "percentunit",
                 "The used part of the budget that is nearest to its end. Red: it is used up; “cost” shows which one.", [0.8, 1], width=3, decimals=1),
            stat("Open circuits", f"sum({OPEN})", "short",
                 "Targets that requests skip because they failed. Red: open “providers”.", [(None, OK), (1, BAD)], width=3),
            stat("Overhead, p99", quantile(0.99, OVERHEAD, ""), "s",
                 "The gateway's own time. Red: open “gateway”; a slow Redis and a busy processor are the usual reasons.", [0.02, 0.05], width=3),
        ]),
        ("Requests", [
            graph("Requests by model", [(named(per(rate("sluice_requests_total", REQUESTS), "model"), "model"), "{{model}}")], "reqps",
                  "`none`: the request was rejected before its model was known.", stack=True),
            graph("Requests by team", [(named(per(rate("sluice_requests_total", REQUESTS), "team"), "team"), "{{team}}")], "reqps",
                  "`none`: the request had no valid key.", stack=True),
            graph("Failed, by error", [(per(rate(f"{DURATION}_count", f'{ASKED},error_type!=""'), "error_type"), "{{error_type}}")], "reqps",
                  "Accepted requests without a complete response. `status_…` is the provider's last status; `interrupted` means that the client left. docs/troubleshooting.md explains each.", stack=True),
            graph("Rejected, by code", [(per(rate("sluice_rejected_requests_total", CALLERS), "code"), "{{code}}")], "reqps",
                  "Requests that the gateway rejected itself. docs/troubleshooting.md explains each code. A rise of one code for one team is usually one client: look at the access log.", stack=True),
        ]),
        ("Speed and cost", [
            graph("Duration", percentiles(DURATION, SERVED), "s", "Whole requests, with their fallbacks. Above 82 s a value counts as 82 s."),
            graph("Time to first token", percentiles(FIRST_TOKEN, SERVED), "s", "Of successful streams. Above 10 s a value counts as 10 s.", [2, 10]),
            graph("Cost per hour by team", [(f"{per(COST, 'team')} * 3600", "{{team}}")], "currencyUSD", "At the present rate.", stack=True),
            graph("Tokens", [(per(rate("sluice_tokens_total", f'{REQUESTS},type=~"input|output"'), "type"), "{{type}}")], "short",
                  "Tokens per second, of all attempts."),
        ]),
    ])


def cost() -> dict:
    spent = "sluice_cost_usd_total"
    by_variant = "model, provider, route, tier"
    requests = total("sluice_requests_total", SPENT, by_variant)
    output = total("sluice_tokens_total", SPENT + ',type="output"', by_variant)
    cached = per(rate("sluice_tokens_total", REQUESTS + ',type="cached_input"'), "model")
    given = per(rate("sluice_tokens_total", REQUESTS + ',type="input"'), "model")
    kept = (f"{per(rate('sluice_prompt_cache_saved_usd_total', REQUESTS), 'model')} - "
            f"{per(rate('sluice_prompt_cache_surcharge_usd_total', REQUESTS), 'model')}")
    return dashboard("cost", "cost", "Who spends how much, on which models, and which budgets are nearly used up.", ["team", "app", "model", "provider"], [
        ("In this time range", [
            stat("Cost", total(spent, REQUESTS), "currencyUSD", "Cost of all attempts, by the prices of the gateway file.", width=5),
            stat("Cost per hour", f"sum({COST}) * 3600", "currencyUSD", "At the present rate.", width=5),
            stat("Cost of 1,000 requests", f"1000 * sum({COST}) / sum({rate('sluice_requests_total', REQUESTS)})", "currencyUSD",
                 "At the present rate, rejected requests included. A rise means longer prompts or dearer models.", width=5),
            stat("Tokens", total("sluice_tokens_total", f'{REQUESTS},type=~"input|output"'), "short", "Input and output.", width=5),
            stat("Saved by the cache", total("sluice_cache_saved_usd_total", CALLERS), "currencyUSD", "The price of the tokens of all cache hits.", width=4),
        ]),
        ("Budgets", [
            bars("Used", BUDGET, "{{budget}}, {{period}}", "percentunit",
                 "The used part of each budget, as of the last request that it allowed. Red: it is used up. Raise it in the gateway file, or wait for its next period. A hard budget already rejects requests a little below 100%.", [0.8, 1], 10, 1),
            table("Budgets", [
                ("Used", BUDGET, "percentunit", [0.8, 1]),
                ("Amount", "max by (budget, period) (sluice_budget_used_usd)", "currencyUSD"),
                ("Budget", "max by (budget, period) (sluice_budget_limit_usd)", "currencyUSD"),
                ("Ends", "1000 * max by (budget, period) (sluice_budget_reset_timestamp_seconds)", "dateTimeFromNow"),
            ], "All budgets. “Ends” is when the period ends; a total budget has no end.", 14, 8, {"budget": "Scope", "period": "Period"}),
            graph("Requests rejected by a budget", [(per(rate("sluice_rejected_requests_total", f'{CALLERS},code="insufficient_quota"'), "team", "app"), "{{team}} {{app}}")], "reqps",
                  "Requests with 429 `insufficient_quota`. Above 0: raise the budget, or set `then_model` to serve a cheaper model.", [(None, OK), (0.001, BAD)], 24),
        ]),
        ("Who spends it", [
            graph("Cost per hour by team", [(f"{per(COST, 'team')} * 3600", "{{team}}")], "currencyUSD", "At the present rate.", stack=True),
            graph("Cost per hour by app", [(named(f"{per(COST, 'app')} * 3600", "app"), "{{app}}")], "currencyUSD", "`none`: keys without an app.", stack=True),
            graph("Cost per hour by model", [(f"{per(COST, 'model')} * 3600", "{{model}}")], "currencyUSD", "By the model that clients request.", stack=True),
            graph("Cost per hour by provider", [(named(f"{per(COST, 'provider')} * 3600", "provider"), "{{provider}}")], "currencyUSD", "By the provider that served. `none`: requests without a complete response.", stack=True),
            bars("By team", total(spent, REQUESTS, "team"), "{{team}}", "currencyUSD", "Cost in the time range."),
            bars("By app", named(total(spent, REQUESTS, "app"), "app"), "{{app}}", "currencyUSD", "Cost in the time range. `none`: keys without an app."),
            bars("By model", total(spent, REQUESTS, "model"), "{{model}}", "currencyUSD", "Cost in the time range."),
        ]),
        ("Tokens", [
            graph("Tokens by type", [(per(rate("sluice_tokens_total", REQUESTS), "type"), "{{type}}")], "short",
                  "Tokens per second. `cached_input` and `cache_write` are parts of `input`, `reasoning` is a part of `output`."),
            graph("Input from the provider's cache", [(f"{cached} / ({given} > 0)", "{{model}}")], "percentunit",
                  "A fall raises the cost: the beginning of prompts changes more often, or requests of one conversation reach different providers (`sticky: conversation`)."),
            graph("Saved per hour by the providers' caches", [(f"({kept}) * 3600", "{{model}}")], "currencyUSD",
                  "At the present rate: the saving on cached input, minus the surcharge of writes. Below 0: marked prompts are not repeated; set `prompt_cache: off`.", width=24),
        ]),
        ("A/B: cost by variant", [
            table("Cost by model, provider, route and tier", [
                ("Cost", total(spent, SPENT, by_variant), "currencyUSD"),
                ("Requests", requests, "short"),
                ("Per request", f"{total(spent, SPENT, by_variant)} / ({requests} > 0)", "currencyUSD"),
                ("Output tokens per request", f"{output} / ({requests} > 0)", "short"),
            ], "Compares targets of one model in the time range. Route is the number of the model's entry in `routes`; empty without one. A row without a tier came from the cache.",
                names={"model": "Model", "provider": "Provider", "route": "Route", "tier": "Tier"}),
        ]),
    ])


def providers() -> dict:
    attempts = "sluice_attempts_total"
    failed = failures(attempts, ATTEMPTS)
    return dashboard("providers", "providers", "Which provider fails, how, and where requests go instead.", ["model", "provider"], [
        ("Now", [
            stat("Attempts", f"sum({rate(attempts, ATTEMPTS)})", "reqps", "More attempts than requests are retries and fallbacks.", width=6),
            stat("Failed attempts", ratio(f"sum({failed})", f"sum({rate(attempts, ATTEMPTS)})"), "percentunit",
                 "Red: a provider fails. The panels below name it and the reason; its status page usually knows.", [0.05, 0.2], 6, 2),
            stat("Fallbacks", ratio(FALLBACKS, f"sum({rate('sluice_requests_total', MODEL)})"), "percentunit",
                 "Moves to another target, per request. Red: clients do not notice yet, but cost and latency change.", [0.05, 0.2], 6, 2),
            stat("Open circuits", f"sum({OPEN})", "short", "Targets that requests skip. Red: see “Circuits” below.", [(None, OK), (1, BAD)], 6),
        ]),
        ("Health", [
            graph("Failed attempts by provider", [(f"({per(failed, 'provider')} or 0 * {per(rate(attempts, ATTEMPTS), 'provider')}) / {per(rate(attempts, ATTEMPTS), 'provider')}", "{{provider}}")], "percentunit",
                  "The failed part of all attempts. Mistakes of clients, and clients that left, do not count.", [0.05, 0.2]),
            graph("Failures by reason", [(per(failed, "provider", "error_type"), "{{provider}} {{error_type}}")], "reqps",
                  "`status_429`: raise the provider's quota, or add a target. `status_401`: replace the key. `status_404`: the provider does not have the target's model. `timeout` and `no_answer`: the network, or the provider is down.", stack=True),
            states("Circuits", OPEN, "{{provider}} {{model}}",
                   "Red: requests skip the target, but for a probe now and then. Nothing to do if another target serves; otherwise see “Failures by reason”."),
            graph("Attempts by provider", [(per(rate(attempts, ATTEMPTS), "provider"), "{{provider}}")], "reqps", "All attempts, failed ones too.", stack=True),
            graph("Requests by provider", [(per(rate("sluice_requests_total", 'model=~"$model",provider=~"$provider",provider!=""'), "provider"), "{{provider}}")], "reqps",
                  "By the provider that served: the distribution of the traffic.", stack=True),
        ]),
        ("Fallbacks", [
            graph("Fallbacks by reason", [(per(rate("sluice_fallbacks_total", MODEL), "model", "reason"), "{{model}} {{reason}}")], "reqps",
                  "Moves from one target to another, by the reason of the failed attempt.", stack=True),
            graph("Responses of a lower tier", [("sum(rate(sluice_lower_tier_responses_total[$__rate_interval]))", "lower tier")], "reqps",
                  "Responses from a target of a lower tier than the model's best. Above 0, clients get a weaker model than they asked for."),
            table("From where to where", [("Fallbacks", f"{total('sluice_fallbacks_total', MODEL, 'model, from, to, reason')} > 0", "short")],
                  "Moves in the time range.", names={"model": "Model", "from": "From", "to": "To", "reason": "Reason"}),
        ]),
        ("Speed", [
            graph("Duration of attempts, p95", [(quantile(0.95, ATTEMPT, ATTEMPTS, "provider"), "{{provider}}")], "s", "One attempt, failed ones too."),
            graph("Time to first chunk, p95", [(quantile(0.95, FIRST_CHUNK, ATTEMPTS, "provider"), "{{provider}}")], "s", "From the start of the attempt to the first chunk of its stream.", [2, 10]),
        ]),
    ])


def latency() -> dict:
    failed = per(failures(f"{DURATION}_count", ASKED, "increase", "$__range"), "gen_ai_request_model", "error_type")
    return dashboard("latency", "latency", "How long clients wait, and for which model, provider, route and tier.", ["model", "provider"], [
        ("Requests", [
            graph("Duration", percentiles(DURATION, SERVED), "s", "Whole requests, with their fallbacks, to the last byte. Long responses take long: compare with “Time per output token”."),
            graph("Duration by model, p95", [(quantile(0.95, DURATION, SERVED, "gen_ai_request_model"), "{{gen_ai_request_model}}")], "s", "By the model that clients request."),
        ]),
        ("Streams", [
            graph("Time to first token", percentiles(FIRST_TOKEN, SERVED), "s", "Of successful streams. Red: a slow provider, or fallbacks after a timeout: see “providers”.", [2, 10]),
            graph("Time to first token by model, p95", [(quantile(0.95, FIRST_TOKEN, SERVED, "gen_ai_request_model"), "{{gen_ai_request_model}}")], "s", "Responses that are delivered whole, and those that a guardrail checks, have their first token late."),
            graph("Time to first token by provider, p95", [(quantile(0.95, FIRST_TOKEN, SERVED, "provider"), "{{provider}}")], "s", "Red: move weight to another provider, or lower `timeouts.first_token`.", [2, 10]),
            graph("Time per output token by provider", [(quantile(q, PER_TOKEN, SERVED, "provider"), f"{{{{provider}}}} p{round(q * 100)}") for q in (0.5, 0.95)], "s",
                  "After the first token. 0.02 s is 50 tokens a second. Below 10 ms all values count as up to 10 ms."),
        ]),
        ("A/B: speed by variant", [
            table("Speed by model, provider, route and tier", [
                ("Requests", f"sum by ({BY_VARIANT}) (increase({DURATION}_count{{{SERVED_BY}}}[$__range]))", "short"),
                ("Duration p50", f"histogram_quantile(0.5, sum by (le, {BY_VARIANT}) (rate({DURATION}_bucket{{{SERVED_BY}}}[$__range])))", "s"),
                ("Duration p95", f"histogram_quantile(0.95, sum by (le, {BY_VARIANT}) (rate({DURATION}_bucket{{{SERVED_BY}}}[$__range])))", "s"),
                ("First token p50", f"histogram_quantile(0.5, sum by (le, {BY_VARIANT}) (rate({FIRST_TOKEN}_bucket{{{SERVED}}}[$__range])))", "s"),
                ("First token p95", f"histogram_quantile(0.95, sum by (le, {BY_VARIANT}) (rate({FIRST_TOKEN}_bucket{{{SERVED}}}[$__range])))", "s", [2, 10]),
                ("Output token p50", f"histogram_quantile(0.5, sum by (le, {BY_VARIANT}) (rate({PER_TOKEN}_bucket{{{SERVED}}}[$__range])))", "s"),
            ], "Compares targets of one model in the time range. Route is the number of the model's entry in `routes`; empty without one. A row without a tier came from the cache.", names=OF_MODEL),
            table("Failed requests by model", [("Failed", f"{failed} > 0", "short")],
                  "Failures in the time range. A request that no provider served has no provider, route or tier: compare providers by their attempts, in “providers”.",
                  12, 8, {"gen_ai_request_model": "Model", "error_type": "Error"}),
            graph("Duration by route and tier, p95", [(quantile(0.95, DURATION, SERVED_BY, "gen_ai_request_model, route, tier"), "{{gen_ai_request_model}} route {{route}} tier {{tier}}")], "s", "A/B tests of `routes`, and the price of a lower tier."),
        ]),
        ("Attempts", [
            graph("Time between chunks by provider, p95", [(quantile(0.95, PER_CHUNK, ATTEMPTS, "provider"), "{{provider}}")], "s", "A rise means that streams stutter."),
            graph("Tokens per attempt, p95", [(quantile(0.95, TOKENS, ATTEMPTS, "gen_ai_token_type"), "{{gen_ai_token_type}}")], "short", "Long prompts raise the time to the first token, long responses the duration."),
        ]),
    ])


def cache() -> dict:
    requests = "sluice_cache_requests_total"
    asked = f'{CALLERS},result=~"hit|shared|semantic|miss"'
    hits = f'{CALLERS},result=~"hit|shared|semantic"'
    return dashboard("cache", "cache", "What the response cache saves.", ["team", "app", "model"], [
        ("In this time range", [
            stat("Hit ratio", f"{total(requests, hits)} / {total(requests, asked)}", "percentunit",
                 "Hits, of the requests that the cache could answer: `hit`, `shared` (in Redis) and `semantic` (of a similar request). Without the semantic cache only exact repetitions are hits; low values are normal for conversations.", width=6, decimals=1),
            stat("Saved", total("sluice_cache_saved_usd_total", CALLERS), "currencyUSD", "The price of the tokens of all hits.", width=6),
            stat("Tokens saved", total("sluice_cache_saved_tokens_total", CALLERS), "short", "Input and output.", width=6),
            stat("Stored responses", total("sluice_cache_stored_responses_total", CALLERS), "short", "Many more than hits: raise `cache.ttl`, or remove the cache from the model.", width=6),
        ]),
        ("Requests", [
            graph("Requests by result", [(per(rate(requests, CALLERS), "result"), "{{result}}")], "reqps",
                  "`bypass`: the request is not cacheable, or its client asked for a new response. docs/cache.md lists the reasons.", stack=True),
            graph("Hit ratio by model", [(f"{per(rate(requests, hits), 'model')} / ({per(rate(requests, asked), 'model')} > 0)", "{{model}}")], "percentunit",
                  "Hits as above. A sudden fall: prompts have begun to contain a time or an id, or a reload changed the model's guardrails."),
        ]),
        ("Savings", [
            graph("Saved per hour by team", [(f"{per(rate('sluice_cache_saved_usd_total', CALLERS), 'team')} * 3600", "{{team}}")], "currencyUSD", "At the present rate.", stack=True),
            graph("Tokens saved", [(per(rate("sluice_cache_saved_tokens_total", CALLERS), "type"), "{{type}}")], "short", "Tokens per second."),
            graph("Stored responses by model", [(per(rate("sluice_cache_stored_responses_total", CALLERS), "model"), "{{model}}")], "short", "Responses per second. Older ones make room when `cache.memory` is full.", width=24),
        ]),
    ])


def guardrails() -> dict:
    actions = "sluice_guard_actions_total"
    labels = 'team=~"$team",model=~"$model"'
    blocked = f'{labels},action="block"'
    rejected = f'{CALLERS},code="guardrail_blocked"'.replace('app=~"$app",', "")
    results = "sluice_content_filter_total"
    return dashboard("guardrails", "guardrails", "What guardrails, their judges and the providers' content filters find, and what they do with it.", ["team", "model"], [
        ("In this time range", [
            stat("Matches", total(actions, labels), "short", "All matches: blocked, masked and logged.", width=6),
            stat("Blocks", total(actions, blocked), "short", "Matches that blocked a prompt or a response.", width=6),
            stat("Masks", total(actions, f'{labels},action="mask"'), "short", "Matches that were replaced in a prompt.", width=6),
            stat("Rejected requests", f"{total('sluice_rejected_requests_total', rejected)} / {total('sluice_requests_total', labels)}", "percentunit",
                 "Requests that a guardrail rejected. Red: one application sends such data again and again, or a pattern matches too much. The access log names the keys.", [0.01, 0.05], 6, 2),
        ]),
        ("Matches", [
            graph("By action", [(per(rate(actions, labels), "action"), "{{action}}")], "short", "Matches per second.", stack=True),
            graph("By guardrail", [(per(rate(actions, labels), "guard"), "{{guard}}")], "short", "By the name in the gateway file. A sudden rise after a reload: a new pattern matches too much.", stack=True),
            graph("By what was found", [(per(rate(actions, labels), "finding"), "{{finding}}")], "short", "The detector, or the name of the pattern.", stack=True),
            graph("By team", [(per(rate(actions, labels), "team"), "{{team}}")], "short", "Talk to the team whose matches rise: its prompts contain data that no provider is to see.", stack=True),
            graph("Blocks by guardrail and model", [(per(rate(actions, blocked), "guard", "model"), "{{guard}} {{model}}")], "short", "Each is a request that failed, or a response that was replaced by another target's.", width=24),
            table("All matches", [("Matches", f"{total(actions, labels, 'team, model, guard, finding, side, action')} > 0", "short")], "In the time range.",
                  names={"team": "Team", "model": "Model", "guard": "Guardrail", "finding": "Found", "side": "In", "action": "Action"}),
        ]),
        ("Judges", [
            graph("Calls by result", [(per(rate("sluice_judge_calls_total", labels), "judge", "result"), "{{judge}} {{result}}")], "reqps",
                  "Calls to services that guardrails ask. `error`: the judge did not respond in time, or not with a verdict, and `on_error` decided. If that rises, check the service, then `judges.*.timeout`.", width=8, stack=True),
            graph("Duration, p99", [(quantile(0.99, "sluice_judge_duration_seconds", labels, "judge"), "{{judge}}")], "s",
                  "The time until the verdict on a request. Requests wait for it, except with `during`. Above 82 s a value counts as 82 s.", [1, 5], 8),
            graph("Cost per hour", [(f"{per(rate('sluice_judge_cost_usd_total', labels), 'judge')} * 3600", "{{judge}}")], "currencyUSD",
                  "At the present rate, by the `price` of the judge. It is not a part of the cost of requests.", width=8, stack=True),
        ]),
        ("Content filters of providers", [
            graph("By provider and action", [(per(rate(results, labels), "provider", "action"), "{{provider}} {{action}}")], "short",
                  "Results per second, of the filters of Azure, Google, AWS and Anthropic. `blocked` is an error for the client, or a response that ends early.", stack=True),
            graph("By category", [(per(rate(results, labels), "category", "side"), "{{category}} in the {{side}}")], "short",
                  "What the filters found, and where. `other`: the provider does not say what.", stack=True),
            table("All results", [("Results", f"{total(results, labels, 'team, model, provider, side, category, action')} > 0", "short")],
                  "In the time range. Talk to the team whose prompts are blocked, or change the filter's levels at the provider.",
                  names={"team": "Team", "model": "Model", "provider": "Provider", "side": "In", "category": "Category", "action": "Action"}),
        ]),
    ])


def gateway() -> dict:
    here = 'instance=~"$instance"'
    clients = 'envoy_http_conn_manager_prefix="sluice"'
    # Envoy's cluster for requests without a provider.
    providers_only = 'envoy_cluster_name!="none"'
    events = [
        ("sluice_unchecked_requests_total", "passed without a check"),
        ("sluice_unleased_reservations_total", "without a lease"),
        ("sluice_dropped_settlements_total", "settlement dropped"),
        ("sluice_overload_rejections_total", "overloaded"),
    ]
    return dashboard("gateway", "gateway and Envoy", "The gateway's own time, its state, and Envoy below it.", ["instance"], [
        ("Now", [
            stat("Instances", 'sum(up{job="sluice"})', "short", "Gateways that Prometheus can scrape. Red: none; check GET /ready and the scraper's key.", [(None, BAD), (1, OK)]),
            stat("Configurations", f"count(count by (version) (sluice_config_info{{{here}}}))", "short",
                 "Gateway files in use. More than one for longer than a rollout: an instance did not get the last file, or rejected it.", [(None, OK), (2, WARNING)]),
            stat("Last reload", f"min(sluice_config_last_reload_successful{{{here}}})", "bool_yes_no",
                 "Whether the last gateway file is in force. “No”: an instance rejected it and keeps the file before; its log and GET /admin/v1/config name the mistakes.", [(None, BAD), (1, OK)]),
            stat("Overhead, p99", quantile(0.99, OVERHEAD, here), "s", "Red: see “Overhead” below.", [0.02, 0.05]),
            stat("In flight", f"sum(sluice_requests_in_flight{{{here}}})", "short", "Requests now, of all instances."),
            stat("Settlement backlog", f"sum(sluice_settlement_backlog{{{here}}})", "short",
                 "Settlements that wait for Redis. Red: Redis is slow or down; counts of limits and budgets lag behind.", [100, 1000]),
        ]),
        ("The gateway's own time", [
            graph("Overhead", percentiles(OVERHEAD, here), "s",
                  "From the complete request to its first attempt, or to the gateway's own response. Red: check Redis (`mode: strict` asks it for each request), the processor, and large prompts with guardrails.", [0.02, 0.05]),
            graph("Overhead by operation, p99", [(quantile(0.99, OVERHEAD, here, "gen_ai_operation_name"), "{{gen_ai_operation_name}}")], "s", "The operation that takes long."),
            graph("Requests in flight", [(per(f"sluice_requests_in_flight{{{here}}}", "instance"), "{{instance}}")], "short", "Requests that have not ended. A steady rise: providers became slow, or clients do not read their streams."),
            graph("Requests by instance", [(per(rate("sluice_requests_total", here), "instance"), "{{instance}}")], "reqps", "Uneven: the load balancer prefers an instance.", stack=True),
        ]),
        ("Limits, budgets and Redis", [
            graph("Settlement backlog", [(per(f"sluice_settlement_backlog{{{here}}}", "instance"), "{{instance}}")], "short", "Settlements that wait to be sent to Redis. Red: Redis is slow or down.", [100, 1000]),
            graph("Redis calls without a valid reply", [(per(rate("sluice_redis_failed_calls_total", here), "instance"), "{{instance}}")], "short", "Calls per second. Above 0: check Redis and its HTTP server; `redis.when_down` decides what happens to requests.", [(None, OK), (0.001, BAD)]),
            graph("Exceptions", [(f"sum({rate(metric, here)})", legend) for metric, legend in events], "short",
                  "Events per second; all should be 0. “Passed without a check” and “settlement dropped”: Redis. “Without a lease”: too many requests at once for one shard. “Overloaded”: raise `memory.worker` or `memory.key`, or add instances.", [(None, OK), (0.001, BAD)], 24),
        ]),
        ("Configuration and metrics", [
            table("Gateway files in use", [("Instances", f"count by (version) (sluice_config_info{{{here}}})", "short")], "One row, except during a rollout.", 8, 8, {"version": "Version"}),
            graph("Age of the gateway file", [(f"time() - max by (instance) (sluice_config_last_reload_success_timestamp_seconds{{{here}}})", "{{instance}}")], "s", "Since the last successful reload.", width=8),
            graph("Time series", [(f'count by (instance) ({{__name__=~"sluice_.+|gen_ai_.+",{here}}})', "{{instance}}")], "short",
                  "The gateway's own. At `metrics.series` (10,000 by default) further label values are reported as `other`: raise it, or set `metrics.key_label: false`.", [8000, 10000], 8),
            graph("Duration of scrapes", [('scrape_duration_seconds{job=~"sluice.*"}', "{{job}} {{instance}}")], "s", "Red: near Prometheus' timeout, 10 s. Reduce the time series, or scrape less often.", [2, 10], 24),
        ]),
        ("Envoy", [
            graph("Client connections", [(f"sum by (instance) (envoy_http_downstream_cx_active{{{clients}}})", "{{instance}}")], "short", "Open connections of clients."),
            graph("Responses by class", [(f"sum by (envoy_response_code_class) (rate(envoy_http_downstream_rq_xx{{{clients}}}[$__rate_interval]))", "{{envoy_response_code_class}}xx")], "reqps", "What clients receive.", stack=True),
            graph("Connections to providers", [(f"sum by (envoy_cluster_name) (envoy_cluster_upstream_cx_active{{{providers_only}}})", "{{envoy_cluster_name}}")], "short", "Open connections, by provider."),
            graph("Requests that wait for a connection", [(f"sum by (envoy_cluster_name) (envoy_cluster_upstream_rq_pending_active{{{providers_only}}})", "{{envoy_cluster_name}}")], "short", "Above 0 for long: the provider accepts connections slowly."),
            graph("Failed connections to providers", [
                (f"sum by (envoy_cluster_name) (rate(envoy_cluster_upstream_cx_connect_fail{{{providers_only}}}[$__rate_interval]))", "{{envoy_cluster_name}} failed"),
                (f"sum by (envoy_cluster_name) (rate(envoy_cluster_upstream_rq_pending_overflow{{{providers_only}}}[$__rate_interval]))", "{{envoy_cluster_name}} overflow"),
            ], "short", "Per second; both should be 0. “Failed”: DNS, the network, TLS, or the provider. “Overflow”: more requests than Envoy allows.", [(None, OK), (0.001, BAD)]),
            graph("Traffic of providers", [(f"sum by (envoy_cluster_name) (rate(envoy_cluster_upstream_cx_rx_bytes_total{{{providers_only}}}[$__rate_interval]))", "{{envoy_cluster_name}}")], "Bps", "Bytes received.", stack=True),
            graph("Memory", [
                ("max by (instance) (envoy_server_memory_allocated)", "{{instance}} allocated"),
                ("max by (instance) (envoy_server_memory_physical_size)", "{{instance}} physical"),
            ], "bytes", "Of one Envoy. docs/performance.md has the usual sizes."),
            graph("Heap pressure", [("max by (instance) (envoy_overload_envoy_resource_monitors_fixed_heap_pressure) / 100", "{{instance}}")], "percentunit", "Memory in use, of the bound. Near 100% Envoy rejects requests with 503: add instances or memory.", [0.8, 0.95]),
        ]),
    ])


def dashboards() -> dict:
    """All dashboards by the names of their files."""
    made = (overview, cost, providers, latency, cache, guardrails, gateway)
    return {f"{each.__name__}.json": json.dumps(each(), indent=1, ensure_ascii=False) + "\n" for each in made}


if __name__ == "__main__":
    DIRECTORY.mkdir(exist_ok=True)
    for name, text in dashboards().items():
        (DIRECTORY / name).write_text(text)
