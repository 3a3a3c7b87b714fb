from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from linvop.basis.labels import TOTAL, SiteLabel
from linvop.features.basis import Basis


def label(**changes) -> SiteLabel:
    values = {
        "species": "O",
        "kappa": 2,
        "sources": (TOTAL, TOTAL),
        "channels": ("H:1s",),
        "shells": ("1s", "2p"),
        "l1": 0,
        "l2": 1,
        "lam": 1,
        "sigma": 1,
        "screening": None,
        "body_order": 4,
    }
    return SiteLabel(**(values | changes))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "O <1s|V H:1s V|2p> lam=1 sigma=+1"),
        ({"sources": ("H", "O")}, "O <1s|V(H) H:1s V(O)|2p> lam=1 sigma=+1"),
        ({"channels": (TOTAL,), "screening": 0.3}, "O <1s|V * V|2p> lam=1 sigma=+1 zeta=0.3"),
        ({"kappa": 1, "sources": (TOTAL,), "channels": ()}, "O <1s|V|2p> lam=1 sigma=+1"),
        ({"lam": 0, "sigma": -1}, "O <1s|V H:1s V|2p> lam=0 sigma=-1"),
    ],
)
def test_a_name_is_the_matrix_element(changes, text):
    assert str(label(**changes)) == text


def test_labels_are_values():
    assert label() == label()
    assert len({label(), label(), label(lam=2)}) == 2
    with pytest.raises(FrozenInstanceError):
        label().lam = 3


def test_names_differ_wherever_labels_do():
    basis = Basis("def2-svp", kappa=2, sources="species", screening=(None, 0.3, 0.5))
    labels = basis.labels(["H", "O"])
    assert len({str(x) for x in labels}) == len(set(labels)) == len(labels)
    for x in labels:
        assert len(x.sources) == x.kappa == len(x.channels) + 1
        assert abs(x.l1 - x.l2) <= x.lam <= x.l1 + x.l2
        assert x.sigma == (-1) ** (x.l1 + x.l2 + x.lam)
        assert x.body_order == 2 * x.kappa
