r"""Invariant features of the degenerate pairs of CH4, by centre and by what makes them.

All are sums over the atoms of a species, which is what a linear model of the energy sees. The
bispectrum is

.. math:: B_{abc}^{l_1 l_2 l_3} = \sum_{m_1 m_2 m_3} C^{l_3 m_3}_{l_1 m_1, l_2 m_2}\,
          \rho_{a l_1 m_1} \rho_{b l_2 m_2} \rho_{c l_3 m_3}, \qquad l_1 \le l_2 \le l_3,

of featomic's spherical expansion (`linvop.bench.pair_densities`), coupled with linvop's own
coefficients (`linvop.bench.coupled_densities`): true scalars, l1 + l2 + l3 even.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop import Basis
from linvop.bench.coupled_densities import coupled
from linvop.bench.pair_densities import pair_densities
from linvop.bench.soap import SoapSettings, soap_rows
from linvop.conventions import BOHR
from linvop.features.design import structure_rows
from linvop.regression.prior import label_prior

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["AO", "SOAP", "Family", "bispectra", "distances", "families"]

AO = "def2-svp"
"""In which V is written: hydrogen has p shells, carbon d, so that there are angles on both."""

SOAP = SoapSettings()

_SPECIES = ("H", "C")
_TOTAL: dict[str, Any] = {"ao": AO, "kappa": 3, "resolution": "total"}
_SHELL: dict[str, Any] = {"ao": AO, "kappa": 3, "resolution": "shell"}
_PRODUCTS: dict[str, Any] = {"ao": AO, "kappa": 1, "nu": 3, "max_degree": (None, 8, 8)}


@dataclass(frozen=True, eq=False)
class Family:
    r"""Features of one kind about one species of centres.

    Attributes
    ----------
    kind : str
        Such as "plain powers, V^2".
    centre : str
        "C" or "H".
    bodies : int
        Most atoms that one of them couples, the centre among them.
    rows : (n, p) float64
    penalty : (p,) float64
    same : bool
        Whether the bodies say that the members of a pair have the same.
    """

    kind: str
    centre: str
    bodies: int
    rows: np.ndarray
    penalty: np.ndarray
    same: bool


def families(frames: Sequence[Atoms], with_peers: bool) -> list[Family]:
    r"""All kinds, about carbon and about hydrogen.

    Parameters
    ----------
    frames : sequence of ase.Atoms
    with_peers : bool
        Whether featomic is there.
    """
    found = _peers(frames) if with_peers else []
    for name, settings in (("plain powers", _TOTAL), ("shell", _SHELL)):
        rows, labels = _of_basis(Basis(**settings), frames)
        for centre in ("C", "H"):
            for kappa in (1, 2, 3):
                if name == "shell" and kappa == 1:
                    continue  # no channels: the plain ones
                kind = f"{name}, $V^{kappa}$" if kappa > 1 else "$V$"
                chosen = _chosen(
                    labels, lambda x, c=centre, k=kappa: (x.species, x.kappa) == (c, k)
                )
                found.append(_family(kind, centre, 2 * kappa, rows, labels, chosen))
        if name == "shell":
            found += _through(rows, labels)
    rows, labels = _of_basis(Basis(**_PRODUCTS), frames)
    for centre in ("C", "H"):
        for nu in (2, 3):
            chosen = _chosen(labels, lambda x, c=centre, n=nu: (x.species, x.nu) == (c, n))
            kind = rf"products of {nu} $V$"
            found.append(_family(kind, centre, nu + 1, rows, labels, chosen))
    return found


def _through(rows: np.ndarray, labels: list) -> list[Family]:
    """Of carbon's V^2, what goes through carbon's channels and what through hydrogen's."""
    found = []
    for species, bodies in (("C", 3), ("H", 4)):
        chosen = _chosen(
            labels,
            lambda x, s=species: (
                (x.species, x.kappa) == ("C", 2) and x.channels[0].startswith(f"{s}:")
            ),
        )
        found.append(_family(f"$V^2$ through {species}", "C", bodies, rows, labels, chosen))
    return found


def _peers(frames: Sequence[Atoms]) -> list[Family]:
    rows = soap_rows(frames, [1, 6], SOAP)
    half = rows.shape[1] // 2  # centre by centre, hydrogen first
    parts = {"C": rows[:, half:], "H": rows[:, :half]}
    found = [_peer("SOAP power spectrum", c, 3, parts[c]) for c in ("C", "H")]
    return [*found, _peer("bispectrum", "C", 4, bispectra(frames, SOAP))]


def _peer(kind: str, centre: str, bodies: int, rows: np.ndarray) -> Family:
    same = _same(centre, bodies)
    return Family(kind, centre, bodies, rows, np.ones(rows.shape[1]), same)


def _family(
    kind: str, centre: str, bodies: int, rows: np.ndarray, labels: list, chosen: np.ndarray
) -> Family:
    penalty = label_prior([labels[k] for k in chosen])
    return Family(kind, centre, bodies, rows[:, chosen], penalty, _same(centre, bodies))


def _same(centre: str, bodies: int) -> bool:
    """Three bodies about carbon are shared, and two about anything; hydrogens' triangles not."""
    return bodies <= (3 if centre == "C" else 2)


def _of_basis(basis: Basis, frames: Sequence[Atoms]) -> tuple[np.ndarray, list]:
    scalar = ((0, 1),)
    rows = structure_rows(basis.compile(_SPECIES, scalar, "structure"), frames)[0, 1][:, 0]
    return rows, basis.labels(_SPECIES, target="structure", irreps=scalar)


def _chosen(labels: list, wanted: Callable) -> np.ndarray:
    return np.flatnonzero([wanted(label) for label in labels])


def bispectra(frames: Sequence[Atoms], settings: SoapSettings) -> np.ndarray:
    r"""Of the hydrogens about the carbon of each CH4, (n, p), p as l, then channels, demand."""
    return np.stack([_bispectrum(atoms, settings) for atoms in frames])


def _bispectrum(atoms: Atoms, settings: SoapSettings) -> np.ndarray:
    numbers = atoms.numbers.tolist()
    made = pair_densities(numbers, atoms.positions / BOHR, [1, 6], settings)
    carbon, n_radial = numbers.index(6), settings.max_radial + 1
    rho = [x[carbon : carbon + 1, :, :n_radial] for x in made.atoms]  # hydrogen's channels
    parts = []
    for l1 in range(len(rho)):
        for l2 in range(l1, len(rho)):
            for l3 in range(l2, min(l1 + l2 + 1, len(rho))):
                if (l1 + l2 + l3) % 2 == 0:
                    two = coupled(rho[l1], rho[l2], l3)[0]
                    parts.append(np.einsum("mab,mc->abc", two, rho[l3][0]).ravel())
    return np.concatenate(parts)


def distances(rows: np.ndarray) -> np.ndarray:
    r"""Relative distance of the members of each pair.

    .. math:: d = |x_+ - x_-| \big/ \sqrt{(|x_+|^2 + |x_-|^2) / 2} .

    Parameters
    ----------
    rows : (2 n_pairs, p) float64
        Member after member.

    Returns
    -------
    (n_pairs,) float64
    """
    plus, minus = rows[::2], rows[1::2]
    mean = ((plus**2).sum(axis=1) + (minus**2).sum(axis=1)) / 2
    return np.linalg.norm(plus - minus, axis=1) / np.sqrt(mean)
