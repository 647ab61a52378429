"""What is measured, and what is asked of ktorws.

A row is one kind of work; it is measured on each loop, plain and over TLS, where that
says something. Ratios are asked within one run, never across runs.
"""

from dataclasses import dataclass, field

KTORWS, MANY, LOOPS_OWN = "ktorws", "ktorws, receive_many", "ktorws, loop's transport"
PICOWS, VIEWS = "picows core", "picows core, views"
PICOWS_WEBSOCKETS, AIOHTTP = "picows.websockets", "aiohttp"
WEBSOCKETS, WEBSOCKET_CLIENT = "websockets", "websocket-client"
BARE, MEMCPY = "bare asyncio", "memcpy"

LOOPS = ("uvloop", "asyncio")
WIRES = ("plain", "tls")
PLAIN = ("plain",)
UVLOOP = ("uvloop",)

EVERY = (
    KTORWS,
    LOOPS_OWN,
    PICOWS,
    PICOWS_WEBSOCKETS,
    AIOHTTP,
    WEBSOCKETS,
    WEBSOCKET_CLIENT,
)
WITH_A_LOOP = tuple(client for client in EVERY if client != WEBSOCKET_CLIENT)
MIB = 1024 * 1024
BIG = 64 * MIB


@dataclass(frozen=True)
class Row:
    """One kind of work.

    Attributes:
        name: what the table calls it.
        work: what the worker is told to do.
        path: of the neutral server; ``{count}`` and ``{size}`` are filled in.
        clients: who does it.
        options: for the work.
        first: for a start this count, then so many as take a round's time; 0 where
            the options say how many.
        decides: which of the resulting numbers is compared.
        unit: of that number, as the table says it.
        one_core: client and server share a core, as round trips need it.
        fresh: every sample has a process of its own.
        rounds: at most so many samples.
        quick: what the quick mode does otherwise; None where it leaves it out.
    """

    name: str
    work: str
    path: str
    clients: tuple[str, ...]
    options: dict = field(default_factory=dict)
    first: int = 0
    decides: str = "cpu"
    unit: str = "ns CPU"
    one_core: bool = False
    fresh: bool = False
    rounds: int = 1000
    loops: tuple[str, ...] = LOOPS
    wires: tuple[str, ...] = WIRES
    quick: dict | None = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """A ratio that must hold: how many times as good `ours` is as `theirs`.

    Attributes:
        least: the ratio, or where `theirs` is None the most that `ours` may have.
        aim: what would be better still.
    """

    row: str
    ours: str
    theirs: str | None
    least: float
    aim: float | None = None
    loops: tuple[str, ...] = LOOPS
    wires: tuple[str, ...] = PLAIN


FEW = (KTORWS, PICOWS, AIOHTTP, WEBSOCKETS)
ONLY_UVLOOP = {"loops": UVLOOP}
ONLY_UVLOOP_PLAIN = {"loops": UVLOOP, "wires": PLAIN}

RECEIVE, SEND, ECHO = "receive 64 B text", "send 64 B text", "round trip 256 B"
RECEIVE_BIG, SEND_BIG, ECHO_BIG = "receive 1 MiB", "send 1 MiB", "round trip 1 MiB"
BURSTS = tuple(f"burst of {size}" for size in (1, 10, 100))
MASK, OPENING = "mask 1 MiB", "open a session"
IDLE_1000, IDLE_2000 = "memory, 1,000 idle", "memory, 2,000 idle"
PINGED, LATENCY = "idle, but pinged", "latency, mixed load"
BIG_PEAK = "memory, 64 MiB message"

TIMED = (
    Row(
        RECEIVE,
        "receive",
        "/firehose/{count}/64",
        (KTORWS, MANY, *EVERY[1:]),
        first=4000,
    ),
    Row(
        SEND,
        "send",
        "/sink/{count}",
        EVERY,
        {"message": ("text", 64)},
        first=2000,
    ),
    Row(
        ECHO,
        "echo",
        "/echo",
        (*EVERY, BARE),
        {"message": ("binary", 256)},
        first=300,
        one_core=True,
    ),
    Row(
        RECEIVE_BIG,
        "receive",
        f"/firehose/{{count}}/{MIB}?binary",
        (KTORWS, LOOPS_OWN, PICOWS, VIEWS, *EVERY[3:]),
        {"binary": True},
        first=20,
        quick={"loops": UVLOOP},
    ),
    Row(
        SEND_BIG,
        "send",
        "/sink/{count}",
        EVERY,
        {"message": ("binary", MIB)},
        first=20,
        quick={"loops": UVLOOP},
    ),
    Row(
        ECHO_BIG,
        "echo",
        "/echo",
        (KTORWS, LOOPS_OWN, PICOWS, VIEWS, *EVERY[3:], BARE),
        {"message": ("binary", MIB)},
        first=10,
        one_core=True,
        quick={"loops": UVLOOP},
    ),
    *(
        Row(
            name,
            "burst",
            "/firehose/{size}/64",
            (KTORWS, MANY, *EVERY[2:]),
            {"size": size},
            first=300 // size + 20,
            one_core=True,
            wires=PLAIN,
            quick=ONLY_UVLOOP,
        )
        for name, size in zip(BURSTS, (1, 10, 100), strict=True)
    ),
    Row(
        MASK,
        "mask",
        "",
        (KTORWS, MEMCPY),
        {"size": MIB},
        first=50,
        loops=("asyncio",),
        wires=PLAIN,
    ),
)

COUNTED = (
    Row(
        OPENING,
        "opening",
        "/idle",
        EVERY,
        {"count": 200},
        one_core=True,
        rounds=5,
        quick={"rounds": 3, "options": {"count": 60}},
    ),
    Row(
        IDLE_1000,
        "idle_memory",
        "/idle",
        WITH_A_LOOP,
        {"count": 1000},
        decides="bytes",
        unit="bytes",
        fresh=True,
        rounds=1,
        quick=None,
    ),
    Row(
        IDLE_2000,
        "idle_memory",
        "/idle",
        WITH_A_LOOP,
        {"count": 2000},
        decides="bytes",
        unit="bytes",
        fresh=True,
        rounds=2,
        wires=PLAIN,
        quick={"rounds": 1, "clients": FEW, **ONLY_UVLOOP_PLAIN},
    ),
    Row(
        PINGED,
        "pinged",
        "/idle",
        WITH_A_LOOP,
        {"count": 1000, "seconds": 10, "interval": 1.0},
        unit="ns CPU a ping",
        rounds=1,
        loops=UVLOOP,
        wires=PLAIN,
        quick={
            "clients": FEW,
            "options": {"count": 200, "seconds": 2, "interval": 1.0},
        },
    ),
    Row(
        LATENCY,
        "latency",
        "/ticks/{count}/1000/5",
        WITH_A_LOOP,
        {"count": 10_000, "sessions": 4},
        decides="p50",
        unit="ns, median",
        rounds=2,
        quick={
            **ONLY_UVLOOP_PLAIN,
            "options": {"count": 3000, "sessions": 4},
        },
    ),
    Row(
        BIG_PEAK,
        "big",
        "/firehose/1/{size}?binary",
        EVERY,
        {"size": BIG},
        decides="peak",
        unit="peak memory over its size",
        fresh=True,
        rounds=2,
        quick={**ONLY_UVLOOP_PLAIN, "rounds": 1},
    ),
)

ROWS = TIMED + COUNTED

ASKED = (
    Asked(RECEIVE, KTORWS, PICOWS, 1.0, 1.5, UVLOOP),
    Asked(RECEIVE, KTORWS, PICOWS_WEBSOCKETS, 2.0, loops=UVLOOP),
    Asked(RECEIVE, KTORWS, AIOHTTP, 3.5, loops=UVLOOP),
    Asked(RECEIVE, KTORWS, WEBSOCKETS, 14.0, loops=UVLOOP),
    Asked(RECEIVE, MANY, PICOWS, 1.5, 2.5, UVLOOP),
    Asked(SEND, KTORWS, PICOWS, 4.0, 6.0),
    Asked(SEND, KTORWS, AIOHTTP, 10.0),
    Asked(SEND, KTORWS, WEBSOCKETS, 20.0),
    Asked(ECHO, KTORWS, PICOWS, 1.0),
    Asked(ECHO, KTORWS, BARE, 1 / 1.25, 1 / 1.1),
    *(
        Asked(row, KTORWS, PICOWS, 1.0)
        for row in (RECEIVE_BIG, SEND_BIG, ECHO_BIG, OPENING)
    ),
    *(
        Asked(row, KTORWS, PICOWS, 1.0, wires=("tls",))
        for row in (RECEIVE, SEND, ECHO, RECEIVE_BIG, SEND_BIG, ECHO_BIG, OPENING)
    ),
    Asked(RECEIVE, MANY, PICOWS, 1.0, wires=("tls",)),
    Asked(MASK, KTORWS, MEMCPY, 0.5, loops=("asyncio",)),
    Asked(IDLE_2000, KTORWS, None, 8 * 1024, 5 * 1024),
)
