"""One file knows of CuPy; without it, or without a GPU, one clear line says so."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import linvop
from linvop.errors import InputError
from linvop.kernels import dispatch
from linvop.kernels.cpu_batches import CpuBatches
from linvop.kernels.dispatch import as_device, device, kernels_of

PACKAGE = Path(linvop.__file__).parent


@pytest.fixture
def afresh(monkeypatch):
    """No GPU is remembered."""
    dispatch._gpu.cache_clear()
    yield monkeypatch
    dispatch._gpu.cache_clear()


def gpus() -> int:
    try:
        import cupy

        return cupy.cuda.runtime.getDeviceCount()
    except Exception:  # whatever is wrong with it, there is none
        return 0


def test_the_cpu():
    assert device("cpu").xp is np
    assert as_device(device("cpu")) is as_device("cpu") is device("cpu")
    with pytest.raises(InputError, match="device: expected 'cpu' or 'gpu', got 'cuda'"):
        device("cuda")


def test_kernels_go_by_the_type_of_an_array():
    assert isinstance(kernels_of(np.zeros(1)), CpuBatches)
    with pytest.raises(InputError, match="NumPy's or CuPy's, got list"):
        kernels_of([0.0])


@pytest.mark.gpu
def test_a_gpu():
    on = device("gpu")
    assert kernels_of(on.xp.zeros(1)) is on.kernels
    np.testing.assert_array_equal(on.to_host(on.xp.arange(3)), np.arange(3))
    assert on.free_memory() > 0


def test_without_cupy(afresh):
    afresh.setitem(sys.modules, "cupy", None)
    with pytest.raises(InputError, match=r"pip install 'linvop\[cuda12\]' or 'linvop\[cuda13\]'"):
        device("gpu")


def test_without_a_gpu(afresh):
    pytest.importorskip("cupy", reason="needs CuPy")
    if gpus():
        pytest.skip("there is a GPU")
    with pytest.raises(InputError, match="device 'gpu': no CUDA device") as found:
        device("gpu")
    assert "\n" not in str(found.value)


def test_no_devices(afresh):
    cupy = pytest.importorskip("cupy", reason="needs CuPy")
    afresh.setattr(cupy.cuda.runtime, "getDeviceCount", lambda: 0)
    with pytest.raises(InputError, match="device 'gpu': no CUDA device here"):
        device("gpu")


def test_only_one_file_imports_cupy():
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [str(node.module)]
            if any(name.partition(".")[0] in ("cupy", "cupyx", "cupy_backends") for name in names):
                found.add(path.relative_to(PACKAGE).as_posix())
    assert found == {"kernels/dispatch.py"}


def test_cupy_is_not_imported_before_it_is_asked_for():
    code = (
        "import sys, linvop.features.design, linvop.models.property, linvop.cli.app;"
        "sys.exit('cupy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_sources_are_shipped_with_their_law():
    for source, kernels in dispatch.SOURCES.items():
        text = dispatch.source_text(source)
        assert text.startswith("// ")
        assert all(f"__global__ void {kernel}(" in text for kernel in kernels)
    assert {p.stem for p in (PACKAGE / "kernels/cuda").glob("*.cu")} == set(dispatch.SOURCES)
