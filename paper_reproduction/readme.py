r"""The table of a folder of results: studies, claims, pictures; generated whole."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from linvop.bench.tables import machine_line
from paper_reproduction.study import VERDICTS

__all__ = ["FIRST_LINE", "readme"]

FIRST_LINE = "# The paper, measured again"

_HEAD = f"""{FIRST_LINE}

J. Nigam, T. Smidt, G. Dusson, *Machine learning electronic structure and atomistic properties from
the external potential*, arXiv:2602.15345. Written by `linvop reproduce`; do not edit.

    linvop reproduce                    all studies; minutes to hours, labels are kept and resumed
    linvop reproduce long_range         one
    linvop reproduce --quick            all, small, in minutes: a check, no figures to quote
    linvop reproduce --data DIR         with your copy of the data; see linvop data
    linvop reproduce --resume           what is not there yet
    linvop reproduce --redraw           pictures and this table again, of the JSON files
    python -m paper_reproduction.NAME   the same, one script a figure

Each study leaves NAME.json with every number that its picture shows, NAME.png and NAME.pdf. Peers
(SOAP, lambda-SOAP) are featomic's (`pip install 'linvop[peers]'`) and have the same solver, splits
and labels. *Plain powers* are the paper's features, V, V^2, ... with nothing told apart: to V^4 and
of blocks on site and between atoms in `properties` and `long_range`, to V^3 elsewhere, of sites in
`degeneracy` and `beyond` and of operators' blocks in `operators` and `effective`; `properties` has
those of sites too (*on site*). *Shell* tells the channels of the contraction apart; *products*
couples features with each other.

The paper says most of its claims in words: what counts as agreement (a tenth, a factor, every set
and every cutoff) is linvop's reading, and stands in the claim or beside it. A claim of several
cases agrees if all of them do.
"""

_FOLDER = Path(__file__).parent


def readme(results: Mapping[str, Mapping[str, Any]]) -> str:
    r"""The text of README.md.

    Parameters
    ----------
    results : {name: result}
        As `linvop reproduce` writes them, in the order of the table.
    """
    parts = [_HEAD]
    if any(r["quick"] for r in results.values()):
        parts.append("**Some of this is of `--quick` runs: a check, no figures to quote.**\n")
    parts += [_studies(results), _claims(results)]
    parts += [_picture(name, r) for name, r in results.items()]
    parts.append(_files())
    return "\n".join(parts)


def _studies(results: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [
        "## Studies\n",
        "| figure | script | data | minutes | status |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, r in results.items():
        count = {v: sum(c["verdict"] == v for c in r["claims"]) for v in VERDICTS}
        status = ", ".join(f"{n} {v}" for v, n in count.items() if n)
        kind = "quick: " if r["quick"] else ""
        lines.append(
            f"| [{r['title']}](#{name}) | `{name}.py` | {_cell(r['data'])} | "
            f"{r['seconds'] / 60:.1f} | {kind}{status} |"
        )
    of_paper = [
        c["verdict"] for r in results.values() for c in r["claims"] if c["source"] == "paper"
    ]
    said = ", ".join(f"{of_paper.count(v)} {v}" for v in VERDICTS)
    lines.append(f"\nOf the paper's {len(of_paper)} claims: {said}. The rest is linvop's own.\n")
    lines.append("Minutes: of the run that wrote the figure, without labels that were kept.\n")
    return "\n".join(lines)


def _claims(results: Mapping[str, Mapping[str, Any]]) -> str:
    lines = ["## Claims\n"]
    for source, title in (
        ("paper", "claim of the paper"),
        ("linvop", "what linvop asks of itself"),
    ):
        lines += [f"| {title} | measured here | verdict | figure |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {_cell(c['text'])} | {_cell(c['found'])} | {c['verdict']} | [{name}](#{name}) |"
            for name, r in results.items()
            for c in r["claims"]
            if c["source"] == source
        ]
        lines.append("")
    return "\n".join(lines)


def _files() -> str:
    """Every file of the folder, by the first sentence of its docstring."""
    lines = ["## Files\n", "| file | what |", "| --- | --- |"]
    for path in sorted(_FOLDER.glob("*.py")):
        text = ast.get_docstring(ast.parse(path.read_text()))
        if text and path.name != "__init__.py":
            lines.append(f"| `{path.name}` | {_cell(text.splitlines()[0])} |")
    return "\n".join([*lines, ""])


def _picture(name: str, r: Mapping[str, Any]) -> str:
    notes = "".join(f"- {note}\n" for note in r["notes"])
    return (
        f'<a id="{name}"></a>\n\n## {r["title"]}\n\n![{r["title"]}](figures/{name}.png)\n\n'
        f"[PDF](figures/{name}.pdf), [numbers](figures/{name}.json). {r['data']}\n\n{notes}\n"
        f"{machine_line(r['machine'])}"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
