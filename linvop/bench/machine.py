r"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from linvop.features.threads import available_cores

__all__ = ["describe_machine", "peak_memory_gb"]

_PACKAGES = ("linvop", "numpy", "scipy", "numba", "pyscf")


def describe_machine(*more_packages: str) -> dict[str, Any]:
    r"""CPU, cores, load and versions; names no host and no path.

    The load average is there because other work on the same cores makes timings worse.
    """
    found: dict[str, Any] = {
        "CPU": _cpu_model(),
        "cores": available_cores(),
        "load at the end": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else "unknown",
        "system": platform.system(),
        "Python": platform.python_version(),
    }
    for package in (*_PACKAGES, *more_packages):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            if package == "linvop":
                from linvop import __version__

                found[package] = __version__
    return found


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def peak_memory_gb() -> float:
    r"""Largest resident memory of this process so far, in units of 1e9 bytes.

    On Linux ``VmHWM``: ``ru_maxrss`` of a child process starts at what its parent had.
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e9
    except OSError:
        pass  # no procfs here
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
