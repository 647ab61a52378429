"""Runs a command until standard input ends, as it does when the tests are gone."""

import os
import signal
import subprocess
import sys

if __name__ == "__main__":
    os.setsid()
    subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    sys.stdin.read()
    os.killpg(0, signal.SIGKILL)  # this process, the command and all its children
