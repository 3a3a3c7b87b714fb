"""Arrays that are asked for again are not made again, as long as they fit."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule as named

from linvop.integrals import System
from linvop.models import baselines
from linvop.models.functional import Functional
from linvop.models.recent import RecentArrays


def test_the_one_not_asked_for_longest_makes_way():
    made: list[str] = []
    recent = RecentArrays(2 * 80)

    def ask(key: str, n: int = 10) -> np.ndarray:
        return recent.get(key, lambda: made.append(key) or np.full(n, float(len(made))))

    ask("a"), ask("b"), ask("a"), ask("c")
    assert made == ["a", "b", "c"]
    first = ask("a")
    assert made == ["a", "b", "c"]
    ask("b")
    assert made == ["a", "b", "c", "b"]
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 0.0
    # One that does not fit is handed out all the same.
    assert ask("large", 21).shape == (21,)
    assert ask("large", 21)[0] == 6.0
    # ... and what is there stays there.
    ask("b"), ask("a")
    assert made[4:] == ["large", "large"]


def test_f_of_atoms_is_made_once_for_each_structure_functional_and_basis(monkeypatch):
    asked: list[tuple] = []
    fock = Functional.fock

    def counted(self, system, density):
        asked.append((self, system.ao, system.positions.tobytes()))
        return fock(self, system, density)

    monkeypatch.setattr(Functional, "fock", counted)
    monkeypatch.setattr(baselines, "_FOCK_OF_ATOMS", RecentArrays(1e6))
    atoms = named("H2O")
    lda, pbe = Functional("lda,vwn", 0), Functional("pbe", 0)
    one, again = (
        baselines.baseline("minao", System.from_atoms(atoms, "sto-3g"), pbe) for _ in range(2)
    )
    assert one is again
    assert len(asked) == 1
    moved = atoms.copy()
    moved.positions[0, 0] += 0.01
    for name, ao, functional, frame in (
        ("atoms", "sto-3g", pbe, atoms),
        ("minao", "6-31g", pbe, atoms),
        ("minao", "sto-3g", lda, atoms),
        ("minao", "sto-3g", pbe, moved),
    ):
        other = baselines.baseline(name, System.from_atoms(frame, ao), functional)
        assert other.shape != one.shape or np.abs(other - one).max() > 1e-4
    assert len(asked) == 5
