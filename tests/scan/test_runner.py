"""Whole scans: resumed, killed, changed; what they look at, and what they leave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import ase.io
import matplotlib.image
import numpy as np
import pytest

from linvop.errors import InputError
from linvop.report import number, readable_unit
from linvop.scan.ranking import pareto_front
from linvop.scan.runner import run_scan
from linvop.scan.settings import read_scan
from linvop.scan.table import scan_lines, scan_table
from tests.scan.conftest import CONFIG, waters, without_seconds

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(autouse=True)
def no_picture(request, monkeypatch):
    """Pictures take longer than small scans do."""
    if "picture" not in request.node.name:
        monkeypatch.setattr("linvop.scan.runner.scan_figure", lambda path, _: path.touch())


@pytest.fixture
def counted(monkeypatch):
    """Labels of the settings that are measured, in order."""
    from linvop.scan import measure, runner

    done = []

    def measured(model, *rest, **more):
        done.append(repr(model.basis))
        return measure.measure_setting(model, *rest, **more)

    monkeypatch.setattr(runner, "measure_setting", measured)
    return done


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_a_scan_has_every_setting_ranked(case):
    result = run_scan(read_scan(case))
    assert json.loads((case.parent / "out/scan.json").read_text()) == json.loads(json.dumps(result))
    rows = result["settings"]
    assert [row["rank"] for row in rows] == [1, 2, 3, 4]
    assert {(r["setting"]["ao"], r["setting"]["kappa"]) for r in rows} == {
        (ao, kappa) for ao in ("sto-3g", "et-2s1p") for kappa in (1, 2)
    }
    score = [np.prod([t["rmse"] for t in row["targets"].values()]) for row in rows]
    assert (np.diff(score) > 0).all()
    for name in ("energy", "dipole"):
        for cost in ("columns", "seconds_per_structure"):
            front = pareto_front(
                [r[cost] for r in rows], [r["targets"][name]["rmse"] for r in rows]
            )
            assert front.tolist() == [r["targets"][name]["front"][cost] for r in rows]


def test_the_error_is_that_of_the_fit_itself(case):
    from linvop.config import checked_config, read_toml

    scan = read_scan(case)
    row = run_scan(scan)["settings"][0]
    tree = {k: v for k, v in read_toml(case).items() if k != "scan"}
    model = checked_config(case, tree | {"basis": {"metric": "lowdin", **row["setting"]}}).model
    model.fit(ase.io.read(case.parent / "train.xyz", ":"))
    for name in ("energy", "dipole"):
        left = model.loo_predictions_[name] - model.train_values_[name]
        assert row["targets"][name]["rmse"] == pytest.approx(np.sqrt(np.mean(left**2)), rel=1e-9)
        assert row["targets"][name]["mae"] == pytest.approx(np.abs(left).mean(), rel=1e-9)


def test_what_is_finished_is_not_measured_again(case, counted):
    whole = run_scan(read_scan(case))
    assert len(counted) == 4
    again = run_scan(read_scan(case), force=True)
    assert len(counted) == 4
    assert again == whole


def test_an_interrupted_scan_goes_on_and_ends_as_an_uninterrupted_one(case, counted, monkeypatch):
    from linvop.scan import runner

    measure, kept = runner.measure_setting, []

    def interrupted(*given, **more):
        if len(kept) == 2:
            raise KeyboardInterrupt
        kept.append(1)
        return measure(*given, **more)

    monkeypatch.setattr(runner, "measure_setting", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_scan(read_scan(case))
    out = case.parent / "out"
    left = files(out)
    assert len(left) == 2
    assert all(name.startswith("scan.parts/") and name.endswith(".json") for name in left)
    monkeypatch.setattr(runner, "measure_setting", measure)
    resumed = run_scan(read_scan(case))
    assert len(counted) == len(set(counted)) == 4
    case.write_text(case.read_text().replace('dir = "out"', 'dir = "other"'))
    whole = run_scan(read_scan(case))
    assert len(counted) == 8
    assert without_seconds(resumed) == without_seconds(whole)


@pytest.mark.skipif(os.name == "nt", reason="kills with a POSIX signal")
def test_a_killed_scan_leaves_whole_files_only(case, counted):
    parts = case.parent / "out/scan.parts"
    command = [sys.executable, "-m", "linvop", "scan", str(case)]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(command, cwd=root, stderr=subprocess.DEVNULL)
    limit = time.monotonic() + 60
    while time.monotonic() < limit and not list(parts.glob("[!.]*.json")):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    whole = [json.loads(p.read_text()) for p in parts.glob("[!.]*.json")]
    assert whole
    result = run_scan(read_scan(case), force=True)
    assert len(counted) == 4 - len(whole)
    assert len(result["settings"]) == 4


@pytest.mark.parametrize(
    ("change", "anew"),
    [
        (("kappa = [1, 2]", "kappa = [1, 2, 3]"), 2),  # a larger grid: only what is new
        (("kappa = [1, 2]", "kappa = [2]"), 0),
        (("[targets]", '[solver]\nalpha = "gcv"\n[targets]'), 4),
        (("[targets]", '[solver]\nrelevance = "shells"\n[targets]'), 4),
        (("dipole = {}", ""), 4),
        (('metric = "lowdin"', 'metric = "ao"'), 4),
        (("n_timed = 3", "n_timed = 3\nfolds = 3"), 4),
        (('test = "no-such-file.xyz"', ""), 0),
    ],
)
def test_what_is_changed_is_measured_anew(case, counted, change, anew):
    run_scan(read_scan(case))
    del counted[:]
    case.write_text(CONFIG.replace(*change))
    run_scan(read_scan(case), force=True)
    assert len(counted) == anew


def test_other_data_are_other_settings(case, counted):
    run_scan(read_scan(case))
    frames = waters(30)
    frames[7].calc.results["energy"] += 1e-6
    ase.io.write(case.parent / "train.xyz", frames)
    run_scan(read_scan(case), force=True)
    assert len(counted) == 8


def test_a_damaged_part_is_measured_anew(case, counted):
    run_scan(read_scan(case))
    one = next((case.parent / "out/scan.parts").iterdir())
    one.write_text(one.read_text()[:40])
    run_scan(read_scan(case), force=True)
    assert len(counted) == 5


def test_test_structures_play_no_part(case):
    """Labels of the test part of a split may be anything, and nothing changes."""
    case.write_text(CONFIG.replace('test = "no-such-file.xyz"', "n_train = 20"))
    before = run_scan(read_scan(case))
    frames = waters(30)
    from linvop.fit_data import training_frames

    trained = {a.positions.tobytes() for a in training_frames(read_scan(case).fit)[0]}
    reread = ase.io.read(case.parent / "train.xyz", ":")
    spoiled = 0
    for atoms, seen in zip(frames, reread, strict=True):
        if seen.positions.tobytes() not in trained:
            atoms.calc.results["energy"] += 3.0
            spoiled += 1
    assert spoiled == 10
    ase.io.write(case.parent / "train.xyz", frames)
    case.write_text(case.read_text().replace('dir = "out"', 'dir = "other"'))
    assert without_seconds(run_scan(read_scan(case))) == without_seconds(before)


def test_settings_with_too_many_columns_are_left_out_unmeasured(case, counted):
    case.write_text(CONFIG.replace("n_timed = 3", "max_columns = 20"))
    result = run_scan(read_scan(case))
    assert len(counted) == len(result["settings"]) < 4
    assert all(row["columns"] <= 20 for row in result["settings"])
    assert all(row["columns"] > 20 for row in result["left_out"])
    assert len(result["settings"]) + len(result["left_out"]) == 4
    assert "more than 20 columns" in result["left_out"][0]["reason"]


def test_what_nobody_can_fit_is_refused(case):
    case.write_text(CONFIG.replace("n_timed = 3", "max_columns = 1"))
    with pytest.raises(InputError, match="no setting could be measured"):
        run_scan(read_scan(case))
    assert not (case.parent / "out/scan.json").exists()


@pytest.mark.filterwarnings("ignore:Basis may be available")
def test_unknown_sets_are_refused_before_any_fit(case, counted):
    case.write_text(CONFIG.replace('"et-2s1p"', '"no-such-set"'))
    with pytest.raises(InputError, match=r"\[scan\] ao: AO basis 'no-such-set' for H"):
        run_scan(read_scan(case))
    assert not counted


def test_files_are_not_replaced_unasked(case, counted):
    run_scan(read_scan(case))
    with pytest.raises(InputError, match="scan.json exists"):
        run_scan(read_scan(case))
    assert len(counted) == 4


def test_costs_of_another_load_are_brought_to_one(case):
    """A part measured where everything took twice as long counts as if it had not."""
    before = {r["label"]: r["seconds_per_structure"] for r in run_scan(read_scan(case))["settings"]}
    one = min((case.parent / "out/scan.parts").iterdir())
    part = json.loads(one.read_text())
    part["seconds_per_structure"] *= 2
    part["seconds_yardstick"] *= 2
    one.write_text(json.dumps(part))
    after = run_scan(read_scan(case), force=True)["settings"]
    ratios = np.array([row["seconds_per_structure"] / before[row["label"]] for row in after])
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-9)


def test_the_table_says_what_the_json_holds(case):
    result = run_scan(read_scan(case))
    lines = scan_lines(result)
    assert scan_table(result).row_count == len(lines) == 8
    assert len(scan_table(result).columns) == len(lines[0])
    pairs = [(row, t) for row in result["settings"] for t in row["targets"].items()]
    for line, (row, (name, found)) in zip(lines, pairs, strict=True):
        factor, unit = readable_unit(found["unit"])
        assert (line["target"], line["unit"]) == (name, unit)
        assert line["RMSE"] == number(factor * found["rmse"])
        assert line["MAE"] == number(factor * found["mae"])
        assert line["setting"] in ("", row["label"])
        if line["setting"]:
            assert int(line["columns"]) == row["columns"]
            assert line["ms"] == number(1e3 * row["seconds_per_structure"])
        assert (line["front"] == "*") == found["front"]["seconds_per_structure"]
        assert len(line["alpha"].split(";")) == len(line["dof"].split(";")) == len(found["parts"])


def test_the_picture_shows_points(case):
    run_scan(read_scan(case))
    image = matplotlib.image.imread(case.parent / "out/scan.png")[..., :3]
    assert image.shape[0] > 800
    assert image.shape[1] > 1200
    for colour in ("#0072B2", "#D55E00"):  # one for each AO set
        rgb = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
        shown = np.abs(image - (0.85 * rgb + 0.15)).max(axis=2) < 0.02
        assert shown.sum() > 200, colour
