r"""Peers in the table of operator models: linear models on other features, with the same solver.

What is in the table by default was chosen by leave-one-out on 20 rMD17 ethanols and on 100 waters,
of settings with about as many columns as linvop's: on ethanol densities to n 6, l 4 leave less
than to n 4, l 6, and on water the other way round. Channels of lambda-SOAP in the features of pairs
leave more on ethanol, and on water less of the little that pairs leave.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from linvop.bench.soap import SoapSettings
from linvop.bench.spectrum_turns import LambdaSoapSettings

__all__ = ["MISSING", "PEERS", "peer_notes", "peers_here"]

MISSING = "The rows of lambda-SOAP are missing: they need featomic (pip install 'linvop[peers]')."

PEERS: dict[str, tuple[LambdaSoapSettings, dict[str, Any]]] = {
    "lambda-SOAP, n 4, l 6, cutoff 4": (
        LambdaSoapSettings(SoapSettings(max_radial=4, max_angular=6)),
        {},
    ),
    "lambda-SOAP, n 6, l 4, cutoff 4": (LambdaSoapSettings(), {}),
    "lambda-SOAP, n 6, l 4, cutoff 4, orthogonal": (LambdaSoapSettings(), {"orthogonal": True}),
    "lambda-SOAP, n 4, l 6, cutoff 4, orthogonal, on F of atoms": (
        LambdaSoapSettings(SoapSettings(max_radial=4, max_angular=6)),
        {"orthogonal": True, "baseline": "minao"},
    ),
    "lambda-SOAP, n 6, l 4, cutoff 4, spectra for pairs": (
        LambdaSoapSettings(spectrum_channels=4),
        {},
    ),
}
"""Parameters of `LambdaSoapModel`. Radial functions n = 0 .. 6, harmonics l = 0 .. 4; Angstrom."""


def peers_here() -> tuple[str, ...]:
    """Names of the peers that a table has by default: none where featomic is not installed."""
    if not find_spec("featomic"):
        return ()
    return tuple(m for m, (settings, _) in PEERS.items() if not settings.spectrum_channels)


def peer_notes(models: Sequence[str]) -> list[str]:
    """What a reader of a table with these models must know of the peers."""
    chosen = [PEERS[m][0] for m in models if m in PEERS]
    if not chosen:
        return [] if peers_here() else [MISSING]
    notes = [
        "lambda-SOAP: featomic's densities about atoms (width "
        f"{chosen[0].atoms.density_width:g} Angstrom), on site coupled with themselves, between "
        "atoms with the density of the pair. Blocks, baseline and solver are those of the other "
        "rows; no prior.",
    ]
    channels = [c.spectrum_channels for c in chosen if c.spectrum_channels]
    if channels:
        notes.append(
            f"Spectra for pairs: the first {channels[0]} principal components of lambda-SOAP, of "
            "each species and irrep, are coupled with the density of the pair too."
        )
    return notes
