"""Mixed traffic with faults on many sessions for as long as it is told.

python tests/faults/soak.py --minutes 60 --sessions 200

The peer is a process of its own by `websockets`. Every message is numbered and has a
checksum; both sides count what they sent and got, and for each session that ended the
two counts are compared. Exit status 1 when anything was lost, torn, doubled or left
behind, when an end was not the typed error that it must be, or when memory grew.
"""

import argparse
import asyncio
import collections
import gc
import itertools
import json
import math
import pathlib
import random
import signal
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import trustme  # noqa: E402

from ktorws import ConnectError, OpenTimeoutError  # noqa: E402
from ktorws.deflate import WebSocketDeflateExtension  # noqa: E402
from tests.faults.soak_talk import (  # noqa: E402
    CLOSE_TIMEOUT,
    ENDS,
    INTERVAL,
    TIMEOUT,
    Talk,
)
from tests.stress.harness import LOOPS, client, descriptors, resident  # noqa: E402

TRANSPORTS = ("auto", "asyncio", "aiofastnet")
GROWTH = 20 * 2**20  # bytes of memory that the process may grow by once it is warm
WARM_UP = 300  # seconds; a third of a short run
REPORT = 30
WIND_DOWN = 28  # seconds at the end in which no session is opened
SETTLING = 8  # seconds; until the peer has told of every session


class Kind:
    """One way to reach the peer."""

    def __init__(self, port, authority, transport, deflate):
        self.name = transport if authority is None else f"{transport} with TLS"
        # Other transports than ours read no more when a write fails.
        self.loses_unread = transport != "auto"
        extensions = [WebSocketDeflateExtension.install()] if deflate else []
        self.url = f"{'wss' if authority else 'ws'}://127.0.0.1:{port}"
        self.http = client(
            transport=transport,
            authority=authority,
            extensions=extensions,
            ping_interval=INTERVAL,
            timeout=TIMEOUT,
            open_timeout=30,
            close_timeout=CLOSE_TIMEOUT,
        )


class Soak:
    """All sessions, their faults, and the figures."""

    def __init__(self, options):
        self.options = options
        self.begin = time.monotonic()
        self.seconds = max(options.minutes * 60 - WIND_DOWN, 10)
        # Seconds that a session lives; short enough for many ends in a short run.
        self.mean_life = min(30, self.seconds / 10)
        self.ends = collections.Counter()
        self.problems = []
        self.open = 0
        self.heard = self.sent = self.pongs = self.stalls = self.stops = 0
        self.ours = {}
        self.theirs = {}
        self.keys = itertools.count()
        self.warm = None
        self.stalled_at = -math.inf
        self.most = self.told = 0

    @property
    def left(self):
        return self.begin + self.seconds - time.monotonic()

    async def run(self):
        with tempfile.TemporaryDirectory() as folder:
            authority, peer = await self.start_peer(pathlib.Path(folder))
            plain, secure = map(int, (await peer.stdout.readline()).split())
            self.kinds = [
                Kind(secure if tls else plain, authority if tls else None, *rest)
                for tls in (False, True)
                for rest in itertools.product(TRANSPORTS, (False, True))
            ]
            await self.soak(peer)
            for kind in self.kinds:
                await kind.http.close()
        self.compare()
        self.problems += [f"peer heard of {key} only" for key in self.theirs]
        self.problems += [f"the peer never reported {key}" for key in self.ours]

    async def start_peer(self, folder):
        authority = trustme.CA()
        pair = authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem
        pair.write_to_path(folder / "peer.pem")
        authority.cert_pem.write_to_path(folder / "authority.pem")
        command = ["-m", "tests.faults.soak_peer", "--certificate"]
        peer = await asyncio.create_subprocess_exec(
            *(sys.executable, *command, str(folder / "peer.pem")),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        return folder / "authority.pem", peer

    async def soak(self, peer):
        self.before = len(descriptors()), len(asyncio.all_tasks())
        others = [
            asyncio.create_task(work(peer))
            for work in (self.listen, self.freeze, self.stall, self.tell)
        ]
        slots = [
            asyncio.create_task(self.slot(number, peer))
            for number in range(self.options.sessions)
        ]
        await asyncio.wait(slots)
        await asyncio.sleep(SETTLING)
        for other in others:
            if other.done():
                self.problems.append(f"the soak itself failed: {other.exception()!r}")
            other.cancel()
        await asyncio.wait(others)
        gc.collect()
        self.figures()
        after = len(descriptors()), len(asyncio.all_tasks())
        if any(now > then for now, then in zip(after, self.before, strict=True)):
            self.problems.append(f"left behind: {self.before} became {after}")
        peer.kill()
        await peer.wait()

    async def slot(self, number, peer):
        """One session after the other."""
        chance = random.Random(f"{self.options.seed} {number}")
        await asyncio.sleep(chance.random() * min(10, self.seconds / 10))
        while self.left > 0:
            key = str(next(self.keys))
            talk = Talk(self, key, chance)
            talk.seconds = min(talk.seconds, max(self.left, 0.2))
            try:
                code = await talk.run()
            except (ConnectError, OpenTimeoutError) as error:
                # Deadlines of the opening run on while our loop stands still.
                self.ends[f"({type(error).__name__})"] += 1
                if time.monotonic() > self.stalled_at + 2 * TIMEOUT:
                    self.problems.append(f"{key}: {error}")
                continue
            except Exception as error:
                self.problems.append(f"{key} {talk}: untyped {error!r}")
                continue
            finally:
                if talk.end == "peer_silent":
                    peer.stdin.write(f"{key}\n".encode())
            self.ends[f"{talk.end} {code}"] += 1
            self.ours[key] = talk
            self.sent += talk.sent
            self.heard += talk.heard.count

    async def listen(self, peer):
        async for line in peer.stdout:
            report = json.loads(line)
            self.theirs[report["key"]] = report
            self.pongs += report["pongs"]
            self.stalls += report["stalls"]
            self.compare()

    def compare(self):
        """What one side sent with what the other got, where both have told."""
        for key in self.ours.keys() & self.theirs.keys():
            talk, report = self.ours.pop(key), self.theirs.pop(key)
            _, _, all_theirs, all_ours = ENDS[talk.end]
            found = [*talk.problems, talk.heard.problem, report["problem"]]
            if talk.heard.count > report["sent"] or (
                all_theirs
                and not talk.may_have_lost
                and talk.heard.count < report["sent"]
            ):
                found.append(f"heard {talk.heard.count} of {report['sent']}")
            if report["heard"] > talk.sent or (
                all_ours and report["heard"] < talk.sent
            ):
                found.append(f"the peer heard {report['heard']} of {talk.sent}")
            self.problems += [f"{key} {talk}: {it}" for it in found if it]

    # What goes on beside the sessions.

    async def freeze(self, peer):
        """The peer's whole process stands still for a second."""
        chance = random.Random(self.options.seed)
        while True:
            await asyncio.sleep(chance.uniform(0.5, 1.5) * min(60, self.seconds / 6))
            peer.send_signal(signal.SIGSTOP)
            await asyncio.sleep(1)
            peer.send_signal(signal.SIGCONT)
            self.stops += 1

    async def stall(self, _peer):
        """Our loop stands still, now and then longer than silence may last."""
        chance = random.Random(self.options.seed)
        for number in itertools.count(1):
            await asyncio.sleep(chance.uniform(0.5, 1.5) * min(120, self.seconds / 6))
            long = number % 4 == 2
            pause = INTERVAL + TIMEOUT + 2 if long else chance.uniform(0.3, 1.5)
            time.sleep(pause)  # noqa: ASYNC251  that is the fault
            self.stalled_at = time.monotonic()
            self.ends["(our loop stalled, long)" if long else "(our loop stalled)"] += 1

    async def tell(self, _peer):
        """The figures, every half minute."""
        while True:
            await asyncio.sleep(REPORT)
            self.figures()

    def figures(self):
        memory = resident()
        fds = collections.Counter(link.split(":")[0] for link in descriptors())
        tasks = len(asyncio.all_tasks())
        elapsed = time.monotonic() - self.begin
        if self.warm is None and elapsed >= min(WARM_UP, self.seconds / 3):
            self.warm = memory
        if self.warm is not None:
            self.most = max(self.most, memory - self.warm)
        # One socket a session, one opening or lingering; three tasks, and waiters.
        if fds["socket"] > self.before[0] + 2 * self.options.sessions:
            self.problems.append(f"{fds['socket']} sockets")
        if tasks > self.before[1] + 8 * self.options.sessions:
            self.problems.append(f"{tasks} tasks")
        print(  # noqa: T201
            f"{elapsed:5.0f} s  open {self.open}  ended {sum(self.ends.values())}  "
            f"heard {self.heard}  sent {self.sent}  pongs {self.pongs}  "
            f"stalls {self.stalls}  stops {self.stops}  RSS {memory >> 10} KiB  "
            f"sockets {fds['socket']}  fds {fds.total()}  tasks {tasks}  "
            f"CPU {time.process_time() / elapsed:.0%}  problems {len(self.problems)}\n"
            f"         {dict(sorted(self.ends.items()))}",
            flush=True,
        )
        for problem in self.problems[self.told :]:
            print(f"         PROBLEM {problem}", flush=True)  # noqa: T201
        self.told = len(self.problems)

    def summary(self):
        if self.most > GROWTH:
            self.problems.append(f"grew by {self.most >> 10} KiB")
        missing = set(ENDS) - {end.split()[0] for end in self.ends}
        if missing:
            self.problems.append(f"ends that never came to pass: {missing}")
        for problem in self.problems:
            print(f"PROBLEM {problem}")  # noqa: T201
        print(  # noqa: T201
            f"{'FAILED' if self.problems else 'passed'}: {self.options.minutes:g} min, "
            f"{sum(self.ends.values())} ends, {self.heard} messages heard, "
            f"{self.sent} sent, grown by {self.most >> 10} KiB since it was warm"
        )
        return 1 if self.problems else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--seed", default="soak")
    parser.add_argument("--loop", choices=LOOPS, default="asyncio")
    options = parser.parse_args()
    soak = Soak(options)
    with asyncio.Runner(loop_factory=LOOPS[options.loop]) as runner:
        runner.run(soak.run())
    return soak.summary()


if __name__ == "__main__":
    sys.exit(main())
