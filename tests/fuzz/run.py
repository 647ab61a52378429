"""Runs the fuzz targets, one after the other; README.md says what they are.

``--seconds`` is for atheris, which is guided by coverage; without it, or with
``--runs``, the inputs are the seeds and mutations of them, the same every time.
"""

import argparse
import importlib.util
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[2]
sys.path[0] = str(ROOT)  # not this folder, whose names are its own

BUILD = ROOT / "build" / "fuzz"
STATUS = re.compile(r"#(\d+)\s.*cov: (\d+)")
GRACE = 60  # seconds that a process may take longer than it was told


def say(line, end="\n"):
    sys.stdout.write(line + end)
    sys.stdout.flush()


def progress(name, runs, begin, note=""):
    seconds = max(time.monotonic() - begin, 0.001)
    line = f"  {name:<12} {runs:>9} inputs {seconds:>7.1f} s {runs / seconds:>8.0f}/s"
    say(f"\r{line}  {note:<24}", end="")


def mutated(target, runs, seed):
    """The deterministic run; the input that fails, or None."""
    from tests.fuzz.mutation import inputs

    begin, number, shown = time.monotonic(), 0, 0.0
    for octets in inputs(target.seeds, target.words, runs, seed):
        number += 1
        try:
            target.run(octets)
        except Exception as error:
            say(f"\n    {type(error).__name__}: {str(error)[:2000]}")
            say(f"    {octets.hex()}")
            return octets
        if sys.stdout.isatty() and time.monotonic() - shown > 1:
            shown = time.monotonic()
            progress(target.name, number, begin)
    progress(target.name, number, begin, "no finding")
    say("")
    return None


def guided(target, seconds):
    """A process of atheris; True where it found nothing."""
    folder = BUILD / target.name
    seeds = folder / "seeds"
    seeds.mkdir(parents=True, exist_ok=True)
    (folder / "corpus").mkdir(exist_ok=True)
    for number, octets in enumerate(target.seeds):
        (seeds / f"{number:03}").write_bytes(octets)
    words = ["".join(map(r"\x{:02x}".format, word)) for word in target.words]
    (folder / "words").write_text("".join(f'"{word}"\n' for word in words))
    command = [sys.executable, str(pathlib.Path(__file__)), "--guided", target.name]
    command += [f"-max_total_time={seconds}", "-timeout=20", "-max_len=4096"]
    command += [f"-artifact_prefix={folder}/", f"-dict={folder / 'words'}"]
    command += ["-print_final_stats=1", str(folder / "corpus"), str(seeds)]
    begin, runs, coverage, log = time.monotonic(), 0, "", []
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", cwd=ROOT,
    )  # fmt: skip
    for line in process.stdout:
        log.append(line)
        if match := STATUS.search(line):
            runs, coverage = int(match[1]), match[2]
            if sys.stdout.isatty():
                progress(target.name, runs, begin, f"coverage {coverage}")
        if match := re.match(r"stat::number_of_executed_units:\s*(\d+)", line):
            runs = int(match[1])
    code = process.wait(GRACE)
    (folder / "log").write_text("".join(log))
    note = f"coverage {coverage}, " + ("FINDING" if code else "no finding")
    progress(target.name, runs, begin, note)
    say("")
    if code:
        say("    " + "    ".join(log[-40:]))
    return code == 0


def child(name, options):
    """The process that `guided` starts."""
    import atheris

    with atheris.instrument_imports(include=["ktorws", "tests.fuzz"]):
        from tests.fuzz import targets

        target = targets.load()[name]
    atheris.Setup([sys.argv[0], *options], target.run)
    atheris.Fuzz()


def main():
    if sys.argv[1:2] == ["--guided"]:
        return child(sys.argv[2], sys.argv[3:])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, help="for each target, by atheris")
    parser.add_argument("--runs", type=int, default=10_000, help="without atheris")
    parser.add_argument("--seed", type=int, default=1, help="of the mutations")
    parser.add_argument("target", nargs="*", help="all where none is named")
    arguments = parser.parse_args()

    from tests.fuzz import targets

    known = targets.load()
    if unknown := set(arguments.target) - set(known):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    chosen = [known[name] for name in arguments.target or known]
    seconds = arguments.seconds
    if seconds and importlib.util.find_spec("atheris") is None:
        say("atheris is not installed: seeds and mutations of them only")
        seconds = None
    if seconds:
        bad = [target.name for target in chosen if not guided(target, seconds)]
    else:
        runs, seed = arguments.runs, arguments.seed
        bad = [t.name for t in chosen if mutated(t, runs, seed) is not None]
    if "compare" in {target.name for target in chosen} and not seconds:
        from tests.fuzz.peers import SEEN

        for rule, count in sorted(SEEN.items()):
            say(f"    differs as listed {count:>7} times: {rule}")
    say(f"{len(chosen)} targets, " + (f"FINDINGS in {', '.join(bad)}" if bad else "ok"))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
