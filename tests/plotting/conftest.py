"""Figures as they were just before they became files."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure


@pytest.fixture
def figures(monkeypatch) -> list[Figure]:
    """Every figure that is saved, in order."""
    saved: list[Figure] = []
    savefig = Figure.savefig

    def keep(self, *arguments, **settings):
        saved.append(self)
        savefig(self, *arguments, **settings)

    monkeypatch.setattr(Figure, "savefig", keep)
    return saved
