r"""Results as tables: for people (Markdown) and for programs (JSON)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from linvop.io.atomic import atomic_text

__all__ = ["Report", "Table", "verdict", "write_sections"]


@dataclass(frozen=True)
class Table:
    r"""Rows of results; the keys of the first row are the columns.

    Attributes
    ----------
    name : str
        Names the table in a document, where a later run replaces it.
    title : str
    rows : sequence of dict
    notes : sequence of str
        What a reader must know: settings, definitions, caveats.
    """

    name: str
    title: str
    rows: Sequence[Mapping[str, Any]]
    notes: Sequence[str] = field(default_factory=tuple)

    def markdown(self) -> str:
        """As a section of a Markdown document."""
        parts = [f"## {self.title}", ""]
        if self.rows:
            columns = list(self.rows[0])
            parts += [_line(columns), _line(["---"] * len(columns))]
            parts += [_line([_text(row.get(c)) for c in columns]) for row in self.rows]
            parts.append("")
        parts += [f"- {note}" for note in self.notes]
        return "\n".join(parts).rstrip() + "\n"


@dataclass(frozen=True)
class Report:
    r"""The tables of one run and the machine they were made on."""

    machine: Mapping[str, Any]
    tables: Sequence[Table]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"machine": dict(self.machine), "tables": [asdict(t) for t in self.tables]}

    def markdown(self) -> str:
        """All tables, then the machine."""
        return "\n".join([*(t.markdown() for t in self.tables), machine_line(self.machine)])


def machine_line(machine: Mapping[str, Any]) -> str:
    """The machine in one line."""
    return "Measured on: " + ", ".join(f"{k} {v}" for k, v in machine.items()) + ".\n"


def verdict(value: float, largest: float | None) -> str:
    r"""Say whether a figure meets its target ``value <= largest``."""
    if largest is None:
        return ""
    return "yes" if value <= largest else "NO"


def write_sections(path: str | Path, heading: str, report: Report) -> None:
    r"""Put a report's tables into a Markdown file, each in place of its former self.

    A table stands between ``<!-- linvop bench: NAME -->`` and ``<!-- end: NAME -->``; what is
    outside these lines is kept, and a table that is new goes to the end.

    Parameters
    ----------
    path : path
        Made with `heading` if it does not exist.
    heading : str
        First lines of a new file.
    report : Report

    Raises
    ------
    InputError
        If the folder is missing or the disk is full; the old file then stays as it was.
    """
    path = Path(path)
    text = path.read_text() if path.is_file() else heading.rstrip() + "\n"
    for table in report.tables:
        first, last = f"<!-- linvop bench: {table.name} -->", f"<!-- end: {table.name} -->"
        section = f"{first}\n{table.markdown()}\n{machine_line(report.machine)}{last}"
        before, found, rest = text.partition(first)
        if found and last in rest:
            text = before + section + rest.split(last, 1)[1]
        else:
            text = text.rstrip() + "\n\n" + section + "\n"
    atomic_text(path, text, force=True)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float | np.floating):
        number = float(value)
        if number != 0 and not 1e-3 <= abs(number) < 1e5:
            return f"{number:.2e}"
        return f"{number:.0f}" if abs(number) >= 1000 else f"{number:#.3g}".rstrip(".")
    return str(value)
