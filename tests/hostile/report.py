"""Prints the table: scenario, expected, got, time to fail, peak memory.

`python tests/hostile/report.py [PATTERN] [--json FILE]`; with `--peers websockets
aiohttp picows` the client's scenarios are run against those as well. That is a report
and no gate: only a wrong row of ours makes the exit status 1.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import sys
from importlib.metadata import version

if __name__ == "__main__":  # as a file, not as a module
    sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from tests.hostile.lanes import LANES, Lanes
from tests.hostile.run_one import SCENARIOS

MEGABYTE = 1024 * 1024


def _say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _expected(scenario):
    if scenario.status is not None:
        return f"HTTP {scenario.status}"
    return _outcome(scenario.error, scenario.code)


def _outcome(error, code):
    error = (error or "-").removesuffix("Error")
    return error if code is None else f"{error} {code}"


def _got(result):
    status = result["seen"]["status"]
    if status not in {None, 101}:
        return f"HTTP {status}"
    codes = result["seen"]["codes"]
    code = codes[0] if codes else None
    return _outcome(result["error"], 1005 if codes and code is None else code)


def _row(name, scenario, result):
    known = "(known) " if scenario.known and "client" not in result else ""
    verdict = "".join([known, "; ".join(result["wrong"])])[:110]
    return (
        f"{name:<66.66} {_expected(scenario):<28.28} {_got(result):<28.28} "
        f"{result.get('seconds') or 0:6.2f} s {result['memory'] / MEGABYTE:7.1f} MB"
        f"  {verdict}"
    ).rstrip()


def _result(name, future):
    try:
        return future.result()
    except Exception as error:  # of a peer that did not even report
        text = f"{type(error).__name__}: {error}"
        seen = {"status": None, "codes": []}
        return {
            "name": name,
            "error": "no report",
            "memory": 0,
            "seen": seen,
            "wrong": [text],
        }


def _table(chosen, peer, options, lanes):
    more = {"peer": peer, "loop": options.loop, "tls": options.tls}
    futures = {name: lanes.submit(name, **more) for name in chosen}
    results = {}
    _say(f"\n{peer}\n")
    for name, future in futures.items():
        results[name] = _result(name, future)
        _say(_row(name, SCENARIOS[name][1], results[name]))
    wrong = [name for name, result in results.items() if result["wrong"]]
    highest = max((result["memory"] for result in results.values()), default=0)
    _say(
        f"\n{peer}: {len(results)} scenarios, {len(wrong)} not as wanted, "
        f"at most {highest / MEGABYTE:.1f} MB"
    )
    return results, wrong


def _report(options):
    chosen = [name for name in SCENARIOS if options.pattern in name]
    with Lanes(options.jobs) as lanes:
        results, wrong = _table(chosen, "ktorws", options, lanes)
        every = {"ktorws": results}
        for peer in options.peers:
            every[peer], _ = _table(filter(_is_shared, chosen), peer, options, lanes)
    return every, any(SCENARIOS[name][1].known is None for name in wrong)


def _about(options):
    """Where and of what the figures are."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "loop": options.loop,
        "tls": options.tls,
        "jobs": options.jobs,
        "versions": {name: version(name) for name in options.peers},
    }


def _is_shared(name):
    side, scenario = SCENARIOS[name]
    return side == "client" and scenario.elsewhere


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pattern", nargs="?", default="")
    parser.add_argument("--peers", nargs="*", default=[])
    parser.add_argument("--loop", default="asyncio")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--jobs", type=int, default=LANES)
    parser.add_argument("--json")
    options = parser.parse_args()
    every, failed = _report(options)
    if options.json:
        written = {**_about(options), "results": every}
        pathlib.Path(options.json).write_text(json.dumps(written, indent=1))
    sys.exit(failed)


if __name__ == "__main__":
    main()
