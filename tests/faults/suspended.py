"""A client in a process of its own, to be suspended; says in JSON what it met.

suspended.py LOOP PORT NUMBER: `NUMBER` messages from the far side's ``/count``.
"""

import asyncio
import json
import sys

from ktorws import CIO, HttpClient, WebSockets
from tests.faults.messages import Ledger
from tests.faults.network import FAR
from tests.faults.traffic import listen
from tests.stress.harness import LOOPS

INTERVAL, TIMEOUT = 0.3, 0.6
PAUSE = 0.01


async def main(port, number):
    feature = WebSockets(ping_interval=INTERVAL, timeout=TIMEOUT)
    url = f"ws://{FAR}:{port}/count/{number}/{PAUSE}"
    async with HttpClient(CIO(), features=[feature]) as http, http.ws(url) as session:
        print("open", flush=True)  # noqa: T201
        heard = Ledger("far")
        error = await listen(session, heard)
        reason = await session.close_reason
    met = {
        "heard": heard.count,
        "problem": heard.problem,
        "error": error and type(error).__name__,
        "code": reason.code,
    }
    print(json.dumps(met), flush=True)  # noqa: T201


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=LOOPS[sys.argv[1]]) as runner:
        runner.run(main(*sys.argv[2:]))
