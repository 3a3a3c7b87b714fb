"""Degrees: shells by diffuseness, words by their sum, and nothing else is left out."""

from __future__ import annotations

import numpy as np
import pytest

from linvop import Basis, Shell
from linvop.basis.truncation import mean_square_radius, shell_degrees
from linvop.orbitals.shells import AOBasis


@pytest.mark.parametrize("l", range(4))
def test_radius_of_a_primitive(l):
    # <r^2> = (2 l + 3) / (4 a) for r^l exp(-a r^2).
    assert mean_square_radius(Shell(l, (0.7,), (2.0,))) == pytest.approx((2 * l + 3) / 2.8)


def test_radius_of_a_contraction_by_quadrature():
    shell = AOBasis("6-31g").shells("O")[1]
    a, c = shell.radial()
    r = np.linspace(0, 12, 24001)
    density = (np.exp(-np.outer(r**2, a)) @ c) ** 2 * r**2
    assert mean_square_radius(shell) == pytest.approx((density @ r**2) / density.sum(), rel=1e-8)


def test_core_shells_come_last():
    shells = AOBasis("6-31g").shells("S")
    degrees = dict(zip((s.label for s in shells), shell_degrees(shells), strict=True))
    assert degrees == {"1s": 3, "2s": 2, "3s": 1, "4s": 0, "2p": 3, "3p": 2, "4p": 1}


@pytest.mark.parametrize("metric", ["ao", "overlap", "lowdin"])
@pytest.mark.parametrize("limit", [1, 3, 4.5, 7])
def test_a_limit_leaves_out_what_is_above_it_and_nothing_else(metric, limit):
    every = Basis("6-31g", kappa=3, metric=metric)
    some = Basis("6-31g", kappa=3, metric=metric, max_degree=limit)
    degrees = {
        s: {
            x.label: d
            for x, d in zip(
                every.ao_basis.shells(s), shell_degrees(every.ao_basis.shells(s)), strict=True
            )
        }
        for s in ("H", "O")
    }

    def degree(label):
        inner = [name.split(":") for name in label.channels]
        return label.kappa + sum(
            degrees[s][shell] for s, shell in [*((label.species, x) for x in label.shells), *inner]
        )

    def within(target):
        return [x for x in every.labels(["H", "O"], target=target) if degree(x) <= limit]

    assert some.labels(["H", "O"]) == within("site")
    # A trace has several words, of several degrees: it is there if one of them is small enough.
    summed = some.labels(["H", "O"], target="structure")
    assert all(degree(x) <= limit for x in summed)
    traces = [bracelet(x) for x in summed if is_trace(x, metric)]
    assert len(traces) == len(set(traces))
    assert set(traces) == {bracelet(x) for x in within("site") if is_trace(x, metric)}
    others = [x for x in within("structure") if not is_trace(x, metric)]
    assert [x for x in summed if not is_trace(x, metric)] == others


def is_trace(label, metric):
    return label.lam == 0 and label.shells[0] == label.shells[1] and metric != "overlap"


def bracelet(label):
    letters = (f"{label.species}:{label.shells[0]}", *label.channels)
    turned = [letters[k:] + letters[:k] for k in range(len(letters))]
    return min(turned + [word[::-1] for word in turned])


def test_body_order_limits_words_and_products():
    basis = Basis("sto-3g", kappa=2, nu=3, max_degree=6, body_order=4)
    labels = basis.labels(["H", "O"])
    assert {x.body_order for x in labels} == {2, 3, 4}
    free = Basis("sto-3g", kappa=2, nu=3, max_degree=6)
    assert labels == [x for x in free.labels(["H", "O"]) if x.body_order <= 4]
