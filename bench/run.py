"""Measures ktorws beside every other client, in one run on one machine.

    make bench [ARGS="--quick"]
    python -m bench.run [--quick] [--rows receive] [--loops uvloop] [--wires plain]

Clients alternate round by round, each in a process of its own; the neutral server is a
C program in another. The client's CPU time per message decides. Prints a table for each
row, then each ratio that is asked of ktorws and whether it is met; writes JSON and a
chart. Needs Linux and a C compiler; for TLS OpenSSL's headers (Debian: libssl-dev).
"""

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import plan
from bench.about import about, in_words
from bench.chart import chart
from bench.crew import Crew
from bench.measuring import Measuring, does
from bench.neutral import BUILD, Neutral, NoCompilerError, NotNeutralError
from bench.peers import CLIENTS
from bench.progress import Progress
from bench.report import (
    MET,
    as_json,
    last_words,
    row_table,
    verdict_table,
    verdicts,
)


def arguments():
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description="Measure ktorws beside every other client."
    )
    parser.add_argument("--quick", action="store_true", help="within two minutes")
    parser.add_argument("--rows", nargs="+", metavar="WORD", help="only such rows")
    parser.add_argument("--clients", nargs="+", choices=CLIENTS, help="only these")
    parser.add_argument("--loops", nargs="+", choices=plan.LOOPS, default=plan.LOOPS)
    parser.add_argument("--wires", nargs="+", choices=plan.WIRES, default=plan.WIRES)
    parser.add_argument("--rounds", type=int, help="samples of each (7; quick: 3)")
    parser.add_argument("--seconds", type=float, help="of a sample (0.2; quick: 0.06)")
    parser.add_argument("--json", type=Path, default=BUILD / "results.json")
    parser.add_argument("--chart", type=Path, default=BUILD / "chart.svg")
    parser.add_argument("--gate", action="store_true", help="exit 1 if any is not met")
    given = parser.parse_args()
    given.rounds = given.rounds or (3 if given.quick else 7)
    given.seconds = given.seconds or (0.06 if given.quick else 0.2)
    return given


def chosen_rows(given):
    """The rows that were asked for, as this mode does them."""
    for full in plan.ROWS:
        if given.quick and full.quick is None:
            continue
        row = dataclasses.replace(full, **full.quick) if given.quick else full
        if given.clients:
            kept = tuple(client for client in row.clients if client in given.clients)
            row = dataclasses.replace(row, clients=kept)
        wanted = not given.rows or any(word in row.name for word in given.rows)
        if wanted and row.clients:
            yield row


def places(rows, given, *, tls):
    """Row, loop and wire, so that workers of one loop and wire follow each other."""
    for wire in given.wires:
        for loop in given.loops:
            for row in rows:
                if loop in row.loops and wire in row.wires and (tls or wire == "plain"):
                    yield row, loop, wire


def steps(todo, given):
    """How many samples there will be."""
    return sum(
        (1 + min(given.rounds, row.rounds)) * sum(does(c, loop) for c in row.clients)
        for row, loop, _ in todo
    )


def measure(given, rows):
    """Every `Series`, printed row by row."""
    every = []
    with Neutral() as server, Crew(server.trust) as crew:
        server.preempt_nobody()
        if server.trust is None and "tls" in given.wires:
            print("SKIPPED: all rows over TLS; they need OpenSSL's headers and trustme")
        todo = list(places(rows, given, tls=server.trust is not None))
        progress = Progress(steps(todo, given))
        measuring = Measuring(
            server,
            crew,
            rounds=given.rounds,
            seconds=given.seconds,
            progress=progress,
        )
        try:
            for row, loop, wire in todo:
                found = measuring.row(row, loop, wire)
                progress.clear()
                print(*row_table(row, loop, wire, found), sep="\n", flush=True)
                every += found
        except KeyboardInterrupt:
            print("\nInterrupted: what follows is of the rows above only")
    return every


def main():
    """Gives the exit status."""
    given = arguments()
    rows = list(chosen_rows(given))
    if not rows:
        print("There is no such row:", *given.rows or given.clients, file=sys.stderr)
        return 2
    found = about()
    print(*in_words(found), sep="\n")
    try:
        series = measure(given, rows)
    except (NoCompilerError, NotNeutralError) as error:
        print(error, file=sys.stderr)
        return 3
    judged = verdicts(plan.ASKED, series, {row.name: row.decides for row in rows})
    print(*verdict_table(judged), *last_words(judged), sep="\n")
    settings = {
        "quick": given.quick,
        "rounds": given.rounds,
        "seconds": given.seconds,
        "cores": sorted(os.sched_getaffinity(0)),
    }
    everything = as_json(found, settings, rows, series, judged)
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps(everything, indent=1) + "\n")
    given.chart.parent.mkdir(parents=True, exist_ok=True)
    given.chart.write_text(chart(everything))
    print(f"\nwritten: {given.json}, {given.chart}")
    return int(given.gate and any(one.verdict != MET for one in judged))


if __name__ == "__main__":
    sys.exit(main())
