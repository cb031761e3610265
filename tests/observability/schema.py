"""Checks a dashboard against the types that Grafana publishes: the dashboard, and each panel with the options, the field settings and the
queries of its own kind. TypeScript rejects a wrong type, a missing field, an unknown word of an enumeration, and an unknown field.
"""

import json
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
RAW = "./node_modules/@grafana/schema/dist/esm/raw"
QUERY = "./node_modules/grafana-schema-10/dist/esm/raw/composable/prometheus/dataquery/x/PrometheusDataQuery_types.gen"
KINDS = {
    "stat": "StatPanelCfg",
    "timeseries": "TimeSeriesPanelCfg",
    "bargauge": "BarGaugePanelCfg",
    "table": "TablePanelCfg",
    "state-timeline": "StateTimelinePanelCfg",
}

HEAD = f"""
import type * as core from "{RAW}/dashboard/x/dashboard_types.gen";
import type {{ PrometheusDataQuery }} from "{QUERY}";
// The words of an enumeration, which JSON has as plain text.
type Plain<T> = unknown extends T ? T : T extends string ? `${{T}}` : T extends number | boolean | null | undefined ? T
    : T extends Array<infer Item> ? Plain<Item>[] : {{ [Key in keyof T]: Plain<T[Key]> }};
// `datasource` is a reference, and `value: null` is the first step of thresholds: JSON has no -Infinity.
type Step = Omit<core.Threshold, "value"> & {{ value: number | null }};
type Defaults<Custom> = Omit<core.FieldConfig, "custom" | "thresholds"> & {{ custom?: Custom; thresholds?: {{ mode: core.ThresholdsMode; steps: Step[] }} }};
type Query = Omit<PrometheusDataQuery, "datasource"> & {{ datasource: core.DataSourceRef }};
type Of<Options, Custom> = Plain<Omit<core.Panel, "options" | "fieldConfig" | "targets"> & {{
    options: Options; targets: Query[]; fieldConfig: Omit<core.FieldConfigSource, "defaults"> & {{ defaults: Defaults<Custom> }} }}>;
"""


def source(dashboard: dict) -> str:
    """The dashboard as a TypeScript program, whose types are Grafana's."""
    lines = [HEAD]
    for kind, name in KINDS.items():
        folder = kind.replace("-", "")
        lines.append(f'import type * as {folder} from "{RAW}/composable/{folder}/panelcfg/x/{name}_types.gen";')
    rest = {key: value for key, value in dashboard.items() if key != "panels"}
    lines.append(f'export const dashboard: Plain<Omit<core.Dashboard, "panels">> = {json.dumps(rest)};')
    for panel in dashboard["panels"]:
        kind = panel["type"].replace("-", "")
        # The state of a stat and of a bar gauge has no field settings of its own.
        custom = "never" if kind in ("stat", "bargauge") else f"{kind}.FieldConfig"
        kept = "Plain<core.RowPanel>" if kind == "row" else f"Of<{kind}.Options, {custom}>"
        lines.append(f"export const panel{panel['id']}: {kept} = {json.dumps(panel)};")
    return "\n".join(lines)


def mistakes(dashboards: dict, directory: Path) -> str:
    """TypeScript's messages about these dashboards, by name."""
    (directory / "node_modules").symlink_to(HERE / "node_modules")
    for name, dashboard in dashboards.items():
        (directory / f"{name}.ts").write_text(source(dashboard))
    options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "preserve", "--moduleResolution", "bundler"]
    files = [f"{name}.ts" for name in dashboards]
    tsc = [str(HERE / "node_modules" / ".bin" / "tsc"), *options, "--preserveSymlinks", *files]
    return subprocess.run(tsc, cwd=directory, capture_output=True, text=True, check=False).stdout
