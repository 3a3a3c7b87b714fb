r"""The paper's figures and claims, measured again: one module a study.

J. Nigam, T. Smidt, G. Dusson, arXiv:2602.15345. Each study has

- ``TITLE``, ``DATA`` (structures and level, in words), and ``run(setting) -> Measured``;
- ``draw(numbers) -> Figure``, which makes the picture of the numbers that the JSON holds, and of
  nothing else.

``linvop reproduce NAME``, or ``python -m paper_reproduction.NAME``, runs one
(`paper_reproduction.running`).
"""

from __future__ import annotations

__all__ = ["STUDIES"]

STUDIES = (
    "locality",
    "degeneracy",
    "long_range",
    "message_passing",
    "properties",
    "operators",
    "effective",
    "beyond",
)
"""In the order of the table; each the name of a module here."""
