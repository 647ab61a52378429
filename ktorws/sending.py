"""Which way out runs: the compiled one, or its plain twin. As in `frame`."""

from typing import TYPE_CHECKING

__all__ = ["Cork", "FrameSender"]

if TYPE_CHECKING:
    from ktorws._sending import Cork, FrameSender
else:
    try:
        from ktorws._sending import Cork, FrameSender
    except ModuleNotFoundError as error:
        if error.name != "ktorws._sending":
            raise
        from ktorws._sending_py import Cork, FrameSender
