r"""Exported models from geometries: libcint's integrals through PySCF's `gto`, for `linvop.deploy`.

.. math:: F_A = - \operatorname{tr} G_V \frac{dV}{dR_A} - \operatorname{tr} G_S \frac{dS}{dR_A}

Units at this boundary are ASE's: Angstrom, eV/Angstrom, e Angstrom.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from linvop.deploy import DeployError, Predictor

__all__ = ["forces", "matrices", "operator", "predict"]

_SAP = "sapgraspsmall"


_BLOCK_BYTES = 64e6
"""Of integrals by nucleus that are held at once."""


def predict(model: Predictor, numbers: Sequence[int], positions: np.ndarray) -> dict[str, Any]:
    """Predictions for atoms at positions, (n_atoms, 3) Angstrom."""
    return model.predict(numbers, *matrices(model, numbers, positions))


def forces(model: Predictor, numbers: Sequence[int], positions: np.ndarray) -> np.ndarray:
    """Minus the derivatives of the energy, (n_atoms, 3) eV/Angstrom."""
    if model.operator_settings is not None:
        raise DeployError(f"{model.path}: a model of an operator, which has no forces")
    mol = _molecule(model, numbers, positions, model.shells)
    V, S = _matrices(model, mol)
    G_V, G_S = model.derivatives(numbers, V, S)
    charges, atoms = mol.atom_charges(), mol.aoslice_by_atom()[:, 2:]
    out = np.zeros((len(charges), 3))

    def by_aos(t: np.ndarray) -> np.ndarray:
        return np.stack([t[:, a:b].sum(axis=1) for a, b in atoms])

    for source, G in zip(model.sources, G_V, strict=True):
        weights = -charges * _own(mol, source)
        for nuclei in _pieces(mol, 3):
            with mol.with_short_range_coulomb(_omega(source)):
                D = mol.intor("int1e_grids_ip", grids=mol.atom_coords()[nuclei])
            t = 2 * np.einsum("xkmn,mn,k->xkm", D, G, weights[nuclei])  # D (3, nuclei, mu, nu)
            out += by_aos(t.sum(axis=1))
            out[nuclei] -= t.sum(axis=2).T
    if G_S is not None:
        t = 2 * np.einsum("xmn,mn->xm", mol.intor("int1e_ipovlp"), G_S)
        out += by_aos(t)
    return out / model.settings["bohr"]


def _pieces(mol: Any, components: int) -> list[slice]:
    """Nuclei of which all integrals fit into a block of memory."""
    step = max(1, int(_BLOCK_BYTES // (8 * components * mol.nao_nr() ** 2)))
    return [slice(k, k + step) for k in range(0, mol.natm, step)]


def operator(model: Predictor, numbers: Sequence[int], positions: np.ndarray) -> np.ndarray:
    r"""A Fock or density matrix, its baseline included, in PySCF's order.

    (n_ao, n_ao), or (2, n_ao, n_ao) of open shells, in the AOs of ``operator_settings["shells"]``.
    """
    settings = model.operator_settings
    if settings is None:
        raise DeployError(f"{model.path}: a model of properties: call predict instead")
    V, S = matrices(model, numbers, positions)
    mol = _molecule(model, numbers, positions, settings["shells"])
    return model.operator(
        numbers,
        V,
        S,
        baseline=_baseline(mol, settings, model.state),
        overlap=mol.intor("int1e_ovlp"),
        positions=np.asarray(positions, dtype=float),
    )


def _baseline(mol: Any, settings: dict[str, Any], state: tuple[int, int]) -> np.ndarray | None:
    """What the model corrects, as docs/format.md lists it."""
    from pyscf import gto, scf

    name, density = settings["baseline"], settings["target"] == "density"
    if name == "none":
        return None
    if name in ("core", "sap"):
        core = mol.intor("int1e_kin") + mol.intor("int1e_nuc")
        atoms = {mol.atom_pure_symbol(k) for k in range(mol.natm)}
        table = {s: np.asarray(gto.basis.load(_SAP, s)[0][1:], dtype=float) for s in atoms}
        return core if name == "core" else core + scf.hf.make_sap(mol, table)
    guess = scf.hf.init_guess_by_atom if name == "atoms" else scf.hf.init_guess_by_minao
    P = np.asarray(guess(mol))
    n = settings["spin_channels"]
    if density and name == "atoms":
        return np.stack([P / n] * n)
    F = _fock(mol, settings["functional"], P)
    if not density:
        return F
    electrons, unpaired = int(mol.atom_charges().sum()) - state[0], state[1] - 1
    filled = ((electrons + unpaired) // 2, (electrons - unpaired) // 2)[:n]
    _, C = scf.hf.eig(F, mol.intor("int1e_ovlp"))
    return np.stack([(3 - n) * C[:, :k] @ C[:, :k].T for k in filled])


def _fock(mol: Any, functional: dict[str, Any], P: np.ndarray) -> np.ndarray:
    """F[P] of a density without spin."""
    from pyscf import dft, scf

    if functional["xc"].strip().lower() == "hf":
        return np.asarray(scf.RHF(mol).get_fock(dm=P))
    mean_field = dft.RKS(mol, xc=functional["xc"])
    mean_field.grids.level = functional["grid_level"]
    return np.asarray(mean_field.get_fock(dm=P))


def matrices(
    model: Predictor, numbers: Sequence[int], positions: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """V of each of the model's sources and, if its metric wants it, S."""
    return _matrices(model, _molecule(model, numbers, positions, model.shells))


def _matrices(model: Predictor, mol: Any) -> tuple[np.ndarray, np.ndarray | None]:
    V = np.zeros((len(model.sources), mol.nao_nr(), mol.nao_nr()))
    for source, out in zip(model.sources, V, strict=True):
        weights = -mol.atom_charges() * _own(mol, source)
        for nuclei in _pieces(mol, 1):
            with mol.with_short_range_coulomb(_omega(source)):
                of_nuclei = mol.intor("int1e_grids", grids=mol.atom_coords()[nuclei])
            out += np.tensordot(weights[nuclei], of_nuclei, 1)
    return V, None if model.metric == "ao" else mol.intor("int1e_ovlp")


def _molecule(
    model: Predictor,
    numbers: Sequence[int],
    positions: np.ndarray,
    shells: dict[str, list[dict[str, Any]]],
) -> Any:
    """Atoms with some AOs; one charge where electrons are odd in number: no integral knows it."""
    from pyscf import gto

    if not isinstance(model, Predictor):
        raise DeployError(f"model: expected a linvop.deploy.Predictor, got {model!r:.60}")
    model.n_ao(numbers)  # refuses species that the model does not know
    try:
        positions = np.asarray(positions, dtype=float)
    except (TypeError, ValueError) as error:
        raise DeployError(f"positions: expected numbers, got {positions!r:.60}") from error
    if positions.shape != (len(numbers), 3):
        raise DeployError(f"positions: expected shape ({len(numbers)}, 3), got {positions.shape}")
    bad = np.flatnonzero(~np.isfinite(positions).all(axis=1))
    if len(bad):
        raise DeployError(
            f"positions: atom {bad[0]}: expected finite numbers, got {positions[bad[0]].tolist()}"
        )
    basis = {
        s: [
            [shell["l"], *map(list, zip(shell["exponents"], shell["coefficients"], strict=True))]
            for shell in own
        ]
        for s, own in shells.items()
    }
    atoms = list(zip(map(int, numbers), positions.tolist(), strict=True))
    charge, unit = int(np.sum(numbers)) % 2, model.settings["bohr"]
    return gto.M(atom=atoms, basis=basis, charge=charge, unit=unit, cart=False, verbose=0)


def _own(mol: Any, source: dict[str, Any]) -> np.ndarray:
    """1 for nuclei of the source's species, or all."""
    species = source["species"]
    return np.asarray([species in (None, mol.atom_pure_symbol(k)) for k in range(mol.natm)], float)


def _omega(source: dict[str, Any]) -> float:
    """PySCF's range separation of a screening; 0 is none."""
    return 0.0 if source["screening"] is None else float(np.sqrt(source["screening"]))
