"""Holds ktorws against the Autobahn|Testsuite: our client and our server, all cases.

    python tests/compliance/run.py [--quick] [--role client|server] [--tls]
                                   [--loop asyncio|uvloop] [--cases '6.*' '7.*']

The suite is Python 2.7: it is installed by name into build/autobahn with a
`python2.7` from the path or from pyenv. Cases run in parallel shards, each with a
fuzzing server or client of its own. Every case must be as `expected.json` has it, in
its behaviour and in how the connection closed: OK, but for those few that are
INFORMATIONAL by nature; otherwise the exit status is 1. Where there is no Python 2.7
it is 3, but with `--quick`, which is for continuous integration, 0.

Without options: client and server, on both loops, plain and over TLS; an hour on two
cores. `--quick`: both sides once, with groups 12 and 13 (deflate, nine tenths of the
time) shared between them.
"""

import argparse
import contextlib
import glob
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
HOME = ROOT / "build" / "autobahn"
SUITE = HERE / "autobahn" / "wstest_local.py"
#: How many cases each group has, and which are not OK but INFORMATIONAL.
EXPECTED = json.loads((HERE / "expected.json").read_text())
#: Longest first, so that the shards end together.
DEFLATE_12 = [f"12.{part}.*" for part in range(1, 6)]
DEFLATE_13 = [f"13.{part}.*" for part in range(7, 0, -1)]
BASIC = ["7.*", "9.*", "6.*", "1.* 2.* 3.* 4.* 5.* 10.*"]
ALL = [*DEFLATE_13, *DEFLATE_12, *BASIC]


def find_python() -> str | None:
    """A Python 2.7 that runs: a shim of pyenv's may be there without one."""
    installed = glob.glob(str(Path.home() / ".pyenv/versions/2.7*/bin/python"))
    for path in [shutil.which("python2.7"), *sorted(installed)]:
        if (
            path
            and not subprocess.run(
                [path, "-c", ""], capture_output=True, check=False
            ).returncode
        ):
            return path
    return None


def install() -> Path:
    """The suite's interpreter; installs what is missing."""
    python = HOME / "venv" / "bin" / "python"
    if (HOME / "installed").exists():
        return python
    python2 = find_python()
    if python2 is None:
        print("There is no Python 2.7 here, which the Autobahn|Testsuite needs")
        sys.exit(3)
    print("==> Installing the Autobahn|Testsuite", flush=True)
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    boot = HOME / "boot"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    pip = [python2, "-m", "pip", "install", "-q", "--target", str(boot)]
    subprocess.run([*pip, "virtualenv==20.15.1"], check=True, **quiet)
    environment = {**os.environ, "PYTHONPATH": str(boot)}
    subprocess.run(
        [python2, "-m", "virtualenv", "-q", str(HOME / "venv")],
        check=True,
        env=environment,
        **quiet,
    )
    requirements = str(HERE / "autobahn" / "requirements.txt")
    subprocess.run(
        [HOME / "venv/bin/pip", "install", "-q", "--no-deps", "-r", requirements],
        check=True,
        **quiet,
    )
    (HOME / "installed").touch()
    return python


def certificate() -> tuple[str, str]:
    """A CA's certificate, and a server's with its key."""
    import trustme

    ca, both = HOME / "ca.pem", HOME / "server.pem"
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(str(ca))
    issued.private_key_and_cert_chain_pem.write_to_path(str(both))
    return str(ca), str(both)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextlib.contextmanager
def running(command, log):
    with open(log, "w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def wait_for(port):
    for _ in range(300):
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port)),
        ):
            return
        time.sleep(0.1)
    raise SystemExit("The fuzzing server does not start")


def shard_of_client(python, patterns, folder, arguments):
    """Our client against a fuzzing server."""
    port = free_port()
    scheme = "wss" if arguments.tls else "ws"
    spec = {
        "url": f"{scheme}://127.0.0.1:{port}",
        "outdir": str(folder),
        "cases": patterns,
        "exclude-cases": [],
        "exclude-agent-cases": {},
    }
    extra = []
    if arguments.tls:
        ca, both = arguments.certificate
        spec["key"] = spec["cert"] = both
        extra = [ca]
    (folder / "spec.json").write_text(json.dumps(spec))
    command = [
        python,
        SUITE,
        "-m",
        "fuzzingserver",
        "-s",
        folder / "spec.json",
        "-u",
        "0",
    ]
    with running([str(part) for part in command], folder / "suite.log"):
        wait_for(port)
        url = f"{scheme}://127.0.0.1:{port}"
        subprocess.run(
            [
                sys.executable,
                HERE / "echo_client.py",
                url,
                "ktorws",
                arguments.loop,
                *extra,
            ],
            check=True,
            timeout=1800,
        )


def shard_of_server(python, patterns, folder, arguments):
    """A fuzzing client against our server."""
    extra = [arguments.certificate[1]] if arguments.tls else []
    with subprocess.Popen(
        [sys.executable, HERE / "echo_server.py", arguments.loop, *extra],
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            port = int(server.stdout.readline())
            scheme = "wss" if arguments.tls else "ws"
            spec = {
                "outdir": str(folder),
                "servers": [
                    {"agent": "ktorws", "url": f"{scheme}://127.0.0.1:{port}/"}
                ],
                "cases": patterns,
                "exclude-cases": [],
                "exclude-agent-cases": {},
            }
            (folder / "spec.json").write_text(json.dumps(spec))
            with open(folder / "suite.log", "w") as log:
                subprocess.run(
                    [python, SUITE, "-m", "fuzzingclient", "-s", folder / "spec.json"],
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    check=True,
                    timeout=1800,
                )
        finally:
            server.terminate()


def run_shards(arguments, shards):
    """The verdicts by case."""
    python = install()
    arguments.certificate = certificate() if arguments.tls else None
    reports = HOME / "reports" / name_of(arguments)
    shutil.rmtree(reports, ignore_errors=True)
    run = shard_of_client if arguments.role == "client" else shard_of_server
    verdicts = {}

    def one(number, patterns):
        folder = reports / str(number)
        folder.mkdir(parents=True)
        began = time.monotonic()
        run(python, patterns.split(), folder, arguments)
        found = json.loads((folder / "index.json").read_text())["ktorws"]
        print(
            f"    {name_of(arguments)}: {patterns}: {len(found)} cases, "
            f"{time.monotonic() - began:.0f} s",
            flush=True,
        )
        return found

    with ThreadPoolExecutor(arguments.jobs) as pool:
        for found in pool.map(one, range(len(shards)), shards):
            verdicts.update(found)
    return verdicts


def name_of(arguments):
    return f"{arguments.role}-{arguments.loop}{'-tls' if arguments.tls else ''}"


def group_of(case):
    return case.partition(".")[0]


def is_expected(case, verdict):
    wanted = "INFORMATIONAL" if case in EXPECTED["informational"] else "OK"
    return verdict["behavior"] == verdict["behaviorClose"] == wanted


def report(name, verdicts):
    """Print a table by group; give what is not as expected."""
    print(f"\n{name}\n{'group':>6} {'cases':>6}  verdicts (behaviour / closing)")
    groups = Counter(map(group_of, verdicts))
    for group in sorted(groups, key=int):
        own = [v for case, v in verdicts.items() if group_of(case) == group]
        counts = Counter(f"{v['behavior']} / {v['behaviorClose']}" for v in own)
        text = ", ".join(f"{number} {kind}" for kind, number in counts.most_common())
        print(f"{group:>6} {groups[group]:>6}  {text}")
    bad = [
        f"{case}: {verdict['behavior']} / {verdict['behaviorClose']}"
        for case, verdict in verdicts.items()
        if not is_expected(case, verdict)
    ]
    print(f"{len(verdicts)} cases, {len(verdicts) - len(bad)} as expected", flush=True)
    for line in sorted(bad):
        print(f"    {line}")
    return bad


def missing(verdicts, shards):
    """The groups of which not every case ran."""
    ran = Counter(map(group_of, verdicts))
    asked = {group_of(pattern) for shard in shards for pattern in shard.split()}
    return [
        f"group {group}: {ran[group]} of {EXPECTED['cases'][group]} cases ran"
        for group in sorted(asked, key=int)
        if ran[group] != EXPECTED["cases"][group]
    ]


def plan(arguments):
    """What to run: role, loop, TLS and shards of each run."""
    if arguments.quick:
        yield "client", "uvloop", False, [*DEFLATE_12, *BASIC]
        yield "server", "asyncio", False, [*DEFLATE_13, *BASIC]
        return
    for tls in (False, True):
        for loop in ("asyncio", "uvloop"):
            for role in ("client", "server"):
                yield role, loop, tls, arguments.cases or ALL


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--role", choices=["client", "server"])
    parser.add_argument("--loop", choices=["asyncio", "uvloop"])
    parser.add_argument("--tls", action=argparse.BooleanOptionalAction)
    parser.add_argument("--cases", nargs="*", help="patterns, such as '6.*'")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    asked = parser.parse_args()
    if asked.quick and find_python() is None:
        print("skipped: there is no Python 2.7 here, which the suite needs")
        return 0
    wrong = []
    for role, loop, tls, shards in plan(asked):
        if (
            asked.role in {None, role}
            and asked.loop in {None, loop}
            and asked.tls in {None, tls}
        ):
            run = argparse.Namespace(role=role, loop=loop, tls=tls, jobs=asked.jobs)
            verdicts = run_shards(run, shards)
            wrong += report(name_of(run), verdicts)
            if not asked.cases:
                wrong += missing(verdicts, shards)
    print(f"\n{'; '.join(wrong) or 'Every case is as expected'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
