r"""Products of site features, V given, in units of ethanol's ``int1e_nuc``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from linvop.bench.tables import Table, verdict
from linvop.bench.timing import compare, one_thread
from linvop.features.metric import factors
from linvop.kernels import cpu
from linvop.orbitals.order import channel_order

if TYPE_CHECKING:
    from linvop.features.contractions import SiteFeatures
    from linvop.integrals import System

__all__ = ["LARGEST", "GivenV", "products_table"]

LARGEST = 4.0
"""Largest accepted ratio."""

_AO = "def2-svp"
_DEGREES = (7, 8)
"""Largest degree of nu = 2 and 3; the second gives 5000 columns of nu = 3 alone."""


def products_table(degrees: Sequence[int] = _DEGREES, rounds: int = 5) -> Table:
    r"""Time all rows (kappa 2, nu = 1 to 3, lam = 0) of one distorted ethanol on one thread.

    Parameters
    ----------
    degrees : sequence of int
        Largest degrees of nu = 2 and 3, one row of the table each.
    rounds : int
        Runs of which medians are taken.
    """
    from ase.build import molecule
    from pyscf import gto

    from linvop.features.basis import Basis
    from linvop.integrals import System
    from linvop.orbitals.shells import AOBasis

    atoms = molecule("CH3CH2OH")
    atoms.positions += 0.05 * np.random.default_rng(0).normal(size=atoms.positions.shape)
    ao, symbols = AOBasis(_AO), atoms.get_chemical_symbols()
    pairs = list(zip(symbols, atoms.positions, strict=True))
    mol = gto.M(atom=pairs, basis={s: ao.raw(s) for s in set(symbols)}, verbose=0)
    system = System.from_atoms(atoms, ao)
    rows = []
    for degree in degrees:
        limits = (None, degree, degree)
        basis = Basis(ao=ao, kappa=2, nu=3, max_degree=limits)
        features = basis.compile(symbols, ((0, 1),), "structure")
        labels = basis.labels(symbols, target="structure", irreps=((0, 1),))
        of_nu = np.bincount([label.nu for label in labels], minlength=4)
        with one_thread():
            given = GivenV(features, system)
            timed = compare(
                [given],
                lambda _: mol.intor("int1e_nuc"),
                {"products": GivenV.rows},
                rounds=rounds,
            )["products"]
        rows.append(
            {
                "degree": degree,
                "columns": int(of_nu.sum()),
                "of nu 3": int(of_nu[3]),
                "ms": timed.candidate_ms,
                "int1e_nuc, ms": timed.yardstick_ms,
                "ratio": timed.ratio,
                "target": LARGEST,
                "met": verdict(timed.ratio, LARGEST),
            }
        )
    notes = [
        f"One ethanol, {_AO}, V given in memory, metric ao, kappa 2, nu to 3, lam 0: all columns "
        "of the structure, from contractions to products summed over atoms; one thread, CPU time.",
        f"`degree` limits nu 2 and nu 3. Yardstick: int1e_nuc of the same molecule in {_AO}.",
    ]
    return Table("products", "Products of site features (V given)", rows, notes)


class GivenV:
    r"""Features, summed over atoms, of one structure whose V is already there.

    Parameters
    ----------
    features : SiteFeatures
    system : System
    """

    def __init__(self, features: SiteFeatures, system: System) -> None:
        enumeration = features.enumeration
        order = channel_order(system.layout, enumeration.species)
        matrices = factors(system, order, enumeration.metric, enumeration.screenings, False)
        channels = enumeration.channel_shells
        channel_start = order.shell_start[[first for first, _ in channels] + [channels[-1][1]]]
        self._features, self._given = features, []
        shell = 0
        for s, sites in zip(enumeration.species, order.sites, strict=True):
            starts = order.shell_start[shell : shell + len(enumeration.shells[s]) + 1]
            shell += len(enumeration.shells[s])
            self._given.append((s, len(sites), (*matrices, channel_start, starts)))

    def rows(self) -> list[np.ndarray]:
        """Of each species: nu = 1, then products, (1, n)."""
        found = []
        for s, n_sites, given in self._given:
            summed = np.zeros(n_sites, np.int64)
            found.append(cpu.site_rows(self._features.plans[s], *given, summed, 1))
            if s in self._features.product_plans:
                plans = self._features.product_plans[s]
                A = cpu.site_rows(plans.factors, *given, np.arange(n_sites), n_sites)
                found.append(cpu.product_rows(plans.products, A, summed, 1))
        return found
