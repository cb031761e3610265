"""Finds the requests per second that a server answers at a p99 below 10 ms, by a binary search below the rate of a closed loop. Each
step measures every row once, so that the rows share the machine's noise. A failed rate is tried twice, because a single
hiccup would halve the remaining range."""

LATENCY_US = 10_000
STEPS = 6  # to a 64th of the closed loop's rate
CONNECTIONS = 64


class Search:
    def __init__(self, row, most):
        self.row, self.low, self.high, self.best = row, 0.0, most, None

    def step(self, stage):
        rate = (self.low + self.high) / 2
        if result := self.attempt(stage, rate) or self.attempt(stage, rate):
            self.low, self.best = rate, result
        else:
            self.high = rate

    def attempt(self, stage, rate):
        """The result at this rate; `None` if the server did not keep up."""
        result = stage.load(self.row, stage.options.seconds, rate=rate, connections=CONNECTIONS, tolerant=True)
        kept = result["requests"] / stage.options.seconds >= 0.95 * rate
        return result if kept and not result["errors"] and result["p99_us"] < LATENCY_US else None


def measure(stage, rows, progress):
    rows = [row for row in rows if row.ceiling]
    searches = []
    for row in rows:
        # A fresh measurement: this part may run without the rows, and the machine's speed may have changed.
        result = stage.load(row, stage.options.seconds)
        searches.append(Search(row, result["requests"] / result["seconds"]))
    for number in range(STEPS):
        progress(f"requests a second below 10 ms, step {number + 1} of {STEPS}")
        for search in searches:
            search.step(stage)
    return [figures(search, searches[0]) for search in searches]


def figures(search, bare):
    return {
        "name": search.row.name, "per_second": round(search.low), "of_bare": round(search.low / bare.low, 3) if bare.low else None,
        "p99_us": search.best and search.best["p99_us"],
    }


def show(results):
    print(f"\nrequests a second at a p99 below {LATENCY_US // 1000} ms, in an open loop")
    line = "{:<22}{:>12}{:>12}{:>12}"
    print(line.format("", "per second", "of bare", "p99"))
    for one in results:
        ratio = f"{one['of_bare']:.2f}" if one["of_bare"] is not None else ""
        p99 = f"{one['p99_us']:,.0f} us" if one["p99_us"] is not None else "never"
        print(line.format(one["name"], f"{one['per_second']:,}", ratio, p99))
