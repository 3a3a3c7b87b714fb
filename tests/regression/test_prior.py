from __future__ import annotations

import numpy as np
import pytest

from linvop.errors import InputError
from linvop.features.basis import Basis
from linvop.regression.prior import label_prior


def test_each_power_of_v_costs_the_same_factor():
    labels = Basis("sto-3g", kappa=3).labels(["H", "O"], target="structure", irreps=[(0, 1)])
    prior = label_prior(labels, 3.0)
    for kappa in (1, 2, 3):
        chosen = prior[[label.kappa == kappa for label in labels]]
        assert len(chosen)
        np.testing.assert_array_equal(chosen, 3.0 ** (kappa - 1))


@pytest.mark.parametrize("cost", [0.0, -1.0, np.nan, np.inf])
def test_costs_are_positive(cost):
    with pytest.raises(InputError, match="kappa_cost"):
        label_prior([], cost)
