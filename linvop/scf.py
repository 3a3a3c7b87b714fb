r"""Predicted operators as starting guesses of PySCF's SCF.

    mf.kernel(dm0=linvop.initial_guess(mf, model))

A predicted Fock matrix is diagonalised and filled, a predicted density purified. Before it is
handed out it must be at least as close to self-consistent as PySCF's own guess,

.. math:: \| F[P] P S - S P F[P] \| \le \| F[P_0] P_0 S - S P_0 F[P_0] \| ,

with F the mean field's own: one Fock matrix for each of the two. Otherwise PySCF's is handed out,
with a warning that says so. The orbitals of F[P], which are there by then, are no better a start:
an undamped step may move charge too far, and DIIS has one matrix less. A model of one functional is
a fair guess for another.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.conventions import BOHR, HARTREE
from linvop.errors import GapError, InputError
from linvop.integrals import System
from linvop.models.loading import operator_of
from linvop.observables.analysis import analyse
from linvop.observables.stationarity import commutator_norm

if TYPE_CHECKING:
    from ase import Atoms

    from linvop.models.effective import EffectiveOperatorModel
    from linvop.models.operator import OperatorModel

    Model = OperatorModel | EffectiveOperatorModel | str | Path

__all__ = ["GuessRun", "GuessWarning", "compare_guesses", "initial_guess", "run_scf"]

_GUESSES = ("minao", "atom", "huckel", "mod_huckel", "sap", "vsap", "1e", "hcore")
"""Names for which PySCF does something else than its default."""

_SAME_AOS = 1e-6
"""Of overlap and, relative to its largest element, kinetic energy."""


class GuessWarning(UserWarning):
    """PySCF's own guess was taken instead of the model's."""


def initial_guess(mf: Any, model: Model, *, check: bool = True) -> np.ndarray:
    r"""Density matrix with which ``mf.kernel(dm0=...)`` starts.

    Parameters
    ----------
    mf : PySCF's RHF, UHF, RKS or UKS
        Of a molecule; it is not changed.
    model : OperatorModel, or the path of one
        Of Fock or density matrices in the AO basis of `mf`; of an EffectiveOperatorModel its
        operator, which serves mean fields in its small basis.
    check : bool
        Whether the guess is compared with PySCF's own (``mf.init_guess``). It takes two Fock
        matrices, the price of two cycles; without it only a prediction that cannot be purified or
        filled makes way for PySCF's.

    Returns
    -------
    (n_ao, n_ao), or (2, n_ao, n_ao) for UHF and UKS
        Idempotent, with the molecule's number of electrons. PySCF's own guess, which need not be
        either, where the model's is worse (`GuessWarning`, naming both figures).

    Raises
    ------
    InputError
        If `model` is of another kind or not fitted; if `mf` is of another kind (ROHF, GHF,
        periodic), has Cartesian AOs, effective core potentials, ghost atoms or another AO basis,
        charge or multiplicity than the model; and for elements that the model does not know.
    """
    model = operator_of(model)
    atoms = _atoms(mf, model)
    try:
        predicted = _like(mf, np.asarray(model.predict(atoms)), model.target)
    except GapError as error:
        return _own_guess(mf, f"the model predicts nothing: {error}")
    try:
        if model.target == "fock":
            P = analyse(atoms, fock=predicted, ao=model.ao).density
        else:
            P = analyse(atoms, density=predicted, ao=model.ao).density
    except InputError as error:
        return _own_guess(mf, f"the model's prediction is unusable: {error}")
    if not check:
        return P
    own = _pyscf_guess(mf)
    S = mf.get_ovlp()
    ours, theirs = (commutator_norm(_fock(mf, x), x, S) for x in (P, own))
    if not ours <= theirs:
        return _own_guess(
            mf,
            f"|FPS - SPF| is {ours:.3g} Hartree for the model's and {theirs:.3g} for its own",
            own,
        )
    return P


@dataclass(frozen=True)
class GuessRun:
    r"""One SCF.

    Attributes
    ----------
    guess : str
        "linvop", or PySCF's name of the guess.
    iterations : int
        Cycles until convergence, or until PySCF gave up.
    energy : float, eV
        Total.
    converged : bool
    beforehand : int
        Fock matrices that the guess took: two for its check, one for a baseline that has one.
    """

    guess: str
    iterations: int
    energy: float
    converged: bool
    beforehand: int = 0


def compare_guesses(
    mf: Any,
    model: Model,
    names: Sequence[str] = ("minao", "atom", "huckel"),
    *,
    check: bool = True,
) -> list[GuessRun]:
    r"""Run the SCF from PySCF's guesses and from the model's.

    Parameters
    ----------
    mf : PySCF's RHF, UHF, RKS or UKS
        Its settings are used; it is not changed.
    model : OperatorModel, or the path of one
    names : sequence of str
        Of PySCF's guesses: minao, atom, huckel, mod_huckel, sap, vsap, 1e, hcore.
    check : bool
        As for `initial_guess`.

    Returns
    -------
    list of GuessRun
        The model's ("linvop") first, then in the order of `names`. The model's is what
        `initial_guess` hands out, PySCF's own where that falls back.

    Raises
    ------
    InputError
        As `initial_guess`, and for a name that is not one of these.
    """
    unknown = [name for name in names if name not in _GUESSES]
    if isinstance(names, str) or unknown:
        raise InputError(f"names: expected some of {', '.join(_GUESSES)}, got {names!r}")
    model = operator_of(model)
    beforehand = 2 * check + (model.functional_ is not None)
    runs = [run_scf(mf, "linvop", initial_guess(mf, model, check=check), beforehand)]
    runs += [run_scf(mf, name, np.asarray(mf.get_init_guess(mf.mol, name))) for name in names]
    return runs


def run_scf(mf: Any, name: str, dm0: np.ndarray, beforehand: int = 0) -> GuessRun:
    r"""The SCF of a copy of a mean field from a density, called `name`."""
    own = mf.copy()  # copy.copy leaves out what direct SCF screens integrals with
    own.chkfile = None
    cycles = []
    own.callback = lambda env: cycles.append(1)  # second-order solvers do not count for us
    own.kernel(dm0=dm0)
    energy = float(own.e_tot) * HARTREE
    return GuessRun(name, len(cycles), energy, bool(own.converged), beforehand)


def _pyscf_guess(mf: Any) -> np.ndarray:
    return np.asarray(mf.get_init_guess(mf.mol, mf.init_guess))


def _own_guess(mf: Any, reason: str, own: np.ndarray | None = None) -> np.ndarray:
    warnings.warn(
        f"SCF starts from PySCF's {mf.init_guess!r} guess: {reason}", GuessWarning, stacklevel=3
    )
    return _pyscf_guess(mf) if own is None else own


def _fock(mf: Any, P: np.ndarray) -> np.ndarray:
    """F[P] without DIIS, damping or level shift."""
    core = mf.get_hcore()
    return np.asarray(mf.get_fock(core, mf.get_ovlp(), mf.get_veff(mf.mol, P), P))


def _atoms(mf: Any, model: OperatorModel) -> Atoms:
    """The molecule of a mean field that the model can serve."""
    from ase import Atoms

    ao = model.ao  # refuses a model that is not fitted
    kind = type(mf).__name__
    mol = getattr(mf, "mol", None)
    if mol is None or not hasattr(mol, "atom_charges"):
        raise InputError(f"mf: expected PySCF's RHF, UHF, RKS or UKS, got {kind}")
    if hasattr(mol, "lattice_vectors"):
        raise InputError(f"mf: expected a molecule, got the periodic {kind}")
    _channels(mf)
    if mol.cart:
        raise InputError("mf: expected spherical AOs, got Cartesian ones (mol.cart = True)")
    if mol.has_ecp():
        raise InputError("mf: expected all electrons, got an effective core potential (mol.ecp)")
    numbers = mol.atom_charges()
    ghosts = np.flatnonzero(numbers == 0)
    if ghosts.size:
        raise InputError(f"mf: expected nuclei on all atoms, atom {ghosts[0]} is a ghost")
    state = (int(mol.charge), int(mol.spin) + 1)
    if state != tuple(model.state_):
        raise InputError(
            f"mf: its molecule has charge {state[0]} and multiplicity {state[1]}, the model was "
            f"fitted to charge {model.state_[0]} and multiplicity {model.state_[1]}"
        )
    atoms = Atoms(numbers=numbers, positions=mol.atom_coords() * BOHR)
    atoms.info |= {"charge": state[0], "spin_mult": state[1]}
    _require_same_aos(mol, System.from_atoms(atoms, ao))
    return atoms


def _channels(mf: Any) -> int:
    """Spin channels of a mean field."""
    from pyscf.scf import hf, rohf, uhf

    if isinstance(mf, uhf.UHF):
        return 2
    if isinstance(mf, hf.RHF) and not isinstance(mf, rohf.ROHF):
        return 1
    raise InputError(f"mf: expected PySCF's RHF, UHF, RKS or UKS, got {type(mf).__name__}")


def _basis_name(mol: Any) -> str:
    return repr(mol.basis) if isinstance(mol.basis, str) else "(custom)"


def _require_same_aos(mol: Any, system: System) -> None:
    """Overlaps tell shape and order of AOs; kinetic energies the size, on a lone atom too."""
    n_ao = system.layout.n_ao
    if mol.nao != n_ao:
        raise InputError(
            f"mf: its AO basis {_basis_name(mol)} has {mol.nao} AOs here, that of the model {n_ao}"
        )
    for name in ("int1e_ovlp", "int1e_kin"):
        theirs, ours = mol.intor_symmetric(f"{name}_sph"), system.integral(f"{name}_sph")
        off = np.abs(theirs - ours).max() / np.abs(ours).max()
        if off > _SAME_AOS:
            raise InputError(
                f"mf: its AO basis {_basis_name(mol)} is not the model's; {name} differs by "
                f"{off:.2g} of its largest element, expected at most {_SAME_AOS:g}"
            )


def _like(mf: Any, matrix: np.ndarray, target: str) -> np.ndarray:
    """The predicted operator in the spin channels of the mean field."""
    wanted = _channels(mf)
    if wanted == 2 and matrix.ndim == 2:
        return np.stack([matrix, matrix]) / (2 if target == "density" else 1)
    if wanted == 1 and matrix.ndim == 3:
        return matrix.sum(axis=0) if target == "density" else matrix.mean(axis=0)
    return matrix
