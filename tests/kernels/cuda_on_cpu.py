"""The CUDA sources compiled by a host compiler and run on NumPy arrays: a launcher for tests."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

from linvop.kernels.dispatch import Device, source_text
from linvop.kernels.gpu import GpuKernels

from .strict_arrays import Boxed, strict

HEADER = Path(__file__).with_name("cuda_on_cpu.hpp")


@cache
def compiler() -> str | None:
    """A g++ that knows C++20, if there is one."""
    found = shutil.which("g++")
    if found is None:
        return None
    command = [found, "-std=c++20", "-fsyntax-only", "-x", "c++", str(HEADER)]
    return found if subprocess.run(command, capture_output=True).returncode == 0 else None


class HostLauncher:
    """Runs kernels with a given number of blocks and threads instead of those asked for."""

    def __init__(self, folder: Path, threads: int = 1, blocks: int = 1) -> None:
        self.folder, self.threads, self.blocks = folder, threads, blocks
        self.libraries: dict[str, ctypes.CDLL] = {}
        self.ran: list[str] = []

    def library(self, source: str) -> ctypes.CDLL:
        if source not in self.libraries:
            built = self.folder / f"{source}.so"
            if not built.exists():
                text = f'#include "{HEADER}"\n{source_text(source)}'
                path = self.folder / f"{source}.cpp"
                path.write_text(text)
                flags = ["-std=c++20", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-sign-compare"]
                command = [str(compiler()), *flags, "-shared", "-fPIC", "-pthread"]
                subprocess.run([*command, "-o", str(built), str(path)], check=True)
            self.libraries[source] = ctypes.CDLL(str(built))
        return self.libraries[source]

    def __call__(
        self,
        source: str,
        kernel: str,
        blocks: int,
        threads: int,
        shared: int,
        arguments: Sequence[Any],
    ) -> None:
        assert blocks >= 1
        assert threads >= 1
        assert shared <= 8 << 16
        library = self.library(source)
        given = [_argument(x) for x in arguments]
        self.ran.append(kernel)
        library.set_launch(self.blocks, self.threads)
        for block in range(self.blocks):
            library.new_block()

            def work(thread: int, block: int = block) -> None:
                library.set_thread(block, thread)
                library[kernel](*given)

            if self.threads == 1:
                work(0)
                continue
            team = [Thread(target=work, args=(t,)) for t in range(self.threads)]
            for one in team:
                one.start()
            for one in team:
                one.join()


def _argument(x: Any) -> Any:
    if isinstance(x, Boxed):
        x = x.inside
    if isinstance(x, np.ndarray):
        assert x.dtype in (np.float64, np.int32), x.dtype
        assert x.flags.c_contiguous
        return ctypes.c_void_p(x.ctypes.data)
    assert isinstance(x, int | np.integer)
    return ctypes.c_longlong(int(x))


def host_device(folder: Path, threads: int = 1, blocks: int = 1) -> Device:
    """A device like a GPU, with little memory, for what uses kernels."""
    kernels = GpuKernels(strict, HostLauncher(folder, threads, blocks))
    return Device("gpu", strict, kernels, Boxed.get, lambda: 1 << 26, lambda: None)
