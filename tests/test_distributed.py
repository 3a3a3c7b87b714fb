"""A real Dask scheduler with workers in processes of their own: the same fit, also if one dies."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest

import linvop
from linvop.distributed import DaskLots, client_of
from linvop.errors import InputError
from linvop.models import feature_rows
from linvop.regression.ridge import Ridge
from linvop.regression.streamed_lots import ArrayRows
from linvop.regression.streamed_ridge import fit_streamed

distributed = pytest.importorskip("distributed")

BASIS = linvop.Basis("sto-3g", kappa=2, metric="lowdin")
TARGETS = ("energy", "forces", "dipole")


@pytest.fixture(scope="module")
def frames():
    return linvop.Dataset.open(linvop.data.water()).frames()[:120]


@pytest.fixture
def cluster():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def model() -> linvop.PropertyModel:
    return linvop.PropertyModel(BASIS, TARGETS, linvop.Ridge(alpha_bounds=(1e-9, 1e2)))


def test_the_same_fit(cluster, frames):
    here = model().fit(frames, chunk=10)
    there = model().fit(frames, chunk=10, executor=cluster)
    expected, found = (m.predict_arrays(frames) for m in (here, there))
    for name, value in expected.items():
        scale = np.abs(value - value.mean(axis=0)).max()
        np.testing.assert_allclose(found[name], value, atol=1e-9 * scale)
    a, b = (m.parts_["energy"][0, 1].report for m in (here, there))
    assert (a["alpha"], a["n_rows"]) == (b["alpha"], b["n_rows"])
    assert a["loo_rmse"] == pytest.approx(b["loo_rmse"], rel=1e-6)


def test_a_worker_dies(cluster, frames):
    """Killed while rows are made: nothing is lost, and every digit is the same."""
    whole = model().fit(frames, chunk=4, executor=cluster)
    before = {w["pid"] for w in cluster.run(lambda: {"pid": os.getpid()}).values()}
    victim = min(before)

    def kill():
        time.sleep(0.4)
        os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    again = model().fit(frames, chunk=4, executor=cluster)
    killer.join()
    assert not os.path.exists(f"/proc/{victim}") or victim not in {
        w["pid"] for w in cluster.run(lambda: {"pid": os.getpid()}).values()
    }
    for name, parts in whole.parts_.items():
        for irrep, part in parts.items():
            np.testing.assert_array_equal(again.parts_[name][irrep].coefficients, part.coefficients)


def slow_rows(seconds: float):
    """Make every lot of rows take so long, on a worker."""
    from linvop.regression import streamed_lots

    usual = streamed_lots.ArrayRows.lot

    def lot(self, k):
        time.sleep(seconds)
        return usual(self, k)

    streamed_lots.ArrayRows.lot = lot


@pytest.mark.parametrize("n_workers", [1, 2])
@pytest.mark.parametrize("after", [0.5, 1.5])
def test_all_workers_die(n_workers, after):
    """In the first pass or in the second, with all that they had been given."""
    rng = np.random.default_rng(0)
    A, y = rng.normal(size=(400, 8)), rng.normal(size=400)
    n_lots, seconds = 8, 0.1 * n_workers
    with (
        distributed.LocalCluster(
            n_workers=n_workers, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        pids = list(client.run(os.getpid).values())
        client.run(slow_rows, seconds)
        killer = threading.Timer(after, lambda: [os.kill(pid, signal.SIGKILL) for pid in pids])
        lots, source = DaskLots(client), ArrayRows(A, len(A) // n_lots)
        killer.start()
        found = fit_streamed(Ridge(), source, y, workers=lots)
        killer.join()
        assert not set(pids) & set(client.run(os.getpid).values())
    alone = fit_streamed(Ridge(), source, y)
    assert found.alpha_ == pytest.approx(alone.alpha_)
    np.testing.assert_allclose(found.coef_, alone.coef_, rtol=1e-10)
    np.testing.assert_allclose(found.loo_residuals_, alone.loo_residuals_, atol=1e-10)


def test_rows_that_are_wrong_are_said_at_once(cluster):
    A = np.ones((40, 2))
    A[7, 1] = np.nan
    with pytest.raises(InputError, match="rows 0 to 9: expected finite numbers of 2 columns"):
        fit_streamed(Ridge(), ArrayRows(A, 10), np.arange(40.0), workers=DaskLots(cluster))


def test_structures_travel_without_their_labels(frames):
    found = feature_rows.unpacked(*feature_rows.packed(frames))
    assert len(found) == len(frames)
    for one, atoms in zip(found, frames, strict=True):
        assert one.calc is None
        assert not one.info
        assert one.get_chemical_symbols() == atoms.get_chemical_symbols()
        np.testing.assert_array_equal(one.positions, atoms.positions)


def test_the_command(cluster, frames, tmp_path):
    from typer.testing import CliRunner

    from linvop.cli import app

    (tmp_path / "c.toml").write_text(
        '[data]\ntrain = "shipped:water"\nn_train = 60\n[basis]\nao = "sto-3g"\nkappa = 1\n'
        '[targets]\nenergy = {}\n[output]\ndir = "out"\n'
    )
    done = CliRunner().invoke(
        app, ["fit", str(tmp_path / "c.toml"), "--scheduler", cluster.scheduler.address]
    )
    assert done.exit_code == 0, done.output
    assert linvop.load(tmp_path / "out/model.h5").n_train_ == 60


def test_what_is_refused(frames):
    with pytest.raises(InputError, match="executor: expected a distributed.Client, got 3"):
        DaskLots(3)
    with pytest.raises(InputError, match="scheduler nonsense: no answer"):
        client_of("nonsense")
