"""Draws each panel's data into a picture, to be looked at: run --draw DIR. Needs matplotlib."""

import json
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

UNITS = {"percentunit": (100, "%"), "currencyUSD": (1, "$"), "s": (1, "s"), "reqps": (1, "/s"), "bytes": (1 / 2**20, "MiB"), "Bps": (1 / 1024, "KiB/s")}


def legend(target: dict, series: dict) -> str:
    labels = series["metric"]
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), target["legendFormat"]) or json.dumps(labels)


def draw(name: str, dashboard: dict, prometheus: object, filled: Callable, directory: str) -> None:
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    rows = -(-len(panels) // 3)
    figure, axes = plt.subplots(rows, 3, figsize=(24, 4 * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, panel in zip(axes.flat, panels):
        unit = panel["fieldConfig"]["defaults"]["unit"]
        factor, text = UNITS.get(unit, (1, unit))
        axis.set_title(f"{panel['title']} [{text}]")
        lines = []
        for target in panel["targets"]:
            expression = filled(target["expr"])
            if not target["instant"]:
                axis.axis("on")
                for series in prometheus.range(expression):
                    times = [datetime.fromtimestamp(at) for at, _ in series["values"]]
                    axis.plot(times, [float(value) * factor for _, value in series["values"]], label=legend(target, series))
                continue
            for series in prometheus.query(expression):
                label = " ".join(value or "-" for value in series["metric"].values()) if target["format"] == "table" else legend(target, series)
                lines.append(f"{target['refId']} {label}: {float(series['value'][1]) * factor:.6g}")
        if lines:
            axis.text(0, 1, "\n".join(lines[:24]), va="top", fontsize=7, family="monospace")
        elif axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize=6)
            axis.tick_params(axis="x", labelsize=6)
    Path(directory).mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(Path(directory) / f"{name}.png", dpi=60)
    plt.close(figure)
