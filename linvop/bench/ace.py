r"""The peer: a linear atomic cluster expansion, the basis of ace-jax.

Its B basis, of every atom, is summed over the atoms of each centre species: the columns of
linear ACE, fitted here by linvop's own solver. ace-jax runs in a process of its own
(`ace_program`), by a Python that need not have linvop.

R. Drautz, Phys. Rev. B 99, 014104 (2019); W. C. Witt et al., J. Chem. Phys. 159, 164101 (2023).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["MISSING", "AceRows", "AceSettings", "ace_python", "ace_rows", "ace_versions"]

MISSING = (
    "The rows of linear ACE are missing: pip install 'linvop[ace]', or name with --ace a Python "
    "that has ace-jax (an environment of its own will do)."
)

_CHUNK = 4
_PROGRAM = Path(__file__).with_name("ace_program.py")


@dataclass(frozen=True)
class AceSettings:
    r"""Which functions.

    Attributes
    ----------
    order : int
        Largest number of neighbours in a function.
    degree : int
        Largest total degree, of n + 1.5 l.
    cutoff : float
        Angstrom.
    prior : bool
        Penalise the columns by ace-jax's smoothness prior.
    """

    order: int = 3
    degree: int = 10
    cutoff: float = 5.5
    prior: bool = False

    def __str__(self) -> str:
        prior = ", its smoothness prior" if self.prior else ""
        return f"ACE, order {self.order}, degree {self.degree}, cutoff {self.cutoff:g}{prior}"


@dataclass(frozen=True)
class AceRows:
    r"""Rows of a linear ACE basis.

    Attributes
    ----------
    rows : (n_frames, p) float64
        With gradients (n_frames + 3 n_atoms in all, p): below, derivatives per Angstrom.
    penalty : (p,) float64 or None
    seconds : float
        To build the basis and the rows, without compilation.
    """

    rows: np.ndarray
    penalty: np.ndarray | None
    seconds: float


def ace_python(named: str | None) -> str | None:
    r"""Return the Python that is to make the rows: the one named, this one, or None.

    Raises
    ------
    InputError
        If the named one does not run or has no ace-jax.
    """
    if named is None:
        return sys.executable if find_spec("ace_jax") else None
    ace_versions(named)
    return named


def ace_versions(python: str) -> dict[str, str]:
    r"""Versions of ace-jax and jax that a Python has.

    Raises
    ------
    InputError
        If it does not run or has no ace-jax.
    """
    code = (
        "import json; from importlib.metadata import version; import ace_jax; "
        "print(json.dumps({n: version(n) for n in ('ace-jax', 'jax')}))"
    )
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    except OSError as error:
        raise InputError(f"--ace {python}: expected a Python, got {error.strerror}") from error
    if done.returncode:
        raise InputError(f"--ace {python}: expected a Python with ace-jax, got {_last(done)}")
    return json.loads(done.stdout)


def ace_rows(
    frames: Sequence[Atoms],
    numbers: Sequence[int],
    settings: AceSettings,
    python: str,
    gradients: bool = False,
) -> AceRows:
    r"""B functions summed over the atoms of each species.

    Parameters
    ----------
    frames : sequence of ase.Atoms
    numbers : sequence of int
        Atomic numbers of all species.
    settings : AceSettings
    python : str
        From `ace_python`.
    gradients : bool
        Also their derivatives by positions.

    Raises
    ------
    InputError
        If ace-jax fails; the message ends with what it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, atoms, out = (str(Path(folder) / n) for n in ("given.json", "atoms.npz", "out"))
        content: dict[str, Any] = {
            "order": settings.order,
            "degree": settings.degree,
            "cutoff": settings.cutoff,
            "species": sorted(int(z) for z in numbers),
            "chunk": _CHUNK,
            "gradients": gradients,
        }
        Path(given).write_text(json.dumps(content))
        np.savez(
            atoms,
            numbers=np.concatenate([a.numbers for a in frames]),
            positions=np.concatenate([a.positions for a in frames]),
            counts=np.array([len(a) for a in frames]),
        )
        command = [python, str(_PROGRAM), given, atoms, out]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise InputError(f"{settings}: ended with {done.returncode} and said {_last(done)}")
        found = json.loads(Path(f"{out}.json").read_text())
        rows, prior = np.load(f"{out}.npy"), np.load(f"{out}.prior.npy")
    return AceRows(
        rows,
        prior if settings.prior else None,
        found["build_s"] + found["rows_s"],
    )


def _last(done: subprocess.CompletedProcess[str]) -> str:
    return (done.stderr.strip().splitlines() or ["nothing"])[-1]
