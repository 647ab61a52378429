"""Holds ktorws against the Autobahn|Testsuite: our client and our server, all cases.

    python tests/compliance/run.py [--role client|server] [--loop asyncio|uvloop]
                                   [--tls] [--cases '6.*' '7.*'] [--jobs N]

The suite is Python 2.7: it is installed by name into build/autobahn with a
`python2.7` from the path or from pyenv. Cases run in parallel shards, each with a
fuzzing server or client of its own. Every case must be OK or INFORMATIONAL, in its
behaviour and in how the connection closed; otherwise the exit status is 1. Exit
status 3: there is no Python 2.7 here.
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
GOOD = {"OK", "INFORMATIONAL"}
ALL_CASES = 517
#: Longest first, so that the shards end together.
SHARDS = [
    *(f"{group}.{part}.*" for group in (12, 13) for part in range(1, 8)),
    "9.*",
    "6.*",
    "[1-5].*",
    "7.*",
    "10.*",
]
SHARDS.remove("12.6.*")
SHARDS.remove("12.7.*")
SHARDS[SHARDS.index("[1-5].*")] = "1.* 2.* 3.* 4.* 5.*"


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


def run_shards(arguments):
    """The verdicts by case."""
    python = install()
    arguments.certificate = certificate() if arguments.tls else None
    shards = [" ".join(arguments.cases)] if arguments.cases else SHARDS
    name = f"{arguments.role}-{arguments.loop}{'-tls' if arguments.tls else ''}"
    reports = HOME / "reports" / name
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
            f"    {name}: {patterns}: {len(found)} cases, "
            f"{time.monotonic() - began:.0f} s",
            flush=True,
        )
        return found

    with ThreadPoolExecutor(arguments.jobs) as pool:
        for found in pool.map(one, range(len(shards)), shards):
            verdicts.update(found)
    return name, verdicts


def report(name, verdicts):
    """Print a table by group; give the cases that are not good."""
    print(f"\n{name}\n{'group':>6} {'cases':>6}  verdicts (behaviour / closing)")
    groups = Counter(case.partition(".")[0] for case in verdicts)
    for group in sorted(groups, key=int):
        own = [v for case, v in verdicts.items() if case.partition(".")[0] == group]
        counts = Counter(f"{v['behavior']} / {v['behaviorClose']}" for v in own)
        text = ", ".join(f"{number} {kind}" for kind, number in counts.most_common())
        print(f"{group:>6} {groups[group]:>6}  {text}")
    bad = {
        case: (v["behavior"], v["behaviorClose"])
        for case, v in verdicts.items()
        if v["behavior"] not in GOOD or v["behaviorClose"] not in GOOD
    }
    print(f"{len(verdicts)} cases, {len(verdicts) - len(bad)} good")
    for case, (behavior, close) in sorted(bad.items()):
        print(f"    {case}: {behavior} / {close}")
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--role", choices=["client", "server"], default="client")
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--cases", nargs="*")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    arguments = parser.parse_args()
    name, verdicts = run_shards(arguments)
    bad = report(name, verdicts)
    if not arguments.cases and len(verdicts) != ALL_CASES:
        print(f"Only {len(verdicts)} of {ALL_CASES} cases ran")
        return 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
