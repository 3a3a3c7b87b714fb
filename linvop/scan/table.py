r"""The table of a scan: a line for each setting and target, best setting first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from linvop.report import number, readable_unit

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["left_out_lines", "scan_lines", "scan_table"]

_LEFT = ("setting", "target", "unit", "front")


def scan_lines(result: Mapping[str, Any]) -> list[dict[str, str]]:
    r"""The cells of the table, by heading.

    Parameters
    ----------
    result : mapping
        Of `linvop.scan.runner.run_scan`.

    Returns
    -------
    list of {heading: text}
        ``dof`` and ``alpha`` of the irreps of a target are separated by semicolons; ``front``
        says whether the setting is on the Pareto front of RMSE against time.
    """
    lines = []
    for row in result["settings"]:
        for k, (name, found) in enumerate(row["targets"].items()):
            factor, unit = readable_unit(found["unit"])
            first = k == 0  # what belongs to the setting stands in its first line only
            lines.append(
                {
                    "rank": str(row["rank"]) if first else "",
                    "setting": row["label"] if first else "",
                    "columns": str(row["columns"]) if first else "",
                    "ms": number(1e3 * row["seconds_per_structure"]) if first else "",
                    "fit, s": f"{row['seconds_fit']:.2f}" if first else "",
                    "target": name,
                    "RMSE": number(factor * found["rmse"]),
                    "MAE": number(factor * found["mae"]),
                    "unit": unit,
                    "dof": _parts(found, "effective_dof", ".0f"),
                    "alpha": _parts(found, "alpha", ".1e"),
                    "front": "*" if found["front"]["seconds_per_structure"] else "",
                }
            )
    return lines


def scan_table(result: Mapping[str, Any]) -> Table:
    """The same for a terminal."""
    from rich.table import Table

    lines = scan_lines(result)
    table = Table(title=_title(result), title_justify="left")
    for heading in lines[0]:
        left = heading in _LEFT
        table.add_column(heading, justify="left" if left else "right", overflow="fold")
    for line in lines:
        table.add_row(*line.values())
    return table


def left_out_lines(result: Mapping[str, Any]) -> list[str]:
    """Settings that were not fitted, and why."""
    return [
        f"left out: {row['label']}: {' '.join(row['reason'].split())}" for row in result["left_out"]
    ]


def _title(result: Mapping[str, Any]) -> str:
    return (
        f"{result['train']}, {result['n_train']} structures, {result['validation']}; "
        "ms per structure on one thread; * error-time front"
    )


def _parts(found: Mapping[str, Any], key: str, spec: str) -> str:
    return "; ".join(format(part[key], spec) for part in found["parts"].values())
