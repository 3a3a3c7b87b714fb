r"""Exported models from geometries: libcint's integrals through PySCF's `gto`, for `linvop.deploy`.

.. math:: F_A = - \operatorname{tr} G_V \frac{dV}{dR_A} - \operatorname{tr} G_S \frac{dS}{dR_A}

Units at this boundary are ASE's: Angstrom, eV/Angstrom, e Angstrom.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from linvop.deploy import DeployError, Predictor

__all__ = ["forces", "matrices", "predict"]


def predict(model: Predictor, numbers: Sequence[int], positions: np.ndarray) -> dict[str, Any]:
    """Predictions for atoms at positions, (n_atoms, 3) Angstrom."""
    return model.predict(numbers, *matrices(model, numbers, positions))


def forces(model: Predictor, numbers: Sequence[int], positions: np.ndarray) -> np.ndarray:
    """Minus the derivatives of the energy, (n_atoms, 3) eV/Angstrom."""
    mol = _molecule(model, numbers, positions)
    V, S = _matrices(model, mol)
    G_V, G_S = model.derivatives(numbers, V, S)
    charges, atoms = mol.atom_charges(), mol.aoslice_by_atom()[:, 2:]
    out = np.zeros((len(charges), 3))

    def by_aos(t: np.ndarray) -> np.ndarray:
        return np.stack([t[:, a:b].sum(axis=1) for a, b in atoms])

    for source, G in zip(model.sources, G_V, strict=True):
        weights = -charges * _own(mol, source)
        with mol.with_short_range_coulomb(_omega(source)):
            D = mol.intor("int1e_grids_ip", grids=mol.atom_coords())  # (3, nuclei, mu, nu)
        t = 2 * np.einsum("xkmn,mn,k->xkm", D, G, weights)
        out += by_aos(t.sum(axis=1)) - t.sum(axis=2).T
    if G_S is not None:
        t = 2 * np.einsum("xmn,mn->xm", mol.intor("int1e_ipovlp"), G_S)
        out += by_aos(t)
    return out / model.settings["bohr"]


def matrices(
    model: Predictor, numbers: Sequence[int], positions: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """V of each of the model's sources and, if its metric wants it, S."""
    return _matrices(model, _molecule(model, numbers, positions))


def _matrices(model: Predictor, mol: Any) -> tuple[np.ndarray, np.ndarray | None]:
    V = []
    for source in model.sources:
        with mol.with_short_range_coulomb(_omega(source)):
            of_nuclei = mol.intor("int1e_grids", grids=mol.atom_coords())
        V.append(np.tensordot(-mol.atom_charges() * _own(mol, source), of_nuclei, 1))
    return np.stack(V), None if model.metric == "ao" else mol.intor("int1e_ovlp")


def _molecule(model: Predictor, numbers: Sequence[int], positions: np.ndarray) -> Any:
    from pyscf import gto

    model.n_ao(numbers)  # refuses species that the model does not know
    positions = np.asarray(positions, dtype=float)
    if positions.shape != (len(numbers), 3) or not np.isfinite(positions).all():
        raise DeployError(
            f"positions: expected finite numbers of shape ({len(numbers)}, 3), "
            f"got shape {positions.shape}"
        )
    basis = {
        s: [
            [shell["l"], *map(list, zip(shell["exponents"], shell["coefficients"], strict=True))]
            for shell in shells
        ]
        for s, shells in model.shells.items()
    }
    atoms = list(zip(map(int, numbers), positions.tolist(), strict=True))
    mol = gto.M(atom=atoms, basis=basis, spin=None, unit=model.settings["bohr"], verbose=0)
    mol.cart = False
    return mol


def _own(mol: Any, source: dict[str, Any]) -> np.ndarray:
    """1 for nuclei of the source's species, or all."""
    species = source["species"]
    return np.asarray([species in (None, mol.atom_pure_symbol(k)) for k in range(mol.natm)], float)


def _omega(source: dict[str, Any]) -> float:
    """PySCF's range separation of a screening; 0 is none."""
    return 0.0 if source["screening"] is None else float(np.sqrt(source["screening"]))
