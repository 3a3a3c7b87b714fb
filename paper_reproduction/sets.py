r"""Structures and labels that more than one study uses.

Of each set there is the user's copy (`paper_reproduction.external`) or, without, what linvop
samples. ``--quick`` has few structures and Hartree-Fock/STO-3G labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from linvop.bench.molecules import own_molecules
from linvop.errors import InputError
from linvop.io.dataset import Dataset
from linvop.sampling import NormalModes, acene, polyene, sample_water, water_cluster
from paper_reproduction.external import read_set
from paper_reproduction.labels import labelled, modes_of
from paper_reproduction.study import Setting

if TYPE_CHECKING:
    from ase import Atoms

__all__ = [
    "MATRICES",
    "N_ANTHRACENES",
    "N_LABELLED",
    "N_LARGER",
    "N_OPERATORS",
    "QUICK",
    "anthracene_labels",
    "anthracene_modes",
    "anthracenes",
    "cluster_labels",
    "level_of",
    "qm7",
    "qm7_labels",
    "qm7_name",
    "waters",
]

MATRICES = ("energy", "dipole", "fock", "density", "overlap", "orbital_energies")
"""Quantities of labels for studies of operators."""

QUICK: dict[str, Any] = {"method": "rhf", "ao": "sto-3g", "quantities": MATRICES}
"""Labels of ``--quick``."""

_LDA: dict[str, Any] = {
    "xc": "lda,vwn",
    "ao": "sto-3g",
    "grid_level": 3,
    "quantities": MATRICES,
}
"""The paper's level of QM7 and anthracene."""

_PBE: dict[str, Any] = {"xc": "pbe", "ao": "def2-svp", "grid_level": 3, "quantities": MATRICES}

_KELVIN = 300.0

N_LABELLED, N_OPERATORS = 1000, 700
"""Molecules of QM7 with labels, as in the paper, an hour of two cores; and how many of them the
studies of operators draw from."""

N_ANTHRACENES, N_LARGER = 120, 120
"""Anthracenes with matrices at the paper's level, and in a larger AO set."""


def level_of(data: Dataset) -> str:
    """The level of labels in words, such as "PBE/def2-svp"."""
    s = data.settings
    return f"{str(s['xc']).upper() if s.get('xc') else 'HF'}/{s['ao']}"


def waters(setting: Setting, n: int) -> tuple[list[Atoms], str]:
    r"""Distinct water monomers with energies and dipoles, and what they are in words.

    The user's CCSD monomers without copies, or waters of `linvop.sampling.sample_water` with
    PBE/def2-SVP labels (``--quick``: those that linvop ships).
    """
    import linvop

    frames = read_set("water", setting.data)
    if frames is not None:
        kept = [a for a in frames if int(a.info.get("dup_of", -1)) < 0]
        return _first(kept, n, "water"), "water monomers, CCSD"
    shipped = linvop.Dataset.open(linvop.data.water()).frames()
    if n <= len(shipped):
        return shipped[:n], "water monomers as linvop ships them, PBE/def2-SVP"
    data = labelled(
        "water", sample_water(n), setting, **(_PBE | {"quantities": ("energy", "dipole")})
    )
    return data.frames(), "water monomers sampled here, PBE/def2-SVP"


def qm7(setting: Setting, n: int) -> tuple[list[Atoms], str]:
    r"""The first `n` molecules of QM7, or distorted G2 molecules of about their size.

    With the user's copy they have atomisation energies (eV).
    """
    frames = read_set("QM7", setting.data)
    if frames is not None:
        return _first(frames, n, "QM7"), "QM7, first molecules"
    return own_molecules(n), "distorted G2 molecules of H, C, N, O, S"


def qm7_name(setting: Setting) -> str:
    """What pictures call them."""
    return "QM7" if "QM7" in qm7(setting, 1)[1] else "G2"


def qm7_labels(setting: Setting, n: int) -> Dataset:
    r"""LDA/STO-3G energies, dipoles and matrices of the first `n` of them.

    `N_LABELLED` are labelled at once, so that all studies share them.
    """
    if setting.quick:
        return labelled("qm7-quick", qm7(setting, n)[0], setting, **QUICK)
    if n > N_LABELLED:
        raise InputError(f"QM7: expected at most {N_LABELLED} labelled molecules, got {n}")
    return labelled("qm7", qm7(setting, N_LABELLED)[0], setting, **_LDA)[:n]


def anthracene_modes(setting: Setting) -> NormalModes:
    r"""Anthracene and its normal modes at HF/STO-3G; ethylene for ``--quick``."""
    if setting.quick:
        return modes_of("ethylene", polyene(2), setting)
    frames = read_set("acenes", setting.data) or []
    start = next((a for a in frames if a.symbols.formula.count() == _ANTHRACENE), acene(3))
    return modes_of("anthracene", start, setting)


def anthracenes(setting: Setting, n: int) -> list[Atoms]:
    r"""Anthracene at 300 K, from its normal modes at HF/STO-3G; ethylene for ``--quick``."""
    return anthracene_modes(setting).sample(n, _KELVIN)


_ANTHRACENE = {"C": 14, "H": 10}


def anthracene_labels(setting: Setting, n: int, **settings: Any) -> Dataset:
    r"""LDA/STO-3G labels of the first `n` of them; HF/STO-3G of ethylene for ``--quick``.

    `N_ANTHRACENES` are labelled at once, so that all studies share them; of other `settings`
    (of `linvop.labelling.label`) `N_LARGER`.
    """
    if setting.quick:
        return labelled("ethylene-quick", anthracenes(setting, n), setting, **(QUICK | settings))
    at_once = N_LARGER if settings else N_ANTHRACENES
    if n > at_once:
        raise InputError(f"anthracene: expected at most {at_once} structures, got {n}")
    frames = anthracenes(setting, at_once)
    return labelled("anthracene", frames, setting, **(_LDA | settings))[:n]


def cluster_labels(setting: Setting, sizes: tuple[int, ...]) -> Dataset:
    r"""Water clusters of these numbers of molecules, PBE/def2-SVP; HF/STO-3G for ``--quick``."""
    frames = [water_cluster(n, seed=k) for k, n in enumerate(sizes)]
    return labelled("clusters", frames, setting, **(QUICK if setting.quick else _PBE))


def _first(frames: list[Atoms], n: int, what: str) -> list[Atoms]:
    if len(frames) < n:
        raise InputError(f"{what}: expected at least {n} structures, got {len(frames)}")
    return frames[:n]
