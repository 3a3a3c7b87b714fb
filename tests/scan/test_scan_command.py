from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from linvop.cli import app
from tests.scan.conftest import CONFIG


def run(*arguments: object):
    return CliRunner().invoke(app, ["scan", *map(str, arguments)])


@pytest.fixture(autouse=True)
def no_picture(monkeypatch):
    monkeypatch.setattr("linvop.scan.runner.scan_figure", lambda path, _: path.write_bytes(b"."))


def test_help_has_an_example():
    done = run("--help")
    assert done.exit_code == 0
    assert "Example: linvop scan scan.toml" in done.stdout
    assert "kappa = [2, 3]" in done.stdout


def test_json_is_the_file_and_the_table_names_every_setting(case):
    done = run(case, "--json", "--workers", 1)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == json.loads((case.parent / "out/scan.json").read_text())
    shown = run(case, "--force")
    assert shown.exit_code == 0, shown.output
    for word in ("sto-3g", "et-2s1p", "kappa 1", "RMSE", "meV", "wrote"):
        assert word in shown.stdout


def test_bad_input_is_one_line_and_status_2(case):
    case.write_text(CONFIG.replace("kappa = [1, 2]", "kappa = [1, 9]"))
    done = run(case)
    assert done.exit_code == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert "[scan] kappa: expected 1 to 6, got 9" in line
    assert not (case.parent / "out").exists()


def test_an_interrupt_says_how_to_go_on(case, monkeypatch):
    def interrupted(*given, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr("linvop.scan.runner.measure_setting", interrupted)
    done = run(case)
    assert done.exit_code == 130
    assert "run the same command again" in done.stderr
