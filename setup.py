"""Builds the compiled codec; what needs no decision stands in pyproject.toml.

The environment variable KTORWS_BUILD says what to build:

* ``release``: optimized, without debug information. The default on CPython.
* ``trace``: reports executed lines, for coverage.
* ``sanitize``: stops at memory errors and undefined behavior.
* ``pure``: nothing compiled. The default wherever CPython extensions do not fit.
"""

import os
import sys
from glob import glob

from setuptools import Extension, setup

COMPILABLE = sys.implementation.name == "cpython" and sys.platform != "emscripten"
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
FLAGS = {
    "release": ["-O3", "-g0"],
    "trace": ["-O0", "-g0"],
    "sanitize": ["-O1", "-g", "-fno-omit-frame-pointer", *SANITIZERS],
    "pure": [],
}
MODULES = ["_frame", "_queue", "_sending"]
if sys.platform != "win32":  # whose sockets are another matter
    MODULES += ["_transport", "_tls"]
TRACING = {"CYTHON_TRACE_NOGIL": "1", "CYTHON_USE_SYS_MONITORING": "0"}


def extensions(build: str) -> list[Extension]:
    """Give the extension modules of one kind of build, translated to C."""
    if build not in FLAGS:
        raise SystemExit(f"KTORWS_BUILD is {build!r}; known are {', '.join(FLAGS)}")
    if build == "pure":
        return []

    from Cython.Build import cythonize  # noqa: PLC0415  a pure build needs no Cython

    trace = build == "trace"
    modules = [
        Extension(
            f"ktorws.{name}",
            [f"ktorws/{name}.pyx"],
            include_dirs=["ktorws"],
            depends=sorted(glob("ktorws/*.h") + glob("ktorws/*.pxd")),
            define_macros=list(TRACING.items()) if trace else [],
            extra_compile_args=[] if sys.platform == "win32" else FLAGS[build],
            extra_link_args=SANITIZERS if build == "sanitize" else [],
        )
        for name in MODULES
    ]
    return cythonize(
        modules,
        # Coverage finds the lines of the .pyx through the .c beside it; any other
        # build keeps the generated file out of the package.
        build_dir=None if trace else "build/cython",
        compiler_directives={"linetrace": trace},
    )


default = "release" if COMPILABLE else "pure"
setup(ext_modules=extensions(os.environ.get("KTORWS_BUILD") or default))
