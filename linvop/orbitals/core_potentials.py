r"""AO sets that are made for an effective core potential (ECP), which linvop refuses.

linvop's V is that of all the nuclei's charge; a calculation without core electrons has another
external potential, and fewer electrons.
"""

from __future__ import annotations

from collections.abc import Iterable

from linvop.errors import InputError
from linvop.orbitals.named_sets import own_set
from linvop.orbitals.shells import AOBasis

__all__ = ["require_all_electrons"]


def require_all_electrons(ao: AOBasis, species: Iterable[str]) -> None:
    r"""Refuse elements that the AO basis lacks or gives an effective core potential.

    Sets spelled out shell by shell do not say what they were made for, and are taken.

    Raises
    ------
    InputError
    """
    from pyscf.gto.basis import load_ecp

    for s in species:
        ao.shells(s)
        entry = ao.spec if isinstance(ao.spec, str) else ao.spec[s]
        if isinstance(entry, str) and own_set(s, entry) is None and load_ecp(entry, s):
            raise InputError(
                f"AO basis {entry!r} is made for an effective core potential on {s}; "
                "expected an all-electron set"
            )
