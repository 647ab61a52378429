"""One client in a process of its own: jobs come as lines of JSON, results go back.

python -m bench.worker CLIENT LOOP [CERTIFICATE]
"""

import asyncio
import json
import os
import sys
import traceback

from bench.peers import peer_class
from bench.works import work


def loop_factory(name):
    """What makes the event loop of this name."""
    if name == "uvloop":
        import uvloop

        return uvloop.new_event_loop
    return asyncio.new_event_loop


async def do(peer, job):
    """Do one job on its cores, within its time."""
    os.sched_setaffinity(0, job["cores"])
    async with asyncio.timeout(job["patience"]):
        return await work(job["work"])(peer, job)


def main():
    client, loop, *trust = sys.argv[1:]
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a library may print
    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        peer = peer_class(client)(*trust)
        for line in sys.stdin:
            try:
                result = runner.run(do(peer, json.loads(line)))
            except Exception as error:
                traceback.print_exc()
                result = {"error": f"{type(error).__name__}: {error}"}
            answers.write(json.dumps(result) + "\n")
            answers.flush()
        runner.run(peer.stop())


if __name__ == "__main__":
    main()
