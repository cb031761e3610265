"""Computes the results and prints the tables."""

import platform
import statistics
from pathlib import Path


def machine(envoy):
    """The machine and the Envoy of the run."""
    model = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    version = [part for part in Path(envoy).parts if part.startswith("envoy-")]
    return {"processor": (model or [platform.machine()])[0], "kernel": platform.release(), "envoy": version[-1] if version else str(envoy)}


def figures(row, base):
    per = row.per
    result = {
        "name": row.name,
        "base": base.name,
        "throughput_ratio": round(statistics.median(a / b for a, b in zip(row.rates, base.rates)), 3),
        "added_cpu_us": round(statistics.median((a - b) / per for a, b in zip(row.cpu, base.cpu)), 2),
        "cpu_us": round(statistics.median(row.cpu) / per, 2),
        "bare_cpu_us": round(statistics.median(base.cpu) / per, 2),
        "per": "event" if row.stream else "request",
        "per_second": round(row.rate() * per),
        "busy": round(statistics.median(row.busy), 3),
    }
    if row.half:
        for index, name in enumerate(("p50", "p99")):
            result[f"{name}_us"] = round(statistics.median(own[index] - plain[index] for own, plain in row.half), 1)
            result[f"half_load_{name}_us"] = round(statistics.median(own[index] for own, _ in row.half), 1)
            result[f"bare_half_load_{name}_us"] = round(statistics.median(plain[index] for _, plain in row.half), 1)
            result[f"saturated_{name}_us"] = round(statistics.median(pair[index] for pair in row.saturated), 1)
    return result


def table(results, bases):
    width = max([20, *(len(one["name"]) for one in results), *(len(base.name) for base in bases)]) + 2
    line = f"{{:<{width}}}" + "{:>12}{:>12}{:>12}{:>12}{:>12}{:>13}{:>8}"
    print(line.format("", "throughput", "CPU", "added CPU", "added p50", "added p99", "per second", "busy"))
    print(line.format("", "of bare", "", "", "half load", "half load", "", ""))
    for one in results:
        added = [f"{one[name]:+,.0f} us" if name in one else "" for name in ("p50_us", "p99_us")]
        cpu = [f"{one['cpu_us']:,.1f} us", f"{one['added_cpu_us']:+,.1f} us"]
        print(line.format(one["name"], f"{one['throughput_ratio']:.2f}", *cpu, *added, f"{one['per_second']:,}", f"{one['busy']:.0%}"))
    for base in bases:
        rate, cpu = f"{base.rate() * base.per:,.0f}", f"{statistics.median(base.cpu) / base.per:,.1f} us"
        print(line.format(base.name, "1.00", cpu, "", "", "", rate, f"{statistics.median(base.busy):.0%}"))
    others = {one["base"]: [] for one in results if one["base"] not in ("bare", "bare_stream")}
    for one in results:
        if one["base"] in others:
            others[one["base"]].append(one["name"])
    print("\nstreams count events of 40 bytes of text, and are compared with bare_stream; the others count requests")
    for base, names in others.items():
        told = "direct, an answer that Envoy gives by itself" if base == "direct" else base
        print(f"{', '.join(names)} is compared with {told}")
    if any(statistics.median(base.busy) < 0.95 for base in bases):
        print("note: bare Envoy was not at its limit, the load was: its true throughput is higher, the CPU figures hold")


def checks(rows):
    """Prints the cost of limit and budget checks: the difference between two otherwise equal rows."""
    by_name = {row.name: row for row in rows}
    if not {"same_dialect", "limited"} <= by_name.keys():
        return
    pairs = list(zip(by_name["limited"].cpu, by_name["same_dialect"].cpu))
    ratio = statistics.median(limited / same for limited, same in pairs)
    added = statistics.median(limited - same for limited, same in pairs)
    print(f"4 limits and 2 budgets: {ratio:.2f} of the CPU of the same request without ({added:+.1f} us)\n")
