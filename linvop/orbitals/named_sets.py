r"""AO sets that linvop defines itself, under names that `Basis(ao=...)` takes beside PySCF's.

``et-4s2p1d``, ``et-2s/3s2p``, ``et-4s2p1d(alpha0=0.2,beta=3)``
    Even-tempered: uncontracted shells, the same on every element (with a stroke: on H and He
    those before it, on all others those after it), with exponents

    .. math:: \zeta_{lk} = \alpha_0\, (l + 1)\, \beta^k, \qquad k = 0, 1, \ldots, n_l - 1

    (Bohr^-2). The factor l + 1 puts the radial maximum of :math:`r^2 R_{lk}^2`, at
    :math:`\sqrt{(l + 1) / (2 \zeta)}`, at one place for all l.

``coreless-NAME``
    The set NAME without the shells of the noble-gas core: of each l the first ones, as PySCF
    counts them (1s; for the third period 1s, 2s and 2p). The core of period P has P - 1 shells of
    s, P - 2 of p, P - 4 of d and P - 6 of f, none where that is negative. Meant for contracted
    sets, in which one shell is one core orbital. The largest entries of V belong to these shells.

``linvop-sv``, ``linvop-svp``
    Even-tempered sets in the shape of split-valence sets without and with polarisation, chosen by
    `linvop scan` (docs/ao_basis.md); what they stand for is in `NAMED`.

No exponent is kept here: the first law makes them, the second filters PySCF's.
"""

from __future__ import annotations

import re
from itertools import groupby

from linvop.errors import InputError

__all__ = ["DEFAULT_ALPHA0", "DEFAULT_BETA", "NAMED", "own_set"]

DEFAULT_ALPHA0 = 0.2
"""Smallest s exponent of an even-tempered set, Bohr^-2."""

DEFAULT_BETA = 4.0
"""Ratio of neighbouring exponents of an even-tempered set."""

NAMED = {
    "linvop-sv": "et-2s/3s2p(alpha0=0.2,beta=4)",
    "linvop-svp": "et-2s1p/3s2p1d(alpha0=0.2,beta=4)",
}
"""Sets with a name of their own."""

_LETTERS = "spdfghi"
_LARGEST = 30
"""Shells of one l that an even-tempered set may have."""
_NUMBER = r"[0-9.]+(?:e[+-]?[0-9]+)?"
_SHELLS = rf"(?:[0-9]+[{_LETTERS}])+"
_EVEN = re.compile(
    rf"et-(?:({_SHELLS})/)?({_SHELLS})(?:\(alpha0=({_NUMBER})(?:,beta=({_NUMBER}))?\))?"
)
_NOBLE = (0, 2, 10, 18, 36, 54, 86)
"""Electrons of the core of each period."""

Raw = list[list]
"""PySCF's internal format: [l, [exponent, coefficient, ...], ...] for each shell."""


def own_set(symbol: str, name: str) -> Raw | None:
    r"""The shells of an element in a set of linvop's, in PySCF's internal format.

    Parameters
    ----------
    symbol : str
        Chemical symbol.
    name : str
        In any letter case, with or without blanks.

    Returns
    -------
    list or None
        None if `name` is not linvop's (PySCF may know it).

    Raises
    ------
    InputError
        For a name that begins as linvop's do and goes on otherwise, an unknown set or element,
        a set without valence shells, or one whose core is an effective potential.

    Examples
    --------
    >>> own_set("O", "et-2s1p(alpha0=0.5,beta=4)")
    [[0, [0.5, 1.0]], [0, [2.0, 1.0]], [1, [1.0, 1.0]]]
    >>> [shell[0] for shell in own_set("O", "coreless-6-31g")]
    [0, 0, 1, 1]
    """
    name = "".join(name.lower().split())
    name = NAMED.get(name, name)
    if name.startswith("et-"):
        return _even_tempered(name, _period(symbol) == 1)
    if name.startswith("coreless-"):
        return _coreless(symbol, name.removeprefix("coreless-"))
    return None


def _even_tempered(name: str, first_period: bool) -> Raw:
    found = _EVEN.fullmatch(name)
    if not found:
        raise InputError(
            f"AO basis {name!r}: expected a name such as et-4s2p1d, et-2s/3s2p or "
            "et-4s2p1d(alpha0=0.2,beta=3)"
        )
    shells = found[1] if found[1] and first_period else found[2]
    counts = {letter: int(n) for n, letter in re.findall(rf"([0-9]+)([{_LETTERS}])", shells)}
    letters = re.findall(rf"[{_LETTERS}]", shells)
    if letters != sorted(set(letters), key=_LETTERS.index):
        raise InputError(f"AO basis {name!r}: expected each of s, p, d ... once, in this order")
    if not all(1 <= n <= _LARGEST for n in counts.values()):
        raise InputError(f"AO basis {name!r}: expected 1 to {_LARGEST} shells of each l")
    alpha0 = _parameter(name, "alpha0", found[3], DEFAULT_ALPHA0, 0.0)
    beta = _parameter(name, "beta", found[4], DEFAULT_BETA, 1.0)
    return [
        [l, [alpha0 * (l + 1) * beta**k, 1.0]]
        for l, n in ((_LETTERS.index(letter), n) for letter, n in counts.items())
        for k in range(n)
    ]


def _parameter(name: str, key: str, text: str | None, default: float, above: float) -> float:
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = above
    if not above < value < 1e6:
        raise InputError(f"AO basis {name!r}: {key}: expected a number above {above:g}, got {text}")
    return value


def _coreless(symbol: str, name: str) -> Raw:
    from pyscf import gto

    from_ours = own_set(symbol, name)
    if from_ours is not None:
        raise InputError(f"AO basis 'coreless-{name}': expected a set that PySCF knows")
    period = _period(symbol)
    try:
        shells = _one_column_each(gto.format_basis({symbol: name})[symbol])
    except Exception as error:  # PySCF raises KeyError, RuntimeError or its own class
        raise InputError(
            f"AO basis 'coreless-{name}' for {symbol}: PySCF cannot give {name!r} ({error})"
        ) from error
    if _has_effective_core(symbol, name):
        raise InputError(
            f"AO basis 'coreless-{name}' for {symbol}: expected an all-electron set, and "
            f"{name!r} has an effective core potential for {symbol}"
        )
    left: Raw = []
    for l, of_l in groupby(sorted(shells, key=lambda shell: shell[0]), key=lambda shell: shell[0]):
        left.extend(list(of_l)[_n_core(period, l) :])
    if not left:
        raise InputError(f"AO basis 'coreless-{name}' for {symbol}: no shell is left")
    return left


def _one_column_each(raw: Raw) -> Raw:
    """General contractions as several shells, without the exponents that a column lacks."""
    return [
        [l, *([row[0], row[k]] for row in rows if row[k] != 0)]
        for l, *rows in raw
        for k in range(1, len(rows[0]))
    ]


def _n_core(period: int, l: int) -> int:
    """Shells of angular momentum l in the noble-gas core of a period."""
    return max(0, period - (1, 2, 4, 6)[l]) if l < 4 else 0


def _period(symbol: str) -> int:
    from pyscf.data.elements import NUC

    if symbol not in NUC or not NUC[symbol] >= 1:
        raise InputError(f"species {symbol!r}: expected the symbol of an element")
    return sum(NUC[symbol] > electrons for electrons in _NOBLE)


def _has_effective_core(symbol: str, name: str) -> bool:
    from pyscf.gto.basis import load_ecp
    from pyscf.lib.exceptions import BasisNotFoundError

    try:
        return bool(load_ecp(name, symbol))
    except (BasisNotFoundError, KeyError, RuntimeError):
        return False
