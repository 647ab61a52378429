"""Builds what is published, installs each piece and holds a conversation with it.

For every Python at hand: the source distribution, the pure wheel and the compiled
wheel each go into an empty virtual environment of their own, and `tests/smoke.py`
runs there, in a folder from which the checkout cannot be seen.

    python tools/wheels.py

leaves the files in `dist`. It needs the dependency group `wheel`.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
OLDEST = (3, 11)

# Run by each interpreter that might do: what it is, and whether it can compile.
PROBE = """
import json, os, sys, sysconfig
header = os.path.join(sysconfig.get_path("include"), "Python.h")
print(json.dumps({
    "version": sys.version_info[:2],
    "name": sys.implementation.name + "-" + sys.version.split()[0]
            + ("t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""),
    "abi": sysconfig.get_config_var("SOABI") or sys.implementation.cache_tag,
    "compiles": sys.implementation.name == "cpython" and os.path.exists(header),
}))
"""


@dataclass(frozen=True)
class Python:
    """An interpreter found on this machine."""

    path: Path
    name: str
    abi: str
    compiles: bool


def main() -> None:
    started = time.monotonic()
    pythons = find_pythons()
    if DIST.exists():
        shutil.rmtree(DIST)
    with tempfile.TemporaryDirectory(prefix="ktorws-wheels-") as folder:
        work = Path(folder)
        sdist = build_sdist()
        pure = build_pure_wheel(pythons[0], sdist, work)
        for python in pythons:
            compiled = [build_wheel(python, sdist, work)] if python.compiles else []
            for file in [sdist, pure, *compiled]:
                codec = "cython" if python.compiles and file != pure else "python"
                try_out(python, file, codec, work)
    step(f"All of it works ({time.monotonic() - started:.0f} s). In dist:")
    for file in sorted(DIST.iterdir()):
        print(f"    {file.stat().st_size / 1024:6.0f} KB  {file.name}")


def find_pythons() -> list[Python]:
    """Find one interpreter of each kind; those that can compile extensions first."""
    step("Looking for Pythons")
    candidates = [Path(sys.executable)]
    for minor in range(OLDEST[1], 30):
        names = (f"python3.{minor}", f"python3.{minor}t")
        candidates += [Path(found) for name in names if (found := shutil.which(name))]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates += sorted(pyenv.glob("versions/*/bin/python"))

    kinds: dict[str, Python] = {}
    for path in candidates:
        probe = subprocess.run(
            [path, "-I", "-c", PROBE], capture_output=True, text=True, check=False
        )
        if probe.returncode:
            continue  # a shim without an interpreter, or far too old
        about = json.loads(probe.stdout)
        if tuple(about.pop("version")) < OLDEST:
            continue
        python = Python(path, **about)
        known = kinds.get(python.abi)
        if known is None or python.compiles > known.compiles:
            kinds[python.abi] = python
    for python in kinds.values():
        note = "" if python.compiles else " (cannot compile: no headers)"
        print(f"    {python.name}{note}")
    return sorted(kinds.values(), key=lambda python: (not python.compiles, python.abi))


def build_sdist() -> Path:
    step("Building the source distribution")
    run(sys.executable, "-m", "build", "--sdist", "--outdir", DIST, ROOT)
    (sdist,) = DIST.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = archive.getnames()
    ours = ["bench/server/neutral.c", "tests/fuzz/c/mask.c", "tests/fuzz/c/utf8.c"]
    expect(names, has=[".pyx", ".pxd", ".pyi", ".h", "py.typed", *ours], lacks=[".so"])
    others = [name for name in names if not name.endswith(tuple(ours))]
    expect(others, has=[], lacks=[".c"])
    return sdist


def build_pure_wheel(python: Python, sdist: Path, work: Path) -> Path:
    step("Building the pure wheel from it")
    (wheel,) = pip_wheel(python, sdist, work / "pure", build="pure")
    if not wheel.name.endswith("-py3-none-any.whl"):
        sys.exit(f"{wheel.name} is not pure")
    expect_wheel(wheel, lacks=[".so", ".pyd"])
    return Path(shutil.copy(wheel, DIST))


def build_wheel(python: Python, sdist: Path, work: Path) -> Path:
    step(f"Building the compiled wheel for {python.name}")
    (wheel,) = pip_wheel(python, sdist, work / python.abi, build="release")
    if sys.platform == "linux":
        repaired = work / python.abi / "repaired"
        run(sys.executable, "-m", "auditwheel", "repair", "-w", repaired, wheel)
        (wheel,) = repaired.glob("*.whl")
    expect_wheel(wheel, has=[".pyd" if sys.platform == "win32" else ".so"])
    print(f"    {wheel.name}")
    return Path(shutil.copy(wheel, DIST))


def try_out(python: Python, file: Path, codec: str, work: Path) -> None:
    step(f"Installing {file.name} in an empty environment of {python.name}")
    folder = Path(tempfile.mkdtemp(dir=work))
    inside = make_environment(python, folder / "venv")
    pip(inside, "install", file)
    # -I: neither the working folder nor PYTHONPATH can lend what is not installed.
    smoke = shutil.copy(ROOT / "tests" / "smoke.py", folder)
    subprocess.run([inside, "-I", smoke, codec], cwd=folder, check=True)
    shutil.rmtree(folder)


def pip_wheel(python: Python, sdist: Path, folder: Path, build: str) -> list[Path]:
    inside = make_environment(python, folder / "venv")
    pip(inside, "wheel", "--no-deps", "-w", folder / "raw", sdist, KTORWS_BUILD=build)
    return list((folder / "raw").glob("ktorws-*.whl"))


def make_environment(python: Python, folder: Path) -> Path:
    """Make a virtual environment without even pip; give its interpreter."""
    run(python.path, "-m", "venv", "--without-pip", folder)
    windows = sys.platform == "win32"
    return folder / ("Scripts/python.exe" if windows else "bin/python")


def pip(inside: Path, *arguments: str | Path, **environment: str) -> None:
    run(sys.executable, "-m", "pip", "--python", inside, *arguments, **environment)


def expect_wheel(
    wheel: Path, has: Sequence[str] = (), lacks: Sequence[str] = ()
) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    modules = [f"/{package}/__init__.py" for package in ("engines", "features")]
    expect(
        names,
        has=["LICENSE", "py.typed", ".pyi", ".pxd", *modules, *has],
        lacks=[".pyx", ".c", ".h", *lacks],
    )


def expect(names: Sequence[str], has: Sequence[str], lacks: Sequence[str]) -> None:
    for ending in has:
        if not any(name.endswith(ending) for name in names):
            sys.exit(f"No {ending} file in {names}")
    for ending in lacks:
        if found := [name for name in names if name.endswith(ending)]:
            sys.exit(f"What are these files doing there: {found}")


def run(*command: str | Path, **environment: str) -> None:
    """Run a command; show its output only if it fails."""
    result = subprocess.run(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode:
        print(result.stdout)
        sys.exit(f"Failed: {' '.join(map(str, command))}")


def step(text: str) -> None:
    print(f"==> {text}", flush=True)


if __name__ == "__main__":
    main()
