"""What the numbers say: medians, ratios round by round, and what was asked."""

import math
import statistics
from dataclasses import asdict, dataclass

from bench.plan import KTORWS

MET, NOT_MET, NOT_MEASURED = "met", "NOT MET", "not measured"

#: So many standard errors lie between a ratio and what is asked where it is certain:
#: chance comes as far one time in 40 on either side, more often if it is asked again.
CERTAIN = 2


@dataclass(frozen=True)
class Summary:
    """One number of a series: its median over the rounds, and its extremes."""

    median: float
    least: float
    most: float

    @property
    def spread(self):
        """How far the rounds lie apart, as a share of the median."""
        return (self.most - self.least) / self.median if self.median else 0.0


@dataclass(frozen=True)
class Verdict:
    """What became of one thing that was asked.

    Attributes:
        ratio: median over the rounds of theirs / ours; of ours, where no `theirs` is.
        least, most: the ratio's extremes.
        error: the ratio's standard error, of three rounds or more.
        of_minima: the ratio of both minima.
    """

    row: str
    loop: str
    wire: str
    ours: str
    theirs: str | None
    asked: float
    aim: float | None
    verdict: str
    ratio: float | None = None
    least: float | None = None
    most: float | None = None
    error: float | None = None
    of_minima: float | None = None

    @property
    def is_certain(self):
        """Whether the ratio's distance from what is asked is no work of chance."""
        return (
            self.error is not None
            and abs(self.ratio - self.asked) > CERTAIN * self.error
        )


def summary(series, name):
    """Of one named number; None where there is none."""
    values = [sample[name] for sample in series.samples if name in sample]
    if not values:
        return None
    return Summary(statistics.median(values), min(values), max(values))


def judge(asked, series, decides):
    """The verdicts on one `Asked`: one for each loop and wire that was measured.

    Args:
        series: all `Series`.
        decides: the number that decides, by row.
    """
    by_place = {(one.row, one.loop, one.wire, one.client): one for one in series}
    places = dict.fromkeys((o.loop, o.wire) for o in series if o.row == asked.row)
    for loop, wire in places:
        if loop in asked.loops and wire in asked.wires:
            ours = by_place.get((asked.row, loop, wire, asked.ours))
            theirs = by_place.get((asked.row, loop, wire, asked.theirs))
            yield _verdict(asked, loop, wire, ours, theirs, decides[asked.row])


def _verdict(asked, loop, wire, ours, theirs, name):
    about = (asked.row, loop, wire, asked.ours, asked.theirs, asked.least, asked.aim)
    a = [sample[name] for sample in ours.samples] if ours else []
    b = [sample[name] for sample in theirs.samples] if theirs else []
    if not a or (asked.theirs and not b):
        return Verdict(*about, NOT_MEASURED)
    if asked.theirs is None:
        middle = statistics.median(a)
        verdict = MET if middle <= asked.least else NOT_MET
        return Verdict(*about, verdict, middle, min(a), max(a), of_minima=min(a))
    pairs = [theirs / ours for ours, theirs in zip(a, b, strict=False)]
    middle = statistics.median(pairs)
    verdict = MET if middle >= asked.least else NOT_MET
    return Verdict(
        *about,
        verdict,
        middle,
        min(pairs),
        max(pairs),
        _error_of_median(pairs),
        min(b) / min(a),
    )


def _error_of_median(values):
    """By the quartiles, so that a single round that was disturbed says little."""
    if len(values) < 3:
        return None
    low, _, high = statistics.quantiles(values, method="inclusive")
    deviation = (high - low) / 1.349  # as it is where errors are normal
    return math.sqrt(math.pi / 2 / len(values)) * deviation


def verdicts(everything_asked, series, decides):
    """All of them, in the order in which they were asked."""
    return [one for asked in everything_asked for one in judge(asked, series, decides)]


def number(value):
    """Short enough for a column: 1234567 is 1.23 M, 1000 is 1.00 k."""
    for limit, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= limit:
            return f"{value / limit:#.3g}".rstrip(".") + unit
    return f"{value:#.3g}".rstrip(".")


def row_table(row, loop, wire, series):
    """Lines of one row's table: every client, the number that decides, the others."""
    where = "one core for both" if row.one_core else "a core each"
    where = where if row.path else "no server"
    yield ""
    yield f"{row.name} · {loop} · {wire} ({where}), {row.unit}; less is better"
    ours = next((one for one in series if one.client == KTORWS), None)
    best = summary(ours, row.decides) if ours else None
    for one in series:
        found = summary(one, row.decides)
        if found is None:
            yield f"  {one.client:<25} failed: {one.error}"
        else:
            ratio = f"{found.median / best.median:5.2f} x" if best else ""
            yield (
                f"  {one.client:<25} {number(found.median):>7}"
                f"  min {number(found.least):>7}  ±{found.spread / 2:4.0%}"
                f"  {ratio:>8}  {_beside(one, row.decides)}"
            )
    yield from _server_load(series)


def _beside(series, decides):
    """What else is known of a client."""
    names = [name for name in series.samples[0] if name != decides]
    words = [f"{name} {number(summary(series, name).median)}" for name in names]
    if series.failures:
        words.append(f"failed {len(series.failures)} times: {series.failures[-1]}")
    return "  ".join(words)


def _server_load(series):
    """How busy the server was at most: whether it held anyone back."""
    shares = [
        (sample["server"] / sample["wall"], one.client)
        for one in series
        for sample in one.samples
        if sample.get("server") and "wall" in sample
    ]
    if shares:
        share, client = max(shares)
        yield f"  the server was busy {share:.0%} of the time at most ({client})"


def verdict_table(found):
    """Lines: what was asked, what came out."""
    yield ""
    yield f"{'asked':<78} {'ratio':>7} {'least..most':>14} {'asked':>6} {'aim':>5}"
    for one in found:
        what = f"{one.row} · {one.loop} · {one.wire}: {one.ours} against {one.theirs}"
        if one.theirs is None:
            what = f"{one.row} · {one.loop} · {one.wire}: {one.ours}, at most, in bytes"
        aim = "" if one.aim is None else number(one.aim)
        ratio = extremes = ""
        if one.ratio is not None:
            ratio = number(one.ratio)
            extremes = f"{number(one.least)}..{number(one.most)}"
        yield (
            f"{what:<78} {ratio:>7} {extremes:>14} {number(one.asked):>6} {aim:>5}"
            f"  {one.verdict}"
        )


def last_words(found):
    """The rows that are not met, by name."""
    missed = [one for one in found if one.verdict != MET]
    met = len(found) - len(missed)
    yield ""
    yield f"{met} of {len(found)} are met."
    for one in missed:
        ratio = "" if one.ratio is None else f": {number(one.ratio)}"
        ratio += "" if one.error is None else f" (±{one.error:.3f})"
        yield (
            f"  {one.verdict}: {one.row} · {one.loop} · {one.wire},"
            f" {one.ours} against {one.theirs or 'its limit'}{ratio},"
            f" asked {number(one.asked)}"
        )


def as_json(about, settings, rows, series, found):
    """All that was measured, for programs."""
    return {
        "about": about,
        "settings": settings,
        "rows": {
            row.name: {"decides": row.decides, "unit": row.unit, "work": row.work}
            for row in rows
        },
        "series": [asdict(one) for one in series],
        "asked": [asdict(one) for one in found],
    }
