r"""Peers in the table of operator models: linear models on other features, with the same solver."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from linvop.bench.soap import SoapSettings
from linvop.bench.spectrum_turns import LambdaSoapSettings

__all__ = ["MISSING", "PEERS", "peer_notes", "peers_here"]

MISSING = "The rows of lambda-SOAP are missing: they need featomic (pip install 'linvop[peers]')."

PEERS: dict[str, LambdaSoapSettings] = {
    "lambda-SOAP, n 6, l 4, cutoff 4": LambdaSoapSettings(spectrum_channels=4),
    "lambda-SOAP, n 4, l 6, cutoff 4": LambdaSoapSettings(
        SoapSettings(max_radial=4, max_angular=6), spectrum_channels=4
    ),
}
"""n and l are the largest of the radial functions n = 0 .. and of the harmonics; Angstrom."""


def peers_here() -> tuple[str, ...]:
    """Names of the peers that can run on this machine."""
    return tuple(PEERS) if find_spec("featomic") else ()


def peer_notes(models: Sequence[str]) -> list[str]:
    """What a reader of a table with these models must know of the peers."""
    chosen = [PEERS[m] for m in models if m in PEERS]
    if not chosen:
        return [] if peers_here() else [MISSING]
    first = chosen[0]
    return [
        f"lambda-SOAP: featomic's densities (width {first.atoms.density_width:g} Angstrom), on "
        "site coupled with themselves; between atoms the density of the pair, coupled with that "
        f"about each of the two and with the first {first.spectrum_channels} channels of its "
        "lambda-SOAP of each irrep. Blocks, baseline and solver are those of the other rows; no "
        "prior.",
    ]
