"""A server behind a proxy."""

import subprocess
import sys
from pathlib import Path


def plain_port(name, *arguments):
    """Start the server of this file; gives its port without TLS."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / name), *arguments],
        stdout=subprocess.PIPE,
    )
    return int(process.stdout.readline().split()[0])
