"""Runs one scenario by name, the side under attack in a subprocess; prints JSON.

`python -m tests.hostile.run_one NAME [--peer websockets] [--loop uvloop] [--tls]`
"""

import argparse
import asyncio
import contextlib
import dataclasses
import json
import pathlib
import sys
import tempfile

from tests.certificates import authority, client_context, server_context
from tests.hostile.scenario import ANY, LIMIT, Seen
from tests.hostile.scenarios_client import CLIENT
from tests.hostile.scenarios_server import SERVER
from tests.scripted import dialled, scripted

ROOT = pathlib.Path(__file__).parents[2]
#: How long ``ignore`` and ``send`` go on, in seconds.
HOLD = 1.5
OVERALL = 60


def by_name(name):
    """The scenario, and which side it attacks."""
    for side, scenarios in (("client", CLIENT), ("server", SERVER)):
        for scenario in scenarios:
            if f"{side}: {scenario.name}" == name:
                return side, scenario
    raise KeyError(name)


def names():
    """All scenarios, as `by_name` finds them."""
    return [f"client: {s.name}" for s in CLIENT] + [f"server: {s.name}" for s in SERVER]


@contextlib.asynccontextmanager
async def _process(module, task):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", f"tests.hostile.{module}", json.dumps(task)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL if module == "other_clients" else None,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        process._transport.close()


def _task(scenario, side, loop):
    options = {"max_frame_size": LIMIT, **scenario.options}
    hold = 0.1 if scenario.act == "close" else HOLD
    return {
        "side": side,
        "loop": loop,
        "options": options,
        "hold": hold,
        "act": scenario.act,
        "request": scenario.request,
        "ca": None,
        "certificate": None,
    }


async def _attack_client(scenario, peer, loop, folder):
    seen = Seen()
    task = {**_task(scenario, "client", loop), "peer": peer}
    module = "subject" if peer == "ktorws" else "other_clients"
    context = None
    if folder is not None:
        context = server_context()
        task["ca"] = str(folder / "authority.pem")
        authority("tests").cert_pem.write_to_path(task["ca"])

    async def script(peer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            await scenario.script(peer, seen)

    async with scripted(script, ssl=context) as listening:
        task["url"] = listening.url(scheme="ws" if context is None else "wss")
        async with _process(module, task) as process:
            output, _ = await process.communicate()
        for each in listening._tasks:  # those that still send to nobody
            if not each.done():
                await asyncio.wait({each}, timeout=1)
    return json.loads(output), seen


async def _attack_server(scenario, loop, folder):
    seen = Seen()
    task = _task(scenario, "server", loop)
    context = None
    if folder is not None:
        task["certificate"] = str(folder / "server.pem")
        certificate = authority("tests").issue_cert("localhost")
        certificate.private_key_and_cert_chain_pem.write_to_path(task["certificate"])
        context = client_context()

    async def attack(port):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            async with dialled(port, ssl=context) as peer:
                await scenario.script(peer, seen)

    async with _process("subject", task) as process:
        port = int(await process.stdout.readline())
        await asyncio.gather(*(attack(port) for _ in range(scenario.many)))
        output, _ = await process.communicate(b"\n")
    return json.loads(output), seen


async def run(name, *, peer="ktorws", loop="asyncio", tls=False):
    """What became of it, and what was wrong with that."""
    side, scenario = by_name(name)
    with contextlib.ExitStack() as stack:
        folder = None
        if tls:
            folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        async with asyncio.timeout(OVERALL):
            if side == "client":
                got, seen = await _attack_client(scenario, peer, loop, folder)
            else:
                got, seen = await _attack_server(scenario, loop, folder)
    seen.request = seen.request.decode("latin-1")
    result = {"name": name, **got, "seen": dataclasses.asdict(seen)}
    result["wrong"] = faults(scenario, side, got, seen)
    return result


def _same(expected, got):
    return expected in {ANY, got}


def faults(scenario, side, got, seen):
    """What is not as the scenario wants it; empty where all is well."""
    wrong = []

    def check(condition, text):
        if not condition:
            wrong.append(text)

    code = seen.codes[0] if seen.codes else "none"
    expected = "none" if scenario.code is None else scenario.code
    expected = None if expected == 1005 else expected  # a Close frame without a code
    check(_same(expected, code), f"close code {code}, not {expected}")
    check(len(seen.codes) <= 1, f"Close frames: {seen.codes}")
    check(not seen.after_close, f"{seen.after_close} octets behind Close")
    if side == "client" or scenario.status is None:
        error = got["error"]
        # Other clients have other errors: there must be one, that is all.
        wanted = ANY if "client" in got and error != "nothing" else scenario.error
        check(_same(wanted, error), f"{error}, not {scenario.error}")
        seconds = got.get("seconds", 0)
        check(seconds <= scenario.within, f"{seconds:.2f} s > {scenario.within}")
        check(seconds >= scenario.least, f"{seconds:.2f} s < {scenario.least}")
        reason = got.get("reason")
        known = "client" not in got  # others do not tell
        check(
            not known or _same(scenario.reason, reason),
            f"{reason=}, not {scenario.reason}",
        )
    if scenario.messages is not None:
        check(got.get("messages") == scenario.messages, f"{got.get('messages')} came")
    if side == "server":
        check(_same(scenario.status or 101, seen.status), f"status {seen.status}")
        check(got["left"] == 0, f"{got['left']} connections left")
    check(got["memory"] <= scenario.limit, f"{got['memory']} bytes of memory")
    if scenario.note is not None:
        check(scenario.note(seen), f"noted: {seen}")
    check(not got["complaints"], f"complaints: {got['complaints']}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=names(), metavar="NAME")
    parser.add_argument("--peer", default="ktorws")
    parser.add_argument("--loop", default="asyncio")
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    result = asyncio.run(
        run(options.name, peer=options.peer, loop=options.loop, tls=options.tls)
    )
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
