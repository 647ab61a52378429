"""A session without sockets: 900 messages a round, as `data_path` runs them."""

import asyncio

import pytest

from bench import data_path
from bench.data_path import opened


@pytest.fixture
def run(benchmark):
    """Measures a coroutine function in one event loop that lives for all rounds."""
    benchmark.group = f"data path, {data_path.BATCH} messages"

    def measure(work, **options):
        with asyncio.Runner() as runner:
            opening = opened()
            resources = runner.run(opening.__aenter__())

            def once():
                runner.run(work(resources, 1, **options))

            benchmark(once)
            runner.run(opening.__aexit__(None, None, None))

    return measure


@pytest.mark.parametrize("size", [16, 64, 512], ids=lambda size: f"{size} B")
def test_receive(run, size):
    run(data_path.receive_texts, payload=b"x" * size)


@pytest.mark.parametrize("size", [16, 64, 512], ids=lambda size: f"{size} B")
def test_receive_many(run, size):
    run(data_path.receive_many, payload=b"x" * size)


@pytest.mark.parametrize("size", [16, 64, 512], ids=lambda size: f"{size} B")
def test_send(run, size):
    run(data_path.send_texts, message="x" * size)


def test_echo(run):
    run(data_path.echo)


def test_answer_a_ping(run):
    run(data_path.pings)
