"""Runs one scenario by name, the side under attack in a subprocess; prints JSON.

`python -m tests.hostile.run_one NAME [--peer websockets] [--loop uvloop] [--tls]`
"""

import argparse
import asyncio
import contextlib
import dataclasses
import functools
import json
import pathlib
import sys
import tempfile

from tests.certificates import authority, client_context, server_context
from tests.hostile.scenario import ANY, LIMIT, NONE, Seen
from tests.hostile.scenarios_client import CLIENT
from tests.hostile.scenarios_server import SERVER
from tests.scripted import dialled, scripted

ROOT = pathlib.Path(__file__).parents[2]
#: How long ``ignore`` and ``send`` go on, in seconds.
HOLD = 1.5
OVERALL = 60
#: Bytes that a subject may keep for itself from one row to the next.
KEPT = 1024 * 1024
#: A host that only a row's own resolver knows.
NAME = "victim.test"

SCENARIOS = {
    **{f"client: {scenario.name}": ("client", scenario) for scenario in CLIENT},
    **{f"server: {scenario.name}": ("server", scenario) for scenario in SERVER},
}


class Subject:
    """The process under attack; does one task after the other."""

    def __init__(self):
        self._process = None
        self._peer = None

    async def start(self, peer):
        """Have a process that runs this implementation, if there is none already."""
        if peer != self._peer:
            await self.stop()
        module = "subject" if peer == "ktorws" else "other_clients"
        if self._process is None:
            self._peer = peer
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", f"tests.hostile.{module}", peer),
                cwd=ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=None if module == "subject" else asyncio.subprocess.DEVNULL,
            )

    def say(self, text):
        self._process.stdin.write(f"{text}\n".encode())

    async def answer(self):
        """The JSON of its next line."""
        return json.loads(await self._process.stdout.readline())

    async def stop(self):
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()
            process._transport.close()


@functools.cache
def _folder():
    return tempfile.TemporaryDirectory()


@functools.cache
def _authority_file():
    path = pathlib.Path(_folder().name, "authority.pem")
    authority("tests").cert_pem.write_to_path(path)
    return str(path)


@functools.cache
def _certificate_file():
    path = pathlib.Path(_folder().name, "server.pem")
    certificate = authority("tests").issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(path)
    return str(path)


def _task(scenario, side, **more):
    return {
        "side": side,
        "options": {"max_frame_size": LIMIT, **scenario.options},
        "hold": 0.1 if scenario.act == "close" else HOLD,
        "act": scenario.act,
        "request": scenario.request,
        "ca": None,
        "certificate": None,
        "resolver": None,
        **more,
    }


async def _attack_client(scenario, subject, tls, task):
    seen = Seen()
    if tls:
        task["ca"] = _authority_file()

    async def script(peer):
        with contextlib.suppress(OSError, EOFError, TimeoutError):
            await scenario.script(peer, seen)

    context = server_context() if tls and not scenario.by_hand else None
    scheme = "wss" if tls else "ws"
    async with contextlib.AsyncExitStack() as stack:
        listening = await stack.enter_async_context(scripted(script, ssl=context))
        task["url"] = listening.url(scheme=scheme)
        if scenario.by_hand:
            task["url"] = listening.url(scheme=scheme, host="localhost")
        if scenario.resolver is not None:
            answers = scenario.resolver(listening.port)
            task["resolver"] = await stack.enter_async_context(answers)
            task["url"] = listening.url(scheme=scheme, host=NAME)
        subject.say(json.dumps(task))
        got = await subject.answer()
        for each in listening._tasks:  # those that still send to nobody
            if not each.done():
                await asyncio.wait({each}, timeout=1)
    return got, seen


async def _attack_server(scenario, subject, tls, task):
    seen = Seen()
    if tls:
        task["certificate"] = _certificate_file()
    context = client_context() if tls and not scenario.by_hand else None

    async def attack(port):
        with contextlib.suppress(OSError, EOFError, TimeoutError):
            async with dialled(port, ssl=context) as peer:
                await scenario.script(peer, seen)

    subject.say(json.dumps(task))
    port = await subject.answer()
    await asyncio.gather(*(attack(port) for _ in range(scenario.many)))
    subject.say("")
    return await subject.answer(), seen


async def run(name, subject, *, peer="ktorws", loop="asyncio", tls=False):
    """What became of it, and what was wrong with that.

    A subject serves many rows, unless it kept memory of one.
    """
    side, scenario = SCENARIOS[name]
    if scenario.prepare is not None:
        scenario.prepare()
    await subject.start(peer)
    task = _task(scenario, side, loop=loop, peer=peer)
    attack = _attack_client if side == "client" else _attack_server
    keep = False
    try:
        async with asyncio.timeout(OVERALL):
            got, seen = await attack(scenario, subject, tls or scenario.tls, task)
        keep = got["kept"] <= KEPT
    finally:
        if not keep:
            await subject.stop()
    seen.request = seen.request.decode("latin-1")
    result = {"name": name, **got, "seen": dataclasses.asdict(seen)}
    result["wrong"] = faults(scenario, side, got, seen)
    return result


def faults(scenario, side, got, seen):
    """What is not as the scenario wants it; empty where all is well.

    Texts; those about time begin with "late:" or "early:", about memory "memory:".
    """
    wrong = [*_wrong_close(scenario, seen)]

    def check(condition, text):
        if not condition:
            wrong.append(text)

    if side == "client" or scenario.status is None:
        wrong += _wrong_end(scenario, got)
    if scenario.messages is not None:
        check(got.get("messages") == scenario.messages, f"{got.get('messages')} came")
    if side == "server":
        status = NONE if seen.status is None else seen.status
        check(_same(scenario.status or 101, status), f"status {status}")
        check(got["left"] == 0, f"{got['left']} connections left")
    check(got["memory"] <= scenario.limit, f"memory: {got['memory']} bytes")
    if scenario.note is not None:
        check(_noted(scenario, seen), f"noted: {seen}"[:1000])
    check(not got["complaints"], f"complaints: {got['complaints']}")
    return wrong


def _wrong_close(scenario, seen):
    code = seen.codes[0] if seen.codes else NONE
    expected = NONE if scenario.code is None else scenario.code
    expected = None if expected == 1005 else expected  # a Close frame without a code
    if not _same(expected, code):
        yield f"close code {code}, not {expected}"
    if len(seen.codes) > 1:
        yield f"Close frames: {seen.codes}"
    if seen.after_close:
        yield f"{seen.after_close} octets behind Close"


def _wrong_end(scenario, got):
    """Other clients have other errors: there must be one, that is all."""
    ours = "client" not in got
    error, seconds, reason = got["error"], got.get("seconds", 0), got.get("reason")
    expected = scenario.error if ours or error == "nothing" else ANY
    if not _same(expected, error):
        yield f"{error}, not {scenario.error}: {got.get('text')}"
    if ours and scenario.text not in got.get("text", ""):
        yield f"it says: {got['text']}"
    if seconds > scenario.within:
        yield f"late: {seconds:.2f} s > {scenario.within}"
    if seconds < scenario.least:
        yield f"early: {seconds:.2f} s < {scenario.least}"
    if ours and not _same(scenario.reason, reason):
        yield f"{reason=}, not {scenario.reason}"


def _noted(scenario, seen):
    try:
        return scenario.note(seen)
    except (KeyError, ValueError):  # it did not come so far
        return False


def _same(expected, got):
    return expected in {ANY, got}


async def _main(options):
    subject = Subject()
    try:
        return await run(
            options.name,
            subject,
            peer=options.peer,
            loop=options.loop,
            tls=options.tls,
        )
    finally:
        await subject.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=SCENARIOS, metavar="NAME")
    parser.add_argument("--peer", default="ktorws")
    parser.add_argument("--loop", default="asyncio")
    parser.add_argument("--tls", action="store_true")
    result = asyncio.run(_main(parser.parse_args()))
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
