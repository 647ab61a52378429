"""Writes what a run measured into docs/performance.md, between its two marks.

python -m bench.page [bench/results.json]
"""

import json
import statistics
import sys
from pathlib import Path

from bench import plan
from bench.about import in_words
from bench.report import number

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- measured -->\n", "<!-- /measured -->\n"
CLIENTS = (
    plan.KTORWS,
    plan.MANY,
    plan.PICOWS,
    plan.PICOWS_WEBSOCKETS,
    plan.AIOHTTP,
    plan.WEBSOCKETS,
)


def medians(results):
    """The number that decides, by row, loop, wire and client."""
    return {
        (one["row"], one["loop"], one["wire"], one["client"]): statistics.median(
            sample[results["rows"][one["row"]]["decides"]] for sample in one["samples"]
        )
        for one in results["series"]
        if one["samples"]
    }


def table(results):
    """Lines: every row against every client."""
    found = medians(results)
    yield f"| work | {' | '.join(CLIENTS)} |"
    yield "|---|" + "---:|" * len(CLIENTS)
    for place in dict.fromkeys(key[:3] for key in found):
        if (*place, plan.KTORWS) in found and place[0] != plan.MASK:
            unit = results["rows"][place[0]]["unit"]
            cells = (
                number(found[(*place, client)]) if (*place, client) in found else ""
                for client in CLIENTS
            )
            yield f"| {' · '.join(place)} ({unit}) | {' | '.join(cells)} |"


def asked(results):
    """Lines: what is asked of ktorws, and what came out."""
    yield "| asked of ktorws | ratio | ± | least | most | asked | |"
    yield "|---|---:|---:|---:|---:|---:|---|"
    for one in results["asked"]:
        against = f"against {one['theirs']}" if one["theirs"] else "bytes, at most"
        what = f"{one['row']} · {one['loop']} · {one['wire']}: {one['ours']} {against}"
        ratio, *extremes = (
            "" if one[name] is None else number(one[name])
            for name in ("ratio", "least", "most", "asked")
        )
        error = "" if one["error"] is None else f"{one['error']:.3f}"
        cells = [what, ratio, error, *extremes, one["verdict"]]
        yield f"| {' | '.join(cells)} |"


def main():
    path = (
        Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).with_name("results.json")
    )
    results = json.loads(path.read_text())
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    about = [f"{line}  " for line in in_words(results["about"])]
    lines = [*about, "", *table(results), "", *asked(results)]
    PAGE.write_text(before + BEGIN + "\n".join(["", *lines, "", ""]) + END + after)


if __name__ == "__main__":
    main()
