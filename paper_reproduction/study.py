r"""What a study is given, and what it gives back."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from linvop.errors import InputError

__all__ = ["VERDICTS", "Claim", "Measured", "Setting", "has_featomic"]

VERDICTS = ("agrees", "differs", "not tested")


@dataclass(frozen=True)
class Claim:
    r"""Something the paper says, or this project wants, beside what was found.

    Attributes
    ----------
    text : str
        The claim, in a sentence.
    found : str
        What was measured, with its figures; or why it was not tested.
    verdict : str
        Of `VERDICTS`.
    source : str
        "paper", or "linvop" for what this project asks of itself.

    Raises
    ------
    InputError
        For another verdict or source.
    """

    text: str
    found: str
    verdict: str
    source: str = "paper"

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise InputError(f"claim: expected one of {VERDICTS}, got {self.verdict!r}")
        if self.source not in ("paper", "linvop"):
            raise InputError(f"claim: expected paper or linvop, got {self.source!r}")

    @classmethod
    def decided(cls, text: str, found: str, holds: bool, source: str = "paper") -> Claim:
        """By a number: agrees if `holds`, else differs."""
        return cls(text, found, "agrees" if holds else "differs", source)


@dataclass(frozen=True)
class Measured:
    r"""What `run` returns.

    Attributes
    ----------
    data : str
        Which structures, how many, which level, in words.
    numbers : mapping
        All that the picture shows, as plain values (lists, numbers, strings, None): JSON.
    claims : sequence of Claim
    notes : sequence of str
        What a reader must know; why something disappoints.
    """

    data: str
    numbers: Mapping[str, Any]
    claims: Sequence[Claim]
    notes: Sequence[str] = field(default_factory=tuple)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Setting:
    r"""How a study is run.

    Attributes
    ----------
    quick : bool
        Few structures and cheap labels: a check that everything runs, and no figure to quote.
    data : Path or None
        The user's folder of data (`paper_reproduction.external`); None: all geometries are
        sampled here.
    workers : int or None
        Processes that label; default one for each core.
    say : callable
        Told what is being done.
    """

    quick: bool = False
    data: Path | None = None
    workers: int | None = None
    say: Callable[[str], None] = lambda text: None

    def pick(self, quick: Any, full: Any) -> Any:
        """The value for this kind of run."""
        return quick if self.quick else full


def has_featomic() -> bool:
    """Whether the peers' program is installed; else warn that their curves are left out."""
    if find_spec("featomic"):
        return True
    warnings.warn(
        "SOAP and lambda-SOAP are left out: they need featomic (pip install 'linvop[peers]')",
        stacklevel=2,
    )
    return False
