"""Writes the figures of docs/hostile.md: tables out of the JSON of `report.py`.

`python tests/hostile/summary.py RESULTS.json docs/hostile.md`
"""

import json
import pathlib
import sys

if __name__ == "__main__":  # as a file, not as a module
    sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from tests.hostile.run_one import SCENARIOS

MEGABYTE = 1024 * 1024
BEGIN, END = "<!-- begin: summary.py -->\n", "<!-- end -->\n"
WAYS = ("outcome", "late", "memory")
NO_SESSION = {
    "ConnectError",
    "HandshakeError",
    "HandshakeLostError",
    "InvalidHandshakeError",
    "OpenTimeoutError",
}


def _opened(result):
    """Whether there was a session where none was wanted."""
    return result.get("opened") and SCENARIOS[result["name"]][1].error in NO_SESSION


def _kinds(result):
    """In which ways it was not as wanted."""
    kinds = {"late:": "late", "memory:": "memory"}
    found = {kinds.get(text.partition(" ")[0], "outcome") for text in result["wrong"]}
    # One that opened a session then waited for what its peer would say.
    return found - {"late"} | {"outcome"} if _opened(result) else found


def _table(head, rows):
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def _counts(label, results):
    kinds = [_kinds(result) for result in results]
    most = max(result["memory"] for result in results) / MEGABYTE
    return [
        *(label, len(results), sum(not kind for kind in kinds)),
        *(
            sum(word in kind for kind in kinds)
            for word in ("outcome", "late", "memory")
        ),
        f"{most:.1f}",
    ]


def _clients(about, every):
    """One row for each client; ours once more with all of its own."""
    head = ["", "rows", "as wanted", "wrong outcome", "late", "over memory", "most MB"]
    ours = every["ktorws"]
    shared = list(next(iter(v for k, v in every.items() if k != "ktorws")))
    sides = {"client": [], "server": []}
    for name, result in ours.items():
        sides[SCENARIOS[name][0]].append(result)
    rows = [
        _counts("ktorws, client side", sides["client"]),
        _counts("ktorws, accepting side", sides["server"]),
        _counts("ktorws, the rows below", [ours[name] for name in shared]),
    ]
    for peer, version in about["versions"].items():
        rows.append(_counts(f"{peer} {version}", list(every[peer].values())))
    return _table(head, rows)


def _families(every, shared):
    """How many rows of each family were as wanted."""
    families = {}
    for name in shared:
        families.setdefault(SCENARIOS[name][1].family, []).append(name)
    rows = []
    for family, names in families.items():
        good = [sum(not r[name]["wrong"] for name in names) for r in every.values()]
        rows.append([family, len(names), *good])
    return _table(["family", "rows", *every], rows)


def _memory(every, shared):
    """The rows where one of them took more than it was allowed to."""
    rows = []
    for name in shared:
        if any("memory" in _kinds(results[name]) for results in every.values()):
            scenario = SCENARIOS[name][1]
            figures = [r[name]["memory"] / MEGABYTE for r in every.values()]
            limit = scenario.limit / MEGABYTE
            rows.append([scenario.name, f"{limit:.0f}", *(f"{f:.1f}" for f in figures)])
    return _table(["scenario", "allowed", *every], rows)


def _got(result):
    """What came of it, in a few words."""
    codes = result["seen"]["codes"]
    code = f" {codes[0]}" if codes else ""
    words = [f"{result['error'] or 'no error'}{code}"]
    if _opened(result):
        words = ["session opened"]
    if "late" in _kinds(result):
        words.append(f"{result['seconds']:.1f} s")
    if "memory" in _kinds(result):
        words.append(f"{result['memory'] / MEGABYTE:.0f} MB")
    return ", ".join(words)


def _differences(every, shared):
    """The rows that one of them ended otherwise than wanted, and how."""
    rows = []
    for name in shared:
        if any(results[name]["wrong"] for results in every.values()):
            ends = [
                _got(results[name]) if results[name]["wrong"] else "as wanted"
                for results in every.values()
            ]
            rows.append([SCENARIOS[name][1].name.replace("|", "\\|"), *ends])
    return _table(["scenario", *every], rows)


def summary(written):
    """The tables, in Markdown."""
    every = written.pop("results")
    shared = list(next(iter(v for k, v in every.items() if k != "ktorws")))
    yield (
        f"Measured on {written['date']} with Python {written['python']} on "
        f"{written['system']}, {written['loop']}, {written['jobs']} rows at a time.\n\n"
    )
    yield _clients(written, every) + "\n"
    yield "Rows as wanted, by family (client side):\n\n"
    yield _families(every, shared) + "\n"
    yield "Megabytes at the peak, where one of them took more than allowed:\n\n"
    yield _memory(every, shared) + "\n"
    yield "Every row that ended otherwise than wanted somewhere: error, close code\n"
    yield "on the wire, and time or memory where these were over the limit:\n\n"
    yield _differences(every, shared) + "\n"


def main():
    source, target = map(pathlib.Path, sys.argv[1:])
    text = "".join(summary(json.loads(source.read_text())))
    before, rest = target.read_text().split(BEGIN)
    target.write_text(before + BEGIN + "\n" + text + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
