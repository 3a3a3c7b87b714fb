"""The commutator."""

from __future__ import annotations

import numpy as np
import pytest

from linvop.observables.stationarity import commutator_norm


def test_zero_at_convergence_and_that_of_the_formula_elsewhere(case):
    F, P, S = case.fock, case.density, case.overlap
    assert commutator_norm(F, P, S) < 1e-6
    core = np.broadcast_to(case.mf.get_hcore(), F.shape)
    whole = core @ P @ S - S @ P @ core
    assert commutator_norm(core, P, S) == pytest.approx(np.sqrt(np.sum(whole**2)), rel=1e-8)
    assert commutator_norm(core, P, S) > 0.1


def test_closed_shells_count_both_spins(water):
    """Two halves in two channels have 1/sqrt 2 of the norm of their sum."""
    core, P, S = water.mf.get_hcore(), water.density, water.overlap
    two = commutator_norm(np.stack([core, core]), np.stack([P, P]) / 2, S)
    assert two * np.sqrt(2) == pytest.approx(commutator_norm(core, P, S), rel=1e-12)
