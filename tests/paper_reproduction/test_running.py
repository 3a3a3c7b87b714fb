"""From a study's name to its files and the table, with a study made here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from typer.testing import CliRunner

from linvop.cli import app
from linvop.errors import InputError
from paper_reproduction import STUDIES, results, running
from paper_reproduction.study import Claim, Measured, Setting
from paper_reproduction.style import look, panels

NAME = STUDIES[0]


@pytest.fixture
def study(monkeypatch):
    """In the place of the first study, one that takes no time."""
    module = ModuleType(f"paper_reproduction.{NAME}")

    def run(setting: Setting) -> Measured:
        numbers = {"x": np.arange(3.0), "y": [1.0, np.nan, 2.0]}
        claims = [
            Claim.decided("One is less than two.", "1 | 2", True),
            Claim("Two.", "3", "differs", "linvop"),
        ]
        return Measured("three numbers", numbers, claims, ["A note."])

    def draw(numbers):
        assert isinstance(numbers["x"], list)  # as JSON has them
        figure, axes = panels(1, 1)
        axes[0, 0].plot(numbers["x"], numbers["x"], **look("shell").kwargs())
        return figure

    module.TITLE, module.run, module.draw = "A title", run, draw
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_study_leaves_numbers_pictures_and_a_table(study, tmp_path):
    (result,) = running.reproduce([NAME], Setting(quick=True), tmp_path)
    assert set(files(tmp_path)) == {
        "README.md",
        *(f"figures/{NAME}.{x}" for x in ("json", "png", "pdf")),
    }
    assert json.loads((tmp_path / f"figures/{NAME}.json").read_text()) == result
    text = (tmp_path / "README.md").read_text()
    assert "| One is less than two. | 1 \\| 2 | agrees |" in text
    assert "1 agrees, 1 differs" in text
    assert "of `--quick` runs" in text
    running.reproduce([NAME], Setting(), tmp_path, force=True)
    assert "of `--quick` runs" not in (tmp_path / "README.md").read_text()


def test_a_picture_drawn_again_is_the_same_file(study, tmp_path):
    running.reproduce([NAME], Setting(), tmp_path)
    before = files(tmp_path)
    assert running.redraw([], tmp_path) == [NAME]
    assert files(tmp_path) == before


def test_what_exists_is_not_replaced_unasked_and_before_any_work(study, tmp_path, monkeypatch):
    running.reproduce([NAME], Setting(), tmp_path)
    before = files(tmp_path)
    monkeypatch.setattr(study, "run", lambda setting: pytest.fail("work was begun"))
    with pytest.raises(InputError, match="exists"):
        running.reproduce([NAME], Setting(), tmp_path)
    assert files(tmp_path) == before


def test_the_readme_of_something_else_is_not_replaced_unasked(study, tmp_path):
    (tmp_path / "README.md").write_text("# My project\n")
    with pytest.raises(InputError, match="expected a table of linvop reproduce"):
        running.reproduce([NAME], Setting(), tmp_path)
    assert set(files(tmp_path)) == {"README.md"}
    running.reproduce([NAME], Setting(), tmp_path, force=True)
    assert (tmp_path / "README.md").read_text().startswith("# The paper")


def test_wrong_data_is_refused_before_work_and_absent_sets_are_named(study, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(study, "run", lambda setting: pytest.fail("work was begun"))
    (tmp_path / "acenes").mkdir()
    (tmp_path / "acenes" / "acenes_eq.xyz").write_text("1\n\nAu 0 0 0\n")
    with pytest.raises(InputError, match="expected elements H C, got Au"):
        running.reproduce([NAME], Setting(data=tmp_path, say=said.append), tmp_path / "out")
    assert any(text.startswith("water: sampled here") for text in said)


def test_numbers_outlive_a_picture_that_fails(study, tmp_path, monkeypatch):
    def draw(numbers):
        raise ValueError("no picture")

    with monkeypatch.context() as patch:
        patch.setattr(study, "draw", draw)
        with pytest.raises(ValueError, match="no picture"):
            running.reproduce([NAME], Setting(), tmp_path)
    assert set(files(tmp_path)) == {f"figures/{NAME}.json"}
    running.redraw([NAME], tmp_path)
    assert (tmp_path / "figures" / f"{NAME}.png").is_file()


def test_a_study_that_cannot_measure_leaves_nothing(study, tmp_path, monkeypatch):
    def run(setting):
        raise InputError("no numbers")

    monkeypatch.setattr(study, "run", run)
    with pytest.raises(InputError, match="no numbers"):
        running.reproduce([NAME], Setting(), tmp_path / "out")
    assert not files(tmp_path)


def test_resuming_leaves_out_what_is_done(study, tmp_path, monkeypatch):
    running.reproduce([NAME], Setting(quick=True), tmp_path)
    before = files(tmp_path)
    assert running.reproduce([NAME], Setting(quick=True), tmp_path, resume=True) == []
    assert files(tmp_path) == before
    (tmp_path / "figures" / f"{NAME}.pdf").unlink()
    assert len(running.reproduce([NAME], Setting(quick=True), tmp_path, resume=True)) == 1
    before = files(tmp_path)
    with pytest.raises(InputError, match="got those of a --quick run"):
        running.reproduce([NAME], Setting(), tmp_path, resume=True)
    assert files(tmp_path) == before
    assert len(running.reproduce([NAME], Setting(), tmp_path, resume=True, force=True)) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "expected some of locality"),
        ([NAME, "--data", "/no/such/folder"], "expected a folder"),
        (["--redraw"], "found none"),
        (["--redraw", "--quick"], "expected no --quick"),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments, said, tmp_path):
    found = CliRunner().invoke(app, ["reproduce", *arguments, "--out", str(tmp_path / "out")])
    assert found.exit_code == 2
    assert said in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_damaged_results_are_named(study, tmp_path):
    running.reproduce([NAME], Setting(), tmp_path)
    path = tmp_path / "figures" / f"{NAME}.json"
    whole = json.loads(path.read_text())
    broken = [
        {**whole, key: 1j.real if key != "seconds" else None} for key in whole if key != "quick"
    ]
    broken += [{**whole, "claims": ["x"]}, {**whole, "name": "another"}, {**whole, "quick": 1}]
    for text in ("{", "[]", '{"title": 1}', *map(json.dumps, broken)):
        path.write_text(text)
        with pytest.raises(InputError, match=f"{NAME}.json: expected"):
            results.load_results(tmp_path)


def test_damaged_results_of_another_study_are_named_before_any_work(study, tmp_path):
    other = next(n for n in STUDIES if n != NAME)
    path = tmp_path / "figures" / f"{other}.json"
    path.parent.mkdir()
    path.write_text("{")
    said = []
    with pytest.raises(InputError, match=f"{other}.json: expected .* --force replaces it"):
        running.reproduce([NAME], Setting(say=said.append), tmp_path)
    assert said == []
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_damaged_results_of_the_study_itself_are_replaced(study, tmp_path):
    running.reproduce([NAME], Setting(), tmp_path)
    path = tmp_path / "figures" / f"{NAME}.json"
    whole = path.read_text()
    path.write_text("{")
    with pytest.raises(InputError, match="--resume leaves out what is there"):
        running.reproduce([NAME], Setting(), tmp_path)
    running.reproduce([NAME], Setting(), tmp_path, force=True)
    assert json.loads(path.read_text())["numbers"] == json.loads(whole)["numbers"]


def test_numbers_that_cannot_be_drawn_are_named(study, tmp_path):
    running.reproduce([NAME], Setting(), tmp_path)
    path = tmp_path / "figures" / f"{NAME}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"numbers": {}}))
    with pytest.raises(InputError, match=f"{NAME}.json: its numbers cannot be drawn"):
        running.redraw([], tmp_path)


def test_a_cache_that_cannot_be_written_is_said_before_any_work(study, tmp_path, monkeypatch):
    monkeypatch.setenv("LINVOP_CACHE_DIR", "/proc/nothing")
    monkeypatch.setattr(study, "run", lambda setting: pytest.fail("work was begun"))
    with pytest.raises(InputError, match="LINVOP_CACHE_DIR names another"):
        running.reproduce([NAME], Setting(), tmp_path)


def test_a_claim_has_a_known_verdict():
    with pytest.raises(InputError, match="agrees"):
        Claim("a", "b", "perhaps")
    with pytest.raises(InputError, match="paper or linvop"):
        Claim("a", "b", "agrees", "hearsay")
    assert Claim.decided("a", "b", False).verdict == "differs"


def test_the_command_tells_each_claim(study, tmp_path):
    found = CliRunner().invoke(app, ["reproduce", NAME, "--out", str(tmp_path / "a")])
    assert found.exit_code == 0, found.output
    assert "agrees (paper): One is less than two.\n    1 | 2\n" in found.stdout
    found = CliRunner().invoke(app, ["reproduce", NAME, "--out", str(tmp_path / "b"), "--json"])
    assert json.loads(found.stdout)[0]["numbers"]["y"] == [1.0, None, 2.0]
