"""Every figure of a GPU has its yardstick; here the CUDA sources on the CPU stand in for one."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from linvop.bench import gpu_roofs
from linvop.bench.cli import app
from linvop.bench.gpu import measure_gpu
from linvop.bench.gpu_tsqr import tsqr_table
from linvop.errors import InputError
from linvop.kernels import dispatch


def test_every_figure(gpu_device, monkeypatch):
    monkeypatch.setattr(gpu_roofs, "_SIDES", (8, 32))
    said = []
    given = {"rows": 300, "columns": 20, "rounds": 1, "device": gpu_device, "say": said.append}
    report = measure_gpu(None, 2, "sto-3g", **given)
    tables = {t.name: t for t in report.tables}
    assert list(tables) == [
        "gpu-roofs",
        "gpu-features",
        "gpu-contractions",
        "gpu-potential",
        "gpu-tsqr",
    ]
    assert len(tables["gpu-roofs"].rows) == 3
    for row in tables["gpu-features"].rows:
        assert row["difference"] < 1e-10
        assert row["over one core"] > 0
    kinds = [row["what"] for row in tables["gpu-features"].rows]
    assert sum(what.startswith("derivatives") for what in kinds) == 2
    assert [row["what"] for row in tables["gpu-contractions"].rows][-1] == "V^3, whole matrices"
    assert all(row["of the roof"] > 0 for row in tables["gpu-contractions"].rows)
    assert tables["gpu-tsqr"].rows[0]["times as fast as the whole"] == 1
    assert "e-1" in tables["gpu-tsqr"].notes[1]
    assert "refuses" not in tables["gpu-tsqr"].notes[0]
    assert json.dumps(report.as_dict())
    assert said[0] == "roofs"


def test_a_library_that_refuses_the_whole(gpu_device, monkeypatch):
    """Its time is then that of fewer rows, and the table says so."""
    qr = gpu_device.xp.linalg.qr

    def small(A, mode):
        if len(A) > 700 and A.shape[1] == 10:
            raise MemoryError
        return qr(A, mode=mode)

    monkeypatch.setattr(gpu_device.xp.linalg, "qr", small)
    table = tsqr_table(gpu_device, 2000, 10, gpu_roofs.Roofs({8: 1.0}, 1.0), 1)
    whole, *lots = table.rows
    assert whole["rows"] == 500
    assert {row["rows"] for row in lots} == {2000}
    assert "refuses more than 500 rows" in table.notes[0]


def test_without_a_gpu_one_line(monkeypatch):
    def none() -> None:
        raise InputError("device 'gpu': no CUDA device here")

    monkeypatch.setattr(dispatch, "_gpu", none)
    done = CliRunner().invoke(app, ["gpu", "--n", "1"])
    assert done.exit_code == 2
    assert done.stderr.strip() == "error: device 'gpu': no CUDA device here"
    assert not done.stdout


@pytest.mark.gpu
def test_a_gpu_is_described():
    found = dispatch.describe(dispatch.device("gpu"))
    assert {"GPU", "driver", "CUDA", "cupy"} <= set(found)
    assert dispatch.describe(dispatch.device("cpu")) == {}
    assert np.isfinite(float(found["CUDA"]))
