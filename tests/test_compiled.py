"""Machine code is kept where there is a place for it, and made where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from numba.core import caching, config

import linvop
from linvop import compiled
from linvop.compiled import njit

NOWHERE = """
import warnings
from numba.core import caching, config

def ensure(self):
    raise PermissionError(self.get_cache_path())

caching._CacheLocator.ensure_cache_path, config.CACHE_DIR = ensure, ""
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("default")
    from linvop.kernels import cpu
    from linvop.orbitals.blocks import couple
print(sum("LINVOP_CACHE_DIR" in str(w.message) for w in caught))
"""


def twice(x):
    return 2 * x


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """No folder takes Numba's files but those below `tmp_path`."""
    usual = caching._CacheLocator.ensure_cache_path

    def ensure(self):
        if not Path(self.get_cache_path()).is_relative_to(tmp_path):
            raise PermissionError(self.get_cache_path())
        usual(self)

    monkeypatch.setattr(caching._CacheLocator, "ensure_cache_path", ensure)
    monkeypatch.setattr(config, "CACHE_DIR", "")


def test_code_goes_into_our_cache_folder(nowhere, tmp_path, monkeypatch):
    monkeypatch.setenv("LINVOP_CACHE_DIR", str(tmp_path / "ours"))
    assert njit()(twice)(3) == 6
    assert [p.suffix for p in sorted((tmp_path / "ours" / "numba").rglob("*.nb*"))]
    assert config.CACHE_DIR == ""


def test_without_any_folder_code_is_compiled_and_a_line_says_so(nowhere, monkeypatch):
    monkeypatch.setenv("LINVOP_CACHE_DIR", "/dev/null/no")
    with pytest.warns(UserWarning, match="every run compiles anew; set LINVOP_CACHE_DIR"):
        assert njit()(twice)(3) == 6


def test_linvop_can_be_imported_where_nothing_can_be_written():
    done = subprocess.run([sys.executable, "-c", NOWHERE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1"]


def test_every_room_with_compiled_functions_is_in_the_digest():
    root = Path(linvop.__file__).parent
    found = {
        path.relative_to(root).parts[0]
        for path in root.rglob("*.py")
        if "linvop.compiled import" in path.read_text()
    }
    assert found == set(compiled._ROOMS)


def test_a_change_of_any_file_compiles_anew(tmp_path):
    """Constants of one file end up in the code of another."""
    folder = tmp_path / "linvop"
    shutil.copytree(Path(linvop.__file__).parent, folder, ignore=shutil.ignore_patterns("*.pyc"))
    script = (
        "import numpy as np\n"
        "from linvop.integrals.taylor import HIGHEST_ORDER\n"
        "from linvop.integrals.sparse import sparse_potential\n"
        "from linvop.integrals import System\n"
        "from linvop.orbitals.shells import AOBasis\n"
        "system = System((1, 1), np.array([[0.0, 0, 0], [0, 0, 2.0]]), AOBasis('sto-3g'))\n"
        "print(HIGHEST_ORDER, sparse_potential(system, 5.0).data.sum())"
    )
    environment = {
        **{k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"},
        "PYTHONPATH": str(tmp_path),
        "LINVOP_CACHE_DIR": str(tmp_path / "c"),
    }
    run = partial(
        subprocess.run,
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
    )
    first = run()
    assert first.stdout.startswith("16 "), first.stderr
    path = folder / "integrals" / "taylor.py"
    path.write_text(path.read_text().replace("HIGHEST_ORDER = 16", "HIGHEST_ORDER = 12"))
    second = run()
    assert second.stdout.startswith("12 "), second.stderr
    assert float(second.stdout.split()[1]) == pytest.approx(float(first.stdout.split()[1]))
    assert len(list((tmp_path / "c" / "numba").iterdir())) == 2
