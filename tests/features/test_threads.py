from __future__ import annotations

import pytest
import scipy.linalg  # noqa: F401 - brings a BLAS of its own
from threadpoolctl import threadpool_info, threadpool_limits

from linvop.errors import InputError
from linvop.features.threads import available_cores, one_blas_thread, one_thread_each


def blas_threads() -> list[int]:
    return [x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas"]


def test_blas_gets_one_thread_and_its_own_back():
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with one_blas_thread():
            assert set(blas_threads()) == {1}
        assert blas_threads() == before


def test_every_worker_has_one_openmp_thread():
    from pyscf import lib

    with one_thread_each(2) as pool:
        assert set(pool.map(lambda _: lib.num_threads(), range(4))) == {1}
    assert available_cores() >= 1


def test_the_last_of_several_threads_takes_the_limit_back():
    """Overlapping callers: the second one must not take the first one's limit for the original."""
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        first, second = one_blas_thread(), one_blas_thread()
        first.__enter__()
        second.__enter__()
        assert set(blas_threads()) == {1}
        first.__exit__(None, None, None)
        assert set(blas_threads()) == {1}
        second.__exit__(None, None, None)
        assert blas_threads() == before


@pytest.mark.parametrize("workers", [0, -1, "a", 1.5, True])
def test_workers_are_counted(workers):
    with (
        pytest.raises(InputError, match="workers: expected a positive integer, got"),
        one_thread_each(workers),
    ):
        pass
