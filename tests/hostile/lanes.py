"""Runs many rows of the matrix side by side, each lane in a process of its own."""

import asyncio
import concurrent.futures
import functools
import multiprocessing

from tests.hostile.run_one import Subject, run

#: Most rows wait more than they work.
LANES = 4


class Lanes:
    """A context manager; rows that are waiting when it ends are dropped."""

    def __init__(self, count=LANES):
        self._pool = concurrent.futures.ProcessPoolExecutor(
            count, mp_context=multiprocessing.get_context("spawn")
        )

    def submit(self, name, **options):
        """A future of what `run` gives."""
        return self._pool.submit(_run, name, options)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._pool.shutdown(cancel_futures=True)


@functools.cache
def _lane():
    """This lane's event loop, and the process that it attacks."""
    return asyncio.Runner(), Subject()


def _run(name, options):
    runner, subject = _lane()
    return runner.run(run(name, subject, **options))
