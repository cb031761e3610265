"""Measures paced streams, with an event every 20 ms, like a model's output: the latency that a server adds to each event, the time from
a request to its first event, and the number of separate events that reach the client in one read. In a saturated stream, merging would look
like speed."""

import statistics

from rows import PACED_EVENTS

STREAMS = 8


def measure(stage, rows, progress):
    """Measures interleaved rounds; each row's delays are compared with bare Envoy's in the same round."""
    options, rounds = stage.options, []
    for number in range(options.rounds):
        progress(f"paced streams, round {number + 1} of {options.rounds}")
        one = {}
        for row in rows:
            # At least one second: a stream takes slightly longer.
            result = stage.load(row, max(options.seconds, 1), connections=STREAMS, paced=True)
            if result["stamped"] != PACED_EVENTS * result["requests"]:
                raise SystemExit(f"bench: {row.name}: {result['stamped']} events came with their time, of {result['requests']} streams")
            one[row.name] = result
        rounds.append(one)
    return [figures(row.name, rounds) for row in rows]


def figures(name, rounds):
    result = {"name": name, "events": sum(one[name]["stamped"] for one in rounds), "merged": sum(one[name]["merged"] for one in rounds)}
    for time, added in (("delay", "added"), ("first", "added_first")):
        for rank in ("p50", "p99"):
            key = f"{time}_{rank}_us"
            result[key] = round(statistics.median(one[name][key] for one in rounds), 1)
            result[f"{added}_{rank}_us"] = round(statistics.median(one[name][key] - one["bare_paced"][key] for one in rounds), 1)
    return result


def show(results):
    print(f"\npaced streams: an event each 20 ms, {STREAMS} streams at a time; from the provider's write to the client's read")
    line = "{:<24}" + "{:>13}" * 6 + "{:>8}{:>8}"
    print(line.format("", "p50", "p99", "added p50", "added p99", "first: p50", "p99", "events", "merged"))
    for one in results:
        bare = one["name"] == "bare_paced"
        times = [f"{one[f'delay_{rank}_us']:,.0f} us" for rank in ("p50", "p99")]
        added = ["" if bare else f"{one[f'{time}_{rank}_us']:+,.0f} us" for time in ("added", "added_first") for rank in ("p50", "p99")]
        print(line.format(one["name"], *times, *added, one["events"], one["merged"]))
    print("first: the time from a request to its first event, added to bare Envoy's")
