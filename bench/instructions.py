"""Counts the machine instructions of our own code per message; repeats exactly.

    python bench/instructions.py [--check] [--write]

Runs `data_path` under callgrind (valgrind), which is slow but knows nothing of other
programs or of the processor's mood. With ``--check`` more than 3 % above the
committed counts (`instructions.json`) is an error; counts belong to one build of
Python and one compiler, so elsewhere they are only shown. ``--write`` commits to new
ones. Rows with `WebSocketMetrics` are checked against those without, everywhere.
"""

import argparse
import asyncio
import gc
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
BASELINE = Path(__file__).with_name("instructions.json")
GROWTH = 1.03
#: Callgrind writes its counts down, and begins anew, whenever this is called.
MARK = "getpgrp"
#: What the names of rows end in whose sessions are under `WebSocketMetrics`.
METRICS = ", metrics"


def measured():
    """The name of each count, what to do, and how many of it."""
    from bench import data_path as path

    many = 10
    return {
        "receive 64 B text, receive()": (path.receive_texts, many),
        "receive 64 B binary, receive()": (path.receive_binaries, many),
        "receive 64 B text, receive_many()": (path.receive_many, many),
        "send 64 B text": (path.send_texts, many),
        "echo 256 B binary": (path.echo, 2),
        "answer a ping": (path.pings, 2),
        "make and end a session": (path.open_sessions, 1),
        f"receive 64 B text, receive(){METRICS}": (path.receive_texts, many),
        f"send 64 B text{METRICS}": (path.send_texts, many),
    }


async def under_callgrind():
    """Everything once to be warm, then between two marks."""
    from bench import data_path as path
    from ktorws import WebSocketMetrics

    gc.disable()
    for name, (work, batches) in measured().items():
        async with path.opened() as opening:
            if name.endswith(METRICS):
                WebSocketMetrics().session_opened(opening[0])
            await work(opening, 1)
            os.getpgrp()
            await work(opening, batches)
            os.getpgrp()


def count():
    """Instructions per message by name."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise SystemExit("Counting instructions needs valgrind")
    with tempfile.TemporaryDirectory() as folder:
        command = [
            valgrind,
            "--tool=callgrind",
            f"--dump-before={MARK}",
            f"--callgrind-out-file={folder}/out",
            "--quiet",
            sys.executable,
            __file__,
            "--inside",
        ]
        environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)}
        subprocess.run(command, check=True, env=environment)
        dumps = [
            int(re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)[1])
            for number in range(1, 2 * len(measured()) + 1)
            for text in [Path(f"{folder}/out.{number}").read_text()]
        ]
    from bench.data_path import BATCH

    # Between the first mark and the second of each; what is before warms up.
    return {
        name: round(total / (batches * BATCH), 1)
        for (name, (_, batches)), total in zip(
            measured().items(), dumps[1::2], strict=True
        )
    }


def build():
    """What the counts depend on beside our code."""
    return (
        f"{platform.python_implementation()} {platform.python_version()} "
        f"{platform.python_compiler()} {platform.machine()}"
    )


def too_dear(counts):
    """The rows in which metrics cost more than they may."""
    dear = []
    for name in filter(lambda name: name.endswith(METRICS), counts):
        ratio = counts[name] / counts[name.removesuffix(METRICS)]
        print(f"  {name:<38}{ratio:>8.3f} x without")
        if ratio > GROWTH:
            dear.append(name)
    return dear


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        asyncio.run(under_callgrind())
        return 0
    if options.check and shutil.which("valgrind") is None:
        print("skipped: there is no valgrind here")
        return 0
    known = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    before = known.get(build(), {})
    counts = count()
    grown = []
    print(f"Instructions per message, {build()}")
    for name, number in counts.items():
        ratio = number / before[name] if name in before else None
        print(f"  {name:<38}{number:>8.1f}  {f'{ratio:.3f} x' if ratio else 'new'}")
        if ratio and ratio > GROWTH:
            grown.append(name)
    dear = too_dear(counts)
    if options.write:
        BASELINE.write_text(json.dumps({**known, build(): counts}, indent=2) + "\n")
    elif options.check and dear:
        print(f"Metrics cost more than 3 %: {', '.join(dear)}")
        return 1
    elif options.check and not before:
        print("No counts are committed for this build: nothing to compare with")
    elif options.check and grown:
        print(f"More than 3 % above the committed counts: {', '.join(grown)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
