r"""Units, signs, orders, phases and citations: the one page that fixes them.

Units
    At the public boundary properties are in ASE's units (eV, Angstrom, eV/Angstrom,
    e Angstrom, e^2 Angstrom^2 / eV) and operators in Hartree. Inside, everything is in
    atomic units (Hartree, Bohr, e).  `BOHR` and `HARTREE` are the values PySCF uses
    (CODATA 2010 and 2014), because labels and integrals come from PySCF.

Signs
    ``V[i a m, j b m'] = sum_K -Z_K <i a m| 1/|r - R_K| |j b m'>``: attractive, negative,
    as PySCF's ``int1e_nuc``.

Orders
    *m order*: every shell has its components as ``m = -l .. l``; inside linvop always.
    *PySCF order*: the same, apart from p shells, which run x, y, z (m = 1, -1, 0).
    Operators that enter or leave the package are in PySCF order; `linvop.orbitals.order`
    is the only place where one becomes the other.

Phases
    Real spherical harmonics as PySCF's (for l = 1: y, z, x for m = -1, 0, 1). With
    Condon-Shortley complex harmonics ``Y^c_m = sum_m' U[m, m'] Y_m'``, for m > 0::

        U[m, m] = (-1)^m / sqrt 2       U[m, -m] = i (-1)^m / sqrt 2
        U[-m, m] = 1 / sqrt 2           U[-m, -m] = -i / sqrt 2         U[0, 0] = 1

    Real couplings are the real part of the transformed complex Clebsch-Gordan
    coefficients when l1 + l2 + lam is even and their imaginary part when it is odd.
    The parity ``sigma = (-1)^(l1 + l2 + lam)`` is +1 for true tensors: an irrep turns
    with D^lam under rotation and is multiplied by ``sigma (-1)^lam`` under inversion.

Names
    kappa (number of factors V in a contraction), nu (number of site factors in a
    product), lam, mu (angular momentum of a feature and its component), sigma (parity),
    l1 m1 l2 m2 (shell components), body_order, n_ao, n_atoms, n_features.
"""

from __future__ import annotations

from linvop.errors import InputError

__all__ = [
    "BOHR",
    "CITATION",
    "HARTREE",
    "M_FROM_CARTESIAN",
    "PROPERTY_UNITS",
    "UNITS",
    "unit_factor",
]

BOHR = 0.52917721092
"""Bohr in Angstrom."""

HARTREE = 27.21138602
"""Hartree in eV."""

M_FROM_CARTESIAN = (1, 2, 0)
"""``v[[1, 2, 0]]`` is (y, z, x), the m order of l = 1, out of (x, y, z)."""

_KCAL_PER_MOL = 4184.0 / 6.02214129e23 / 1.602176565e-19
_KJ_PER_MOL = _KCAL_PER_MOL / 4.184
_DEBYE = 1e-21 / 299792458 / 1.602176565e-19 * 1e10

PROPERTY_UNITS: dict[str, str] = {
    "energy": "eV",
    "forces": "eV/Angstrom",
    "dipole": "e*Angstrom",
    "polarizability": "e^2*Angstrom^2/eV",
}
"""The unit in which linvop hands out each property it knows by name."""

UNITS: dict[str, dict[str, float]] = {
    "eV": {
        "eV": 1.0,
        "meV": 1e-3,
        "Hartree": HARTREE,
        "Ha": HARTREE,
        "mHa": 1e-3 * HARTREE,
        "au": HARTREE,
        "kcal/mol": _KCAL_PER_MOL,
        "kJ/mol": _KJ_PER_MOL,
    },
    "eV/Angstrom": {
        "eV/Angstrom": 1.0,
        "meV/Angstrom": 1e-3,
        "Hartree/Bohr": HARTREE / BOHR,
        "Ha/Bohr": HARTREE / BOHR,
        "au": HARTREE / BOHR,
        "kcal/mol/Angstrom": _KCAL_PER_MOL,
        "kJ/mol/Angstrom": _KJ_PER_MOL,
    },
    "e*Angstrom": {
        "e*Angstrom": 1.0,
        "Debye": _DEBYE,
        "e*Bohr": BOHR,
        "au": BOHR,
    },
    "e^2*Angstrom^2/eV": {
        "e^2*Angstrom^2/eV": 1.0,
        "au": BOHR**2 / HARTREE,
        "Bohr^3": BOHR**2 / HARTREE,
        "Angstrom^3": 1.0 / (HARTREE * BOHR),
    },
}
"""``UNITS[ase_unit][unit]`` is the number of `ase_unit` in one `unit`."""

CITATION = (
    "J. Nigam, T. Smidt and G. Dusson, Machine learning electronic structure and atomistic "
    "properties from the external potential, arXiv:2602.15345; J. Chem. Phys. 10.1063/5.0332678"
)


def unit_factor(name: str, unit: str) -> float:
    r"""Return the factor that turns property `name` in `unit` into linvop's unit.

    Parameters
    ----------
    name : str
        A key of `PROPERTY_UNITS`.
    unit : str
        A unit that `UNITS` lists for the property, in any letter case.

    Raises
    ------
    InputError
        If the property or the unit is unknown; the message lists those that are known.

    Examples
    --------
    >>> unit_factor("energy", "Hartree")
    27.21138602
    """
    if name not in PROPERTY_UNITS:
        raise InputError(f"no units are kept for {name!r}; known: {', '.join(PROPERTY_UNITS)}")
    known = UNITS[PROPERTY_UNITS[name]]
    folded = {u.casefold(): f for u, f in known.items()}
    if unit.casefold() not in folded:
        raise InputError(f"unit {unit!r} of {name}: expected one of {', '.join(known)}")
    return folded[unit.casefold()]
