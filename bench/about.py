"""Where and when it was measured: date, CPU, interpreter, versions of every peer."""

import datetime
import os
import platform
import ssl
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "picows",
    "aiohttp",
    "websockets",
    "websocket-client",
    "uvloop",
    "aiofastnet",
)


def cpu_model():
    """The CPU's name as Linux gives it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _commit():
    """What was measured, where this is a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always"]
    try:
        said = subprocess.run(
            [*command, "--dirty"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return said.stdout.strip()


def about():
    """All of it, by name."""
    import ktorws

    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "openssl": ssl.OPENSSL_VERSION,
        "load": os.getloadavg()[0],
        "versions": {
            "ktorws": f"{ktorws.__version__} {_commit()} ({ktorws.CODEC} codec)",
            **{package: _version(package) for package in PACKAGES},
        },
    }


def in_words(found):
    """Lines for a person."""
    versions = ", ".join(f"{name} {is_}" for name, is_ in found["versions"].items())
    return [
        f"{found['date']}, {found['cpu']}, {found['cores']} cores, {found['system']},"
        f" load {found['load']:.1f}",
        f"{found['python']}, {found['openssl']}",
        versions,
    ]
