"""What a process holds, and what it holds more than before."""

import collections
import gc
import sys
import tracemalloc
from typing import NamedTuple

import ktorws
from ktorws.frame_type import FrameType
from tests.stress.harness import resident

SHARED = [
    *(value for value in vars(ktorws).values() if isinstance(value, type)),
    *FrameType,
]


class Held(NamedTuple):
    """Objects by type, references to what all sessions share, bytes."""

    objects: collections.Counter
    references: dict
    traced: int
    resident: int


def held():
    """What is held now."""
    gc.collect()
    return Held(
        collections.Counter(type(thing).__qualname__ for thing in gc.get_objects()),
        {repr(thing): sys.getrefcount(thing) for thing in SHARED},
        tracemalloc.get_traced_memory()[0],
        resident(),
    )


def growth(before, now):
    """What is held more than before, less what some calls may leave."""
    more = now.objects - before.objects
    return {
        "objects": {kind: count for kind, count in more.items() if count > 30},
        "references": {
            name: count - before.references[name]
            for name, count in now.references.items()
            if count > before.references[name] + 10
        },
        "traced": now.traced - before.traced,
        "resident": now.resident - before.resident,
    }
