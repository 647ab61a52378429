"""What `import ktorws` does: little; and which codec it takes."""

import os
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import ktorws

PACKAGE = Path(ktorws.__file__).parent


def run(code, *, path=PACKAGE.parent):
    """Run Python in a process of its own, with this place for ktorws."""
    environment = os.environ | {"PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=25,
        check=False,
    )


def output_of(code, **options):
    done = run(code, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture
def copied(tmp_path):
    """A copy of the package without its compiled codec."""

    def compiled(_folder, names):
        return [n for n in names if n == "__pycache__" or n.endswith((".so", ".pyd"))]

    shutil.copytree(PACKAGE, tmp_path / "ktorws", ignore=compiled)
    return tmp_path


def test_no_extra_and_no_proxy_is_imported():
    optional = {
        "aiofastnet",
        "aiohttp",
        "http.cookiejar",
        "msgspec",
        "opentelemetry",
        "picows",
        "prometheus_client",
        "pydantic",
        "python_socks",
        "uvloop",
        "websockets",
    }
    loaded = output_of("import sys, ktorws, ktorws.server; print(*sys.modules)")
    assert "ktorws.server" in loaded
    assert not optional & set(loaded)


def test_no_socket_is_opened_and_no_thread_or_process_started():
    events = output_of(
        "import sys, ktorws\n"
        "import threading, asyncio, socket\n"
        "del sys.modules['ktorws']\n"
        "for name in [n for n in sys.modules if n.startswith('ktorws.')]:\n"
        "    if name != 'ktorws._frame': del sys.modules[name]\n"
        "seen = []\n"
        "sys.addaudithook(lambda event, args: seen.append(event))\n"
        "import ktorws, ktorws.server\n"
        "assert threading.active_count() == 1\n"
        "print(*seen)"
    )
    assert "import" in events  # the hook was heard
    forbidden = ("socket.", "subprocess.", "os.fork", "_thread.start", "ssl.")
    assert not [event for event in events if event.startswith(forbidden)]


def test_importing_sets_no_event_loop_and_no_handler_of_logs():
    lines = output_of(
        "import asyncio, logging, ktorws, ktorws.server\n"
        "print(asyncio._get_running_loop(), *logging.getLogger().handlers,\n"
        "      *logging.getLogger('ktorws').handlers)"
    )
    assert lines == ["None"]


def test_codec_is_python_where_nothing_was_compiled(copied):
    code = (
        "import ktorws; print(ktorws.CODEC, ktorws.Frame.__module__, ktorws.__file__)"
    )
    codec, module, file = output_of(code, path=copied)
    assert Path(file).is_relative_to(copied)
    assert (codec, module) == ("python", "ktorws._frame_py")


def test_codec_says_which_one_runs_here():
    (codec,) = output_of("import ktorws; print(ktorws.CODEC)")
    assert codec == ktorws.CODEC


def test_a_compiled_codec_that_is_broken_is_an_import_error(copied):
    broken = copied / "ktorws" / f"_frame{EXTENSION_SUFFIXES[0]}"
    broken.write_bytes(b"\x7fELF, and no more")
    done = run("import ktorws", path=copied)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ImportError: ")


def test_a_compiled_codec_that_misses_a_name_is_an_import_error(copied):
    (copied / "ktorws" / "_frame.py").write_text("CODEC = 'cython'\n")
    done = run("import ktorws", path=copied)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ImportError: cannot import name")


def test_a_module_that_the_compiled_codec_misses_is_no_reason_for_its_twin(copied):
    (copied / "ktorws" / "_frame.py").write_text("import no_such_module_as_this\n")
    done = run("import ktorws", path=copied)
    assert done.returncode == 1
    assert "no_such_module_as_this" in done.stderr.splitlines()[-1]
