"""What the benchmark makes of its numbers: ratios, verdicts, tables and the chart."""

import contextlib
import dataclasses
import itertools
import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("bench.plan", reason="there is no bench/ beside the tests")

from bench import plan
from bench.chart import bars, chart
from bench.measuring import Measuring, Series
from bench.neutral import NoCompilerError, build
from bench.report import (
    MET,
    NOT_MEASURED,
    NOT_MET,
    as_json,
    judge,
    last_words,
    number,
    row_table,
    summary,
)

ROOT = Path(__file__).parent.parent

ROW = plan.Row("work", "receive", "/firehose/{count}/64", ("ktorws", "other"))
DECIDES = {"work": "cpu"}


def series(client, *cpu, loop="uvloop", wire="plain"):
    samples = [{"cpu": value, "wall": 2 * value, "server": 1.0} for value in cpu]
    return Series("work", loop, wire, client, samples)


def asked(least, theirs="other", **options):
    return plan.Asked("work", "ktorws", theirs, least, **options)


def test_the_ratio_is_the_median_of_the_rounds_not_of_all():
    every = [
        series("ktorws", 100.0, 200.0, 400.0),
        series("other", 300.0, 200.0, 800.0),
    ]
    [verdict] = judge(asked(2.0), every, DECIDES)
    assert verdict.ratio == 2.0  # of 3, 1 and 2
    assert (verdict.least, verdict.most) == (1.0, 3.0)
    assert verdict.of_minima == 2.0
    assert verdict.verdict == MET


def test_a_ratio_below_what_is_asked_is_not_met():
    every = [series("ktorws", 100.0), series("other", 199.0)]
    [verdict] = judge(asked(2.0), every, DECIDES)
    assert verdict.verdict == NOT_MET
    assert "NOT MET: work" in "\n".join(last_words([verdict]))
    assert "0 of 1 are met" in "\n".join(last_words([verdict]))


@pytest.mark.parametrize(
    ("rounds", "is_certain"),
    [
        ([1.04, 1.05, 1.06], True),
        ([0.94, 0.95, 0.96], True),
        ([1.0, 1.01, 1.03], False),
        ([0.9, 1.02, 1.1], False),
        ([0.9, 1.02, 1.1] * 200, True),  # many rounds say more than few
        ([1.02, 1.02, 1.02, 1.02, 0.2], True),  # one was disturbed
        ([1.5, 1.5], False),  # two say nothing of how far they lie apart
    ],
)
def test_a_ratio_is_certain_where_it_is_far_from_what_is_asked(rounds, is_certain):
    every = [series("ktorws", *[1.0] * len(rounds)), series("other", *rounds)]
    [verdict] = judge(asked(1.0), every, DECIDES)
    assert verdict.is_certain is is_certain


def test_a_row_that_is_missed_is_named_with_its_error():
    every = [series("ktorws", 1.0, 1.0, 1.0), series("other", 0.8, 0.9, 1.0)]
    [verdict] = judge(asked(1.0), every, DECIDES)
    assert verdict.error == pytest.approx(0.0536, abs=1e-4)
    assert "0.900 (±0.054), asked 1.00" in "\n".join(last_words([verdict]))


class Stage:
    """A server, a crew and a progress in which nothing is real but the numbers."""

    pid = 1

    def __init__(self, ratios):
        self.ratios = itertools.cycle(ratios)
        self.processes = 0

    def pin(self, cores):
        pass

    more = pin

    def step(self, *words):
        pass

    def url(self, path, *, secure):
        return path

    def worker(self, client, loop, wire):
        number = 1.0 if client == "ktorws" else next(self.ratios)
        return SimpleNamespace(do=lambda job: {"cpu": number, "wall": 1.0})

    @contextlib.contextmanager
    def fresh(self, *who):
        self.processes += 1
        yield SimpleNamespace(do=lambda job: self.worker(*who).do(job))


@pytest.mark.parametrize(
    ("ratios", "processes", "rounds"),
    [
        ([1.5], 0, 3),  # far from what is asked
        ([1.05], 2, 3 + 2 * 6),
        ([0.98], 2, 3 + 2 * 6),
        ([0.9, 1.0, 1.1], 6, 3 + 6 * 6),  # a tie
    ],
)
def test_a_near_thing_is_measured_until_it_is_certain(
    monkeypatch, ratios, processes, rounds
):
    monkeypatch.setattr("bench.measuring.ASKED", [asked(1.0)])
    stage = Stage(ratios)
    measuring = Measuring(stage, stage, rounds=3, seconds=0.1, progress=stage)
    row = dataclasses.replace(ROW, options={"count": 1})
    for one in measuring.row(row, "uvloop", "plain"):
        assert len(one.samples) == rounds
    assert stage.processes == 2 * processes


def test_a_limit_is_the_most_that_may_be():
    assert judge_one(asked(100.0, None), series("ktorws", 90.0, 99.0, 150.0)) == MET
    assert judge_one(asked(100.0, None), series("ktorws", 90.0, 101.0)) == MET
    assert judge_one(asked(100.0, None), series("ktorws", 101.0, 150.0)) == NOT_MET


def judge_one(one, *every):
    [verdict] = judge(one, every, DECIDES)
    return verdict.verdict


def test_what_could_not_be_measured_is_not_met_either():
    failed = Series("work", "uvloop", "plain", "other", error="it broke")
    assert judge_one(asked(1.0), series("ktorws", 1.0), failed) == NOT_MEASURED
    assert judge_one(asked(1.0), series("ktorws", 1.0)) == NOT_MEASURED
    [verdict] = judge(asked(1.0), [series("ktorws", 1.0), failed], DECIDES)
    assert "not measured: work" in "\n".join(last_words([verdict]))


def test_each_loop_and_wire_that_is_asked_for_is_judged_by_itself():
    every = [
        series(client, cpu, loop=loop, wire=wire)
        for client, cpu in (("ktorws", 1.0), ("other", 3.0))
        for loop in ("uvloop", "asyncio")
        for wire in ("plain", "tls")
    ]
    found = judge(asked(2.0, loops=("uvloop",), wires=("plain", "tls")), every, DECIDES)
    assert [(one.loop, one.wire) for one in found] == [
        ("uvloop", "plain"),
        ("uvloop", "tls"),
    ]


def test_a_summary_has_median_extremes_and_spread():
    found = summary(series("ktorws", 100.0, 90.0, 130.0), "cpu")
    assert (found.median, found.least, found.most) == (100.0, 90.0, 130.0)
    assert found.spread == 0.4
    assert summary(series("ktorws"), "cpu") is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0261, "0.0261"),
        (1.0, "1.00"),
        (100.0, "100"),
        (1000.0, "1.00 k"),
        (65_300.0, "65.3 k"),
        (2_345_678.0, "2.35 M"),
        (5e9, "5.00 G"),
    ],
)
def test_numbers_have_three_digits_and_a_unit(value, words):
    assert number(value) == words


def test_a_table_has_every_client_and_how_busy_the_server_was():
    failed = Series("work", "uvloop", "plain", "third", error="it broke")
    hung = series("other", 30.0)
    hung.failures.append("TimeoutError")
    every = [series("ktorws", 10.0), hung, failed]
    lines = list(row_table(ROW, "uvloop", "plain", every))
    assert "ktorws" in lines[2]
    assert "1.00 x" in lines[2]
    assert "3.00 x" in lines[3]
    assert "failed 1 times: TimeoutError" in lines[3]
    assert lines[4].endswith("failed: it broke")
    assert lines[5] == "  the server was busy 5% of the time at most (ktorws)"


def made_up():
    """A whole result, as JSON gives it back."""
    rows = [row for row in plan.ROWS if row.name in (plan.RECEIVE, plan.IDLE_2000)]
    every = [
        Series(plan.RECEIVE, "uvloop", "plain", "ktorws", [{"cpu": 250.0}]),
        Series(plan.RECEIVE, "uvloop", "plain", "websockets", [{"cpu": 5000.0}]),
        Series(plan.RECEIVE, "asyncio", "plain", "websockets", [{"cpu": 1.0}]),
        Series(plan.IDLE_2000, "uvloop", "plain", "ktorws", [{"bytes": 6144.0}]),
        Series(plan.IDLE_2000, "uvloop", "plain", "aiohttp", [{"bytes": 10240.0}]),
    ]
    about = {
        "date": "2026-01-02 03:04 UTC",
        "cpu": "A CPU <1>",
        "system": "Linux",
        "python": "CPython 3.11",
        "versions": {"ktorws": "0.1", "websockets": "16"},
    }
    return json.loads(json.dumps(as_json(about, {}, rows, every, [])))


def test_bars_are_messages_a_second_or_memory_and_the_best_is_on_top():
    everything = made_up()
    assert bars(everything, plan.RECEIVE, "plain") == [
        ("ktorws", 4_000_000.0),
        ("websockets", 200_000.0),
    ]
    assert bars(everything, plan.IDLE_2000, "plain") == [
        ("ktorws", 6.0),
        ("aiohttp", 10.0),
    ]
    assert bars(everything, plan.SEND, "plain") == []


def test_the_chart_is_svg_with_every_client_date_cpu_and_versions():
    drawn = ET.fromstring(chart(made_up()))
    words = [element.text for element in drawn.iter() if element.text]
    assert "4.00 M" in words
    assert "10.0" in words
    assert any("A CPU <1>" in word and "2026-01-02" in word for word in words)
    assert "ktorws 0.1 · websockets 16" in words


def test_everything_asked_names_rows_and_clients_that_are_measured():
    rows = {row.name: row for row in plan.ROWS}
    for one in plan.ASKED:
        row = rows[one.row]
        assert {one.ours, one.theirs} - {None} <= set(row.clients)
        assert set(one.loops) <= set(row.loops)
        assert set(one.wires) <= set(row.wires)


def test_one_tiny_row_from_end_to_end(tmp_path):
    pytest.importorskip("websockets")
    if not sys.platform.startswith("linux"):
        pytest.skip("the neutral server needs Linux (epoll)")
    try:
        build()
    except NoCompilerError as error:
        pytest.skip(str(error))
    result, picture = tmp_path / "made" / "r.json", tmp_path / "made" / "c.svg"
    command = [sys.executable, "-m", "bench.run", "--quick", "--rows", plan.RECEIVE]
    command += ["--loops", "asyncio", "--wires", "plain", "--rounds", "1"]
    command += ["--seconds", "0.005", "--clients", "ktorws", "websockets"]
    done = subprocess.run(
        [*command, "--json", result, "--chart", picture],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=25,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "receive 64 B text · asyncio · plain" in done.stdout
    measured = json.loads(result.read_text())
    by_client = {one["client"]: one for one in measured["series"]}
    assert set(by_client) == {"ktorws", "websockets"}
    for one in by_client.values():
        assert one["error"] is None
        assert one["samples"][0]["cpu"] > 0
    assert measured["about"]["versions"]["websockets"] != "not installed"
    ET.fromstring(picture.read_text())


def test_the_page_is_written_between_its_marks_and_nowhere_else(tmp_path, monkeypatch):
    from bench import page

    results = {
        "about": {
            "date": "today",
            "cpu": "a CPU",
            "cores": 2,
            "system": "Linux",
            "load": 0.5,
            "python": "CPython",
            "openssl": "OpenSSL",
            "versions": {"ktorws": "1"},
        },
        "rows": {"work": {"decides": "cpu", "unit": "ns CPU"}},
        "series": [
            {
                "row": "work",
                "loop": "uvloop",
                "wire": "plain",
                "client": client,
                "samples": [{"cpu": value}],
            }
            for client, value in ((plan.KTORWS, 1.5), (plan.PICOWS, 3000.0))
        ],
        "asked": [],
    }
    (tmp_path / "results.json").write_text(json.dumps(results))
    (tmp_path / "page.md").write_text(f"before\n{page.BEGIN}old\n{page.END}after\n")
    monkeypatch.setattr(page, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(sys, "argv", ["page", str(tmp_path / "results.json")])
    for _ in range(2):  # the second time over its own
        page.main()
        text = (tmp_path / "page.md").read_text()
        assert text.startswith(f"before\n{page.BEGIN}")
        assert text.endswith(f"{page.END}after\n")
        assert "| work · uvloop · plain (ns CPU) | 1.50 |  | 3.00 k |" in text
        assert "old" not in text
