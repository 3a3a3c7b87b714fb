r"""The models in the table of operators: parameters of `Basis` and of `OperatorModel`, by name.

Plain powers are the paper's; products are what leave-one-out on ethanols and on QM7 chose. Site
features by source tell the species of nuclei apart and need degrees so much lower. Where two
names differ in one thing, such as F of atoms for a baseline, so do the models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from linvop.bench.operator_peers import PEERS, peers_here

if TYPE_CHECKING:
    from linvop.models.operator import OperatorModel

__all__ = ["MODELS", "default_models", "operator_model"]

_PRODUCTS = {
    "kappa": 2,
    "nu": 2,
    "max_degree": (None, 8),
    "nu_pair": (1, 1),
    "pair_max_degree": (None, 7, 6),
}
_BY_SOURCE = {
    "sources": "species",
    "kappa": 2,
    "nu": 2,
    "max_degree": (None, 6),
    "nu_pair": (1, 1),
    "pair_max_degree": (None, 5, 4),
}
_IN_TZVP = _PRODUCTS | {"max_degree": (None, 7), "pair_max_degree": (None, 5, 4)}
MODELS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain powers, kappa 3": (
        {"kappa": 3, "resolution": "total", "metric": "ao"},
        {"baseline": "none"},
    ),
    "plain powers, kappa 3, on a baseline": (
        {"kappa": 3, "resolution": "total", "metric": "ao"},
        {},
    ),
    "by shell, kappa 3, no products": ({"kappa": 3, "metric": "lowdin"}, {"orthogonal": True}),
    "products, overlap": ({"metric": "overlap", **_PRODUCTS}, {}),
    "products, lowdin": ({"metric": "lowdin", **_PRODUCTS}, {}),
    "products, lowdin, orthogonal, on F of atoms": (
        {"metric": "lowdin", **_PRODUCTS},
        {"orthogonal": True, "baseline": "minao"},
    ),
    "products, lowdin, orthogonal": ({"metric": "lowdin", **_PRODUCTS}, {"orthogonal": True}),
    "products in def2-TZVP, overlap, orthogonal": (
        {"ao": "def2-tzvp", "metric": "overlap", **_IN_TZVP},
        {"orthogonal": True},
    ),
    "products in def2-TZVP, overlap, orthogonal, no baseline": (
        {"ao": "def2-tzvp", "metric": "overlap", **_IN_TZVP},
        {"orthogonal": True, "baseline": "none"},
    ),
    "products in def2-TZVP, overlap, orthogonal, on F of atoms": (
        {"ao": "def2-tzvp", "metric": "overlap", **_IN_TZVP},
        {"orthogonal": True, "baseline": "minao"},
    ),
    "plain powers, kappa 3, on F of atoms": (
        {"kappa": 3, "resolution": "total", "metric": "ao"},
        {"baseline": "minao"},
    ),
    "products by source, overlap": ({"metric": "overlap", **_BY_SOURCE}, {}),
    "products by source, overlap, orthogonal": (
        {"metric": "overlap", **_BY_SOURCE},
        {"orthogonal": True},
    ),
    "products by source, overlap, orthogonal, on F of atoms": (
        {"metric": "overlap", **_BY_SOURCE},
        {"orthogonal": True, "baseline": "minao"},
    ),
}
"""Parameters of `Basis` and of `OperatorModel`."""


def default_models() -> tuple[str, ...]:
    r"""Names of the models of a table that asks for none.

    Those with features in the operator's AO set and a baseline that takes no functional; peers
    among them if their programs are installed, and on the same terms.
    """
    return tuple(m for m in (*peers_here(), *MODELS) if "def2" not in m and "F of atoms" not in m)


def operator_model(label: str, ao: str, target: str) -> OperatorModel:
    r"""The model of a name, not fitted; `ao` of features where the name has none of its own."""
    import linvop

    if label in PEERS:
        from linvop.bench.lambda_soap_model import LambdaSoapModel

        densities, settings = PEERS[label]
        return LambdaSoapModel(densities, target, **settings)
    basis, settings = MODELS[label]
    return linvop.OperatorModel(linvop.Basis(**{"ao": ao, **basis}), target, **settings)
