r"""CPU or GPU, by the type of an array or by name; the only file that imports CuPy.

CuPy comes with ``pip install 'linvop[cuda12]'`` or ``'linvop[cuda13]'``. Without it, or without a
GPU, asking for one is an `InputError` of one line; nothing falls back to the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from linvop.errors import InputError
from linvop.kernels.cpu_batches import CpuBatches
from linvop.kernels.gpu import GpuKernels

__all__ = [
    "SOURCES",
    "Device",
    "as_device",
    "compile_source",
    "describe",
    "device",
    "kernels_of",
    "source_text",
]

SOURCES = {
    "groups": ("groups", "parents_adjoint", "matrices_adjoint"),
    "words": ("words",),
    "words_adjoint": ("uncouple", "local_adjoint", "groups_adjoint"),
    "products": ("products", "products_adjoint"),
}
"""CUDA sources and their kernels."""

_STATIC_SHARED = 48 * 1024
"""Bytes of shared memory that a kernel may have without asking."""


@dataclass(frozen=True)
class Device:
    r"""Where arrays are and what works on them.

    Attributes
    ----------
    name : {"cpu", "gpu"}
    xp : module
        NumPy or CuPy.
    kernels : CpuBatches or GpuKernels
    to_host : callable
        An array as NumPy's.
    free_memory : callable
        Bytes that may be used for a batch.
    synchronize : callable
        Wait for everything asked so far.
    """

    name: str
    xp: Any
    kernels: CpuBatches | GpuKernels
    to_host: Callable[[Any], np.ndarray]
    free_memory: Callable[[], int]
    synchronize: Callable[[], None]

    def __reduce__(self) -> tuple[Callable[[str], Device], tuple[str]]:
        """Elsewhere it is the device there of this name."""
        return device, (self.name,)


_HOST = Device("cpu", np, CpuBatches(), np.asarray, lambda: 1 << 30, lambda: None)


def device(name: str) -> Device:
    r"""The CPU or the current GPU.

    Raises
    ------
    InputError
        For another name; where CuPy is not installed; where there is no GPU, or no driver.
    """
    if name == "cpu":
        return _HOST
    if name != "gpu":
        raise InputError(f"device: expected 'cpu' or 'gpu', got {name!r}")
    return _gpu()


def as_device(which: str | Device) -> Device:
    r"""A device by its name; one that is given stays."""
    return which if isinstance(which, Device) else device(which)


def describe(on: Device) -> dict[str, str]:
    r"""A GPU and what drives it; nothing of the CPU."""
    if getattr(on.xp, "__name__", "") != "cupy":
        return {}
    runtime = on.xp.cuda.runtime
    properties = runtime.getDeviceProperties(on.xp.cuda.Device().id)
    return {
        "GPU": properties["name"].decode(),
        "memory": f"{properties['totalGlobalMem'] / 1e9:.0f} GB",
        "driver": str(runtime.driverGetVersion()),
        "CUDA": str(runtime.runtimeGetVersion()),
        "cupy": on.xp.__version__,
    }


def kernels_of(array: Any) -> CpuBatches | GpuKernels:
    r"""Kernels for arrays of this type.

    Raises
    ------
    InputError
        For anything but a NumPy or a CuPy array.
    """
    if isinstance(array, np.ndarray):
        return _HOST.kernels
    if type(array).__module__.partition(".")[0] == "cupy":
        return _gpu().kernels
    raise InputError(f"array: expected NumPy's or CuPy's, got {type(array).__name__}")


def source_text(source: str) -> str:
    r"""A CUDA source of the package."""
    return (files("linvop.kernels") / "cuda" / f"{source}.cu").read_text(encoding="utf-8")


def compile_source(source: str, architecture: str = "compute_80") -> str:
    r"""A CUDA source as PTX, by NVRTC; needs CuPy and NVRTC but no GPU.

    Raises
    ------
    InputError
        Without either; with NVRTC's message if the source is wrong.
    """
    cupy = _cupy()
    nvrtc = cupy.cuda.nvrtc
    try:
        program = nvrtc.createProgram(source_text(source), f"{source}.cu", [], [])
    except (ImportError, OSError, RuntimeError) as error:
        raise InputError(f"NVRTC, which compiles the kernels, cannot be loaded: {error}") from error
    try:
        nvrtc.compileProgram(program, [f"--gpu-architecture={architecture}", "-std=c++14"])
    except nvrtc.NVRTCError as error:
        raise InputError(f"{source}.cu: {nvrtc.getProgramLog(program)}") from error
    found = nvrtc.getPTX(program)
    return found.decode() if isinstance(found, bytes) else found


def _cupy() -> Any:
    try:
        import cupy
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            raise InputError(
                f"device 'gpu': CuPy is installed and cannot start: {error}"
            ) from error
        raise InputError(
            "device 'gpu' needs CuPy, which is not installed: pip install 'linvop[cuda12]' or "
            "'linvop[cuda13]', as the CUDA of the driver"
        ) from error
    except (ImportError, OSError, RuntimeError) as error:
        raise InputError(f"device 'gpu': CuPy is installed and cannot start: {error}") from error
    return cupy


@cache
def _gpu() -> Device:
    """The current GPU; made once, so that kernels are compiled once."""
    cupy = _cupy()
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise InputError(f"device 'gpu': no CUDA device can be used here: {error}") from error
    if not count:
        raise InputError("device 'gpu': no CUDA device here")
    try:  # whether the libraries that CuPy loads at first use are there
        one = cupy.ones((2, 2))
        cupy.linalg.qr(one @ one, mode="r")
    except (ImportError, OSError, RuntimeError, MemoryError) as error:
        text = " ".join(str(error).split())
        raise InputError(f"device 'gpu': CuPy cannot work with this GPU: {text}") from error
    kernels: dict[tuple[str, str], Any] = {}

    def launch(
        source: str,
        kernel: str,
        blocks: int,
        threads: int,
        shared: int,
        arguments: Sequence[Any],
    ) -> None:
        if (source, kernel) not in kernels:
            module = cupy.RawModule(code=source_text(source), options=("-std=c++14",))
            for name in SOURCES[source]:
                kernels[source, name] = module.get_function(name)
        one = kernels[source, kernel]
        if shared > max(_STATIC_SHARED, one.max_dynamic_shared_size_bytes):
            try:
                one.max_dynamic_shared_size_bytes = shared
            except RuntimeError as error:
                raise InputError(
                    f"device 'gpu': an atom with this AO basis needs {shared / 1024:.0f} kB of a "
                    "GPU's shared memory, more than it has; take device 'cpu' or a smaller basis"
                ) from error
        given = [x if isinstance(x, cupy.ndarray) else np.int64(x) for x in arguments]
        one((blocks,), (threads,), tuple(given), shared_mem=shared)

    def free_memory() -> int:
        return int(cupy.cuda.runtime.memGetInfo()[0]) + cupy.get_default_memory_pool().free_bytes()

    return Device(
        "gpu",
        cupy,
        GpuKernels(cupy, launch),
        cupy.asnumpy,
        free_memory,
        cupy.cuda.get_current_stream().synchronize,
    )
