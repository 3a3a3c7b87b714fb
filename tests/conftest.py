"""One BLAS thread for the tests.

Their matrices are small: a second thread gains nothing, and where other jobs have the cores each
call waits for it. Processes that tests start inherit it. A value that is set stays.
"""

import os

import pytest

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")


@pytest.fixture(scope="session")
def cuda_folder(tmp_path_factory):
    """Where CUDA sources compiled for the CPU are."""
    return tmp_path_factory.mktemp("cuda")


@pytest.fixture(params=["cuda on cpu", pytest.param("gpu", marks=pytest.mark.gpu)])
def gpu_device(request, cuda_folder):
    """A GPU, and in its place the CUDA sources on the CPU."""
    from linvop.kernels.dispatch import device
    from tests.kernels.cuda_on_cpu import compiler, host_device

    if request.param == "gpu":
        return device("gpu")
    if compiler() is None:
        pytest.skip("needs a g++ that knows C++20, to compile the CUDA sources for the CPU")
    return host_device(cuda_folder)
