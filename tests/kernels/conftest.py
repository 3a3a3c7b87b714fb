"""Plans and random matrices: kernels know nothing of molecules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from linvop.basis.enumeration import SiteEnumeration
from linvop.kernels.plan import WordPlan, site_plan
from linvop.orbitals.shells import AOBasis, Shell

AO = AOBasis(
    {
        "H": (Shell(0, (1.1,), (1.0,)), Shell(0, (0.3,), (1.0,)), Shell(1, (0.8,), (1.0,))),
        "C": (Shell(0, (1.7,), (1.0,)), Shell(1, (0.6,), (1.0,)), Shell(3, (0.7,), (1.0,))),
    }
)
SPECIES = ("H", "C")
IRREPS = tuple((lam, sigma) for lam in range(5) for sigma in (1, -1))


@dataclass(frozen=True)
class Problem:
    """What a kernel is called with, for the centre C, and the enumeration behind the plan."""

    enumeration: SiteEnumeration
    plan: WordPlan
    local: np.ndarray
    first: np.ndarray
    middle: np.ndarray
    channel_start: np.ndarray
    shell_start: np.ndarray

    @property
    def n_sites(self) -> int:
        return int(self.shell_start[1] - self.shell_start[0])

    def rows(self, kernel, row_of_site, n_rows: int) -> np.ndarray:
        matrices = (self.local, self.first, self.middle)
        starts = (self.channel_start, self.shell_start)
        return kernel(self.plan, *matrices, *starts, np.asarray(row_of_site, np.int64), n_rows)


def problem(
    resolution: str = "shell",
    *,
    kappa: int = 3,
    sources: str = "species",
    n_atoms: tuple[int, int] = (2, 3),
    irreps: tuple[tuple[int, int], ...] = IRREPS,
    target: str = "site",
) -> Problem:
    enumeration = SiteEnumeration(
        AO, SPECIES, kappa, resolution, "overlap", sources, (None, 0.3), 4
    )
    widths = [
        (2 * a.l + 1) * n for s, n in zip(SPECIES, n_atoms, strict=True) for a in AO.shells(s)
    ]
    starts = np.concatenate([[0], np.cumsum(widths)]).astype(np.int64)
    ranges = enumeration.channel_shells
    rng = np.random.default_rng(3)
    n_ao, n_sources = starts[-1], 2 * len(enumeration.source_names)
    local, first, middle = rng.normal(size=(3, n_sources, n_ao, n_ao))
    return Problem(
        enumeration,
        site_plan(enumeration, "C", irreps, target),
        local,
        first,
        middle + middle.transpose(0, 2, 1),  # a tail is read backwards: M must be symmetric
        channel_start=starts[[lo for lo, _ in ranges] + [ranges[-1][1]]],
        shell_start=starts[3:],
    )


@pytest.fixture(params=[("shell", 3), ("species", 3), ("total", 5)], ids=str)
def of_each_resolution(request) -> Problem:
    resolution, kappa = request.param
    return problem(resolution, kappa=kappa)
