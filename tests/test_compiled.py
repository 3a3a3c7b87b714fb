"""Machine code is kept where there is a place for it, and made where there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from numba.core import caching, config

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


def test_code_goes_into_our_cache_folder_where_numba_has_none(nowhere, tmp_path, monkeypatch):
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
