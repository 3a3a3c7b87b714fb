r"""What linvop raises when the input, and not the program, is at fault.

Every message says what was expected and what was found, and names the file, frame,
atom or key. The command line prints it as one line and exits with status 2.
"""

from __future__ import annotations

__all__ = ["ConvergenceError", "FileFormatError", "GapError", "InputError"]


class InputError(ValueError):
    """Input that linvop cannot work with; nothing has been written."""


class FileFormatError(InputError):
    """A file that is damaged, foreign, of another kind or of a newer schema."""


class ConvergenceError(InputError):
    """A calculation that did not converge and whose result is therefore not used."""


class GapError(InputError):
    """Orbitals that are not defined: the last occupied and the first empty level coincide."""
