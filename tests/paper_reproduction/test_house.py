"""The studies: each has its parts, is named in the table, and its committed results fit it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

import paper_reproduction
from paper_reproduction import STUDIES
from paper_reproduction.readme import readme
from paper_reproduction.results import load_results

FOLDER = Path(paper_reproduction.__file__).parent


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_has_its_parts(name):
    module = import_module(f"paper_reproduction.{name}")
    assert module.TITLE
    assert callable(module.run)
    assert callable(module.draw)
    source = (FOLDER / f"{name}.py").read_text()
    assert f'main("{name}")' in source  # runs alone


def test_the_table_names_every_file():
    text = readme(load_results(FOLDER))
    names = [p.name for p in FOLDER.glob("*.py") if p.name != "__init__.py"]
    assert not [n for n in names if f"| `{n}` |" not in text]


@pytest.mark.skipif(not (FOLDER / "figures").is_dir(), reason="no figures beside the package")
def test_committed_results_are_full_runs_and_the_table_is_theirs():
    results = load_results(FOLDER)
    assert list(results) == list(STUDIES)
    assert not [n for n, r in results.items() if r["quick"]]
    assert (FOLDER / "README.md").read_text() == readme(results)


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.skipif(not (FOLDER / "figures").is_dir(), reason="no figures beside the package")
def test_committed_numbers_can_be_drawn(name):
    results = load_results(FOLDER)
    figure = import_module(f"paper_reproduction.{name}").draw(results[name]["numbers"])
    assert any(ax.get_xlabel() for ax in figure.axes)
