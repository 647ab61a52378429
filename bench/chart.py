"""One picture of a run: bars for the main rows, as SVG that needs nothing else."""

import statistics
from html import escape

from bench import plan
from bench.report import number

PANEL_WIDTH, LABEL_WIDTH, VALUE_WIDTH, GAP = 470, 150, 70, 30
BAR, TITLE, TOP = 20, 34, 96
OURS, OURS_TOO, OTHERS = "#6b3fd4", "#a78bea", "#b8bec9"

#: Row, wire and title; all on uvloop. A client that blocks has no loop: not shown.
PANELS = (
    (plan.RECEIVE, "plain", "Receive 64-byte texts"),
    (plan.SEND, "plain", "Send 64-byte texts"),
    (plan.RECEIVE, "tls", "Receive 64-byte texts over TLS"),
    (plan.SEND, "tls", "Send 64-byte texts over TLS"),
    (plan.ECHO, "plain", "Round trips of 256 bytes"),
    (plan.ECHO, "tls", "Round trips of 256 bytes over TLS"),
    (plan.RECEIVE_BIG, "plain", "Receive 1 MiB"),
    (plan.SEND_BIG, "plain", "Send 1 MiB"),
    (plan.OPENING, "plain", "Open sessions"),
    (plan.IDLE_2000, "plain", "Memory of an idle session"),
)


def bars(everything, row, wire):
    """Client and value, best first: how many a second of CPU, or KiB of memory."""
    decides = everything["rows"].get(row, {}).get("decides")
    found = []
    for one in everything["series"]:
        place = one["row"], one["loop"], one["wire"]
        if place == (row, "uvloop", wire) and one["samples"]:
            middle = statistics.median(sample[decides] for sample in one["samples"])
            value = middle / 1024 if decides == "bytes" else 1e9 / middle
            found.append((one["client"], value))
    return sorted(found, key=lambda bar: bar[1], reverse=decides != "bytes")


def text(x, y, words, *, size=13, anchor="start", weight="normal", color="#1f2430"):
    """One line of text."""
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}"'
        f' font-weight="{weight}" fill="{color}">{escape(words)}</text>'
    )


def panel(x, y, title, unit, found):
    """Its elements: a title, and for each client its name, a bar and a value."""
    yield text(x, y, title, size=15, weight="bold")
    yield text(x + PANEL_WIDTH, y, unit, size=11, anchor="end", color="#6b7280")
    longest = max(value for _, value in found)
    room = PANEL_WIDTH - LABEL_WIDTH - VALUE_WIDTH
    for index, (client, value) in enumerate(found):
        top = y + 12 + index * BAR
        ours = client == plan.KTORWS
        kind = OURS if ours else OURS_TOO if client.startswith("ktorws") else OTHERS
        weight = "bold" if ours else "normal"
        width = max(value / longest * room, 1)
        start = x + LABEL_WIDTH
        label = x + LABEL_WIDTH - 8
        yield text(label, top + 14, client, size=12, anchor="end", weight=weight)
        yield (
            f'<rect x="{start}" y="{top + 3}" width="{width:.1f}"'
            f' height="{BAR - 6}" rx="2" fill="{kind}"/>'
        )
        yield text(start + width + 6, top + 14, number(value), size=12, weight=weight)


def chart(everything):
    """The SVG document."""
    found = [(title, row, bars(everything, row, wire)) for row, wire, title in PANELS]
    found = [panel_ for panel_ in found if panel_[2]]
    width = 2 * PANEL_WIDTH + 3 * GAP
    elements, y = [], TOP
    for at in range(0, len(found), 2):
        pair = found[at : at + 2]
        for column, (title, row, values) in enumerate(pair):
            memory = everything["rows"][row]["decides"] == "bytes"
            unit = "KiB; shorter is better" if memory else "in a second of CPU"
            x = GAP + column * (PANEL_WIDTH + GAP)
            elements += panel(x, y + 16, title, unit, values)
        y += TITLE + BAR * max(len(values) for _, _, values in pair) + 24
    return "\n".join(_document(width, y, everything["about"], elements)) + "\n"


def _document(width, y, about, elements):
    versions = [f"{name} {version}" for name, version in about["versions"].items()]
    height = y + 40
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        f' width="{width}" height="{height}" font-family="system-ui, sans-serif">'
    )
    yield f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>'
    heading = "ktorws beside other Python WebSocket clients"
    yield text(GAP, 36, heading, size=20, weight="bold")
    under = (
        "One session, on uvloop, against the same neutral server in C. How many for a"
        " second of the client's CPU time: longer is better, except for memory."
    )
    yield text(GAP, 60, under, size=12, color="#6b7280")
    where = f"{about['date']} · {about['cpu']} · {about['system']} · {about['python']}"
    yield text(GAP, 78, where, size=12, color="#6b7280")
    yield from elements
    yield text(GAP, y + 20, " · ".join(versions), size=10, color="#6b7280")
    yield "</svg>"
