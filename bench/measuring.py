"""One row measured: rounds in which the clients alternate, on the cores it wants."""

import os
from contextlib import ExitStack
from dataclasses import dataclass, field

from bench.crew import WorkerError
from bench.peers import BLOCKING
from bench.plan import ASKED
from bench.report import judge

#: Seconds for one sample: of a timed row, and of one that opens many sessions.
PATIENCE, LONG_PATIENCE = 8.0, 60.0
#: Where the ratios of single rounds come as near as this to what is asked, few rounds
#: decide nothing: then the clients that it is about go on, in `AGAIN` new processes, so
#: many times as long in each, and in more until it is certain, `MOST` in all.
NEAR, LONGER, AGAIN, MOST = 0.1, 2, 2, 6
FAILURES = 2  # so often a client may fail in a row before it is left out


@dataclass
class Series:
    """What one client did in one row, on one loop and wire.

    Attributes:
        samples: named numbers, one dictionary for each round.
        count: how many messages, round trips or sessions made one sample.
        failures: what went wrong; the sample was taken again.
        error: why there are no more samples.
    """

    row: str
    loop: str
    wire: str
    client: str
    samples: list[dict] = field(default_factory=list)
    count: int = 0
    failures: list[str] = field(default_factory=list)
    error: str | None = None


def _near(row, every):
    """The verdicts by which one is about as good as is asked."""
    return [
        verdict
        for asked in ASKED
        if asked.row == row.name and asked.theirs is not None
        for verdict in judge(asked, every, {row.name: row.decides})
        if verdict.ratio
        and verdict.least < verdict.asked * (1 + NEAR)
        and verdict.most > verdict.asked * (1 - NEAR)
    ]


def _of_these(every, verdicts):
    """The series that these are about, theirs with ours."""
    names = {name for one in verdicts for name in (one.ours, one.theirs)}
    return [one for one in every if one.client in names and one.error is None]


def does(client, loop):
    """Whether this client runs on this loop; one that blocks is counted once."""
    return client not in BLOCKING or loop == "asyncio"


def _who(series):
    """Which worker serves it."""
    return series.client, series.loop, series.wire


class Measuring:
    """Knows the server, the workers and the cores."""

    def __init__(self, server, crew, *, rounds, seconds, progress):
        self._server = server
        self._crew = crew
        self._rounds = rounds
        self._seconds = seconds
        self._progress = progress
        self._cores = sorted(os.sched_getaffinity(0))

    def row(self, row, loop, wire):
        """A `Series` for each client."""
        here, there = {self._cores[0]}, {self._cores[-1]}
        self._server.pin(here if row.one_core else there)
        clients = [client for client in row.clients if does(client, loop)]
        every = [Series(row.name, loop, wire, client) for client in clients]
        rounds = min(self._rounds, row.rounds)
        for series in every:
            self._progress.step(row, loop, wire, series.client, "warm-up", rounds)
            self._calibrate(row, series, here)
        for number in range(rounds):
            for series in every:
                if series.error is None:
                    self._progress.step(
                        row, loop, wire, series.client, number + 1, rounds
                    )
                    self._sample(row, series, here)
        if near := _of_these(every, _near(row, every)):
            self._settle(row, near, LONGER * rounds, here)
        return every

    def _settle(self, row, near, rounds, cores):
        """Go on with these until it is certain whether they are as good as is asked."""
        for number in range(MOST):
            if number >= AGAIN and all(one.is_certain for one in _near(row, near)):
                return
            try:
                self._go_on(row, near, rounds, cores)
            except WorkerError as error:
                near[0].failures.append(str(error))
                return

    def _go_on(self, row, near, rounds, cores):
        """More rounds of these, in new processes: one may be lucky all its life.

        The first of one round is the last of the next.
        """
        self._progress.more((1 + rounds) * len(near))
        with ExitStack() as stack:
            pairs = [
                (one, stack.enter_context(self._crew.fresh(*_who(one)))) for one in near
            ]
            for number in range(1 + rounds):
                self._turn(row, pairs[:: 1 - 2 * (number % 2)], number, cores)

    def _turn(self, row, pairs, number, cores):
        """A sample of each; the first one of a process is its warm-up."""
        for series, worker in pairs:
            self._progress.step(
                row, series.loop, series.wire, series.client, number, "more"
            )
            sample = worker.do(self._job(row, series, cores))
            if number:
                series.samples.append(sample)

    def _calibrate(self, row, series, cores):
        """Find out how many make up a round; where that is given, just warm up."""
        series.count = row.options.get("count", 0)
        if not row.first:
            return
        series.count = row.first
        self._sample(row, series, cores)
        if series.error is not None:
            return
        took = max(series.samples.pop()["wall"], 1.0) * 1e-9
        took *= row.options["size"] if row.work == "burst" else 1
        series.count = max(int(self._seconds / took), row.first // 10, 1)

    def _sample(self, row, series, cores):
        """One sample more; a client that hangs or breaks has another chance."""
        job = self._job(row, series, cores)
        who = _who(series)
        while True:
            try:
                if row.fresh:
                    with self._crew.fresh(*who) as worker:
                        series.samples.append(worker.do(job))
                else:
                    series.samples.append(self._crew.worker(*who).do(job))
            except WorkerError as error:
                self._crew.drop(*who)
                series.failures.append(str(error))
                if len(series.failures) <= FAILURES:
                    continue
                series.error = str(error)
            return

    def _job(self, row, series, cores):
        options = dict(row.options)
        if series.count:
            options["count"] = series.count
        path = row.path.format(**options)
        secure = series.wire == "tls"
        return {
            "work": row.work,
            "url": self._server.url(path, secure=secure) if path else "",
            "options": options,
            "cores": sorted(cores),
            "server": self._server.pid,
            "patience": PATIENCE if row.first else LONG_PATIENCE,
        }
