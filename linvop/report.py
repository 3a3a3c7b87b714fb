r"""Tables for people: errors and fits, in units one can read (me is a thousandth of e)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from rich.table import Table

__all__ = [
    "calibration_lines",
    "calibration_table",
    "data_lines",
    "error_table",
    "fit_table",
    "number",
    "observable_error_table",
    "operator_error_table",
    "readable_unit",
    "truncation_tables",
    "unexplained",
]

_READABLE = {
    "eV": (1e3, "meV"),
    "e*Angstrom": (1e3, "me*Angstrom"),
    "e^2*Angstrom^2/eV": (1e3, "1e-3 e^2*Angstrom^2/eV"),
}


def readable_unit(unit: str) -> tuple[float, str]:
    r"""Factor and name of the unit in which errors are shown.

    Examples
    --------
    >>> readable_unit("eV")
    (1000.0, 'meV')
    """
    return _READABLE.get(unit, (1.0, unit))


def number(value: float) -> str:
    r"""Four significant digits; counts as they are.

    Examples
    --------
    >>> number(0.0123456), number(1234.9), number(21022)
    ('0.01235', '1235', '21022')
    """
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def unexplained(r2: float | None) -> str:
    r"""``1 - R2``, or a dash where the data have no spread.

    Examples
    --------
    >>> unexplained(0.75), unexplained(None)
    ('2.5e-01', '-')
    """
    return "-" if r2 is None else f"{1 - r2:.1e}"


def data_lines(result: Mapping[str, Any]) -> list[str]:
    r"""What a fit or a scan made of its structures: copies and free atoms.

    Parameters
    ----------
    result : mapping
        Of `linvop.fitting.run_fit` or `linvop.scan.runner.run_scan`.

    Examples
    --------
    >>> data_lines({"n_train": 100, "n_distinct": 9, "free_atoms": []})
    ['100 structures, 9 distinct: copies are left out together']
    """
    out = []
    if result["n_distinct"] < result["n_train"]:
        out.append(
            f"{result['n_train']} structures, {result['n_distinct']} distinct: "
            "copies are left out together"
        )
    if result["free_atoms"]:
        symbols = ", ".join(dict.fromkeys(result["free_atoms"]))
        out.append(
            f"free atoms {symbols} of the training file give the constants of their species and "
            "are not fitted to"
        )
    return out


def error_table(errors: Mapping[str, Mapping[str, Any]], title: str) -> Table:
    r"""Errors of each target; a row ``name`` may be a target or say more than that."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column("target")
    for name in ("n", "MAE", "RMSE", "largest", "spread", "1 - R2"):
        table.add_column(name, justify="right")
    table.add_column("unit")
    for name, e in errors.items():
        factor, unit = readable_unit(e["unit"])
        table.add_row(
            name,
            str(e["n"]),
            *(number(factor * e[key]) for key in ("mae", "rmse", "max", "std")),
            unexplained(e["r2"]),
            unit,
        )
    return table


def calibration_table(
    found: Mapping[str, Mapping[str, Any]], units: Mapping[str, str], title: str
) -> Table:
    r"""Whether predicted standard deviations are right (`linvop.models.metrics.calibration`)."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column("target")
    headings = ("n", "predicted std", "mean z^2 (1)", "within 1 std (68.3%)", "1.96 std (95%)")
    for name in headings:
        table.add_column(name, justify="right")
    table.add_column("unit")
    for name, c in found.items():
        factor, unit = readable_unit(units[name])
        coverage = (f"{c[key]:.1%}" for key in ("coverage_68", "coverage_95"))
        std, z2 = number(factor * c["mean_std"]), number(c["mean_z2"])
        table.add_row(name, str(c["n"]), std, z2, *coverage, unit)
    return table


def calibration_lines(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    r"""How many structures the table of `calibration_table` leaves out.

    Examples
    --------
    >>> calibration_lines({"energy": {"n": 5, "n_left_out": 1}, "gap": {"n": 6, "n_left_out": 0}})
    ['energy: 1 of 6 structures without a finite standard deviation: left out of the calibration']
    """
    return [
        f"{name}: {c['n_left_out']} of {c['n'] + c['n_left_out']} structures without a finite "
        "standard deviation: left out of the calibration"
        for name, c in found.items()
        if c["n_left_out"]
    ]


def fit_table(report: Mapping[str, Any], units: Mapping[str, str]) -> Table:
    r"""What the solver found for each part of each target.

    Parameters
    ----------
    report : mapping
        Of `PropertyModel.report`.
    units : mapping
        Unit of each target.
    """
    from rich.table import Table

    table = Table(title=f"fit to {report['n_train']} structures", title_justify="left")
    table.add_column("target")
    table.add_column("irrep")
    columns: Sequence[tuple[str, str]] = (
        ("columns", "n_columns"),
        ("dof", "effective_dof"),
        ("alpha / s_max^2", "alpha_over_largest_s2"),
        ("condition", "regularised_condition_number"),
    )
    for heading in (*(heading for heading, _ in columns), "leave-one-out RMSE"):
        table.add_column(heading, justify="right")
    table.add_column("unit")
    for name, parts in report["parts"].items():
        factor, unit = readable_unit(units[name])
        for irrep, part in parts.items():
            shown = {key: number(part[key]) for _, key in columns}
            for bound in ("lower", "upper"):
                if part[f"at_{bound}_bound"]:
                    shown["alpha_over_largest_s2"] += f" ({bound} bound)"
            left_out = part["loo_rmse"]
            rmse = number(factor * left_out) if np.isfinite(left_out) else "not made"
            table.add_row(name, irrep, *shown.values(), rmse, unit)
    return table


def operator_error_table(errors: Mapping[str, Mapping[str, Any]], title: str, unit: str) -> Table:
    r"""Errors of matrix elements: all, on site (``O``) and between atoms (``H-O``)."""
    from rich.table import Table

    factor, name = (1e6, f"1e-6 {unit}") if unit else (1e6, "1e-6")
    table = Table(title=f"{title}, {name}", title_justify="left")
    table.add_column("elements")
    for heading in ("MAE", "RMSE", "largest", "rms of labels", "number"):
        table.add_column(heading, justify="right")
    for kind, e in errors.items():
        values = (factor * e[key] for key in ("mae", "rmse", "max", "rms"))
        # What a cutoff drops: its share tells whether a larger one is worth its cost.
        share = f" ({e['share']:.1%} of all squared errors)" if "share" in e else ""
        table.add_row(f"{kind}{share}", *map(number, values), number(e["n"]))
    return table


def observable_error_table(
    errors: Mapping[str, Mapping[str, Any]], title: str = "what follows from the matrices"
) -> Table:
    r"""Errors of what follows from predicted operators."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column("quantity")
    for heading in ("MAE", "RMSE", "largest", "unit", "number"):
        table.add_column(heading, justify="right")
    for name, e in errors.items():
        if "mae" not in e:
            table.add_row(name, "-", "-", "-", "", str(e["n"]))
            continue
        factor, unit = (1e3, "me") if e["unit"] == "e" else readable_unit(e["unit"])
        values = (number(factor * e[key]) for key in ("mae", "rmse", "max"))
        table.add_row(name, *values, unit, str(e["n"]))
    return table


def truncation_tables(result: Mapping[str, Any]) -> list[Table | str]:
    r"""What dropping blocks of F and P beyond a cutoff costs, a table for each property.

    Parameters
    ----------
    result : mapping
        Of `linvop.locality.runner.run_locality`.
    """
    n = result["n_structures"]
    about = f"{result['data']}, {n} structure{'s' * (n != 1)}, {result['ao']}"
    if not result["truncation"]:
        return [f"{about}: no Fock or density matrices, block norms of V only"]
    found: list[Table | str] = []
    for orbitals in dict.fromkeys(row["orbitals"] for row in result["truncation"]):
        rows = [row for row in result["truncation"] if row["orbitals"] == orbitals]
        between = "atomic orbitals" if orbitals == "ao" else "Lowdin orbitals"
        title = (
            f"{about}: mean absolute change of properties when blocks between {between} of atoms "
            "further apart than a cutoff (Angstrom) are dropped"
        )
        found.append(_truncation_table(rows, result["cutoffs"], title))
        failed = {(r["matrix"], r["cutoff"]): r["n_failed"] for r in rows if r["n_failed"]}
        found += [
            f"{matrix} within {cutoff:g} Angstrom: {n} structures have no gap and are left out"
            for (matrix, cutoff), n in failed.items()
        ]
    return found


def _truncation_table(
    rows: Sequence[Mapping[str, Any]], cutoffs: Sequence[float], title: str
) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column("", no_wrap=True)
    for cutoff in cutoffs:
        table.add_column(f"{cutoff:g}", justify="right", no_wrap=True)
    lines: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for row in rows:
        lines.setdefault(row["quantity"], {}).setdefault(row["matrix"], []).append(row)
    for quantity, by_matrix in lines.items():
        unit = next(iter(by_matrix.values()))[0]["unit"]
        factor, name = (1e3, "me") if unit == "e" else readable_unit(unit)
        table.add_row(f"{quantity} ({name or 'relative'})")
        for matrix, own in by_matrix.items():
            values = ("-" if r["mae"] is None else _short(factor * r["mae"]) for r in own)
            table.add_row(f"  {matrix}", *values)
        table.add_section()
    return table


def _short(value: float) -> str:
    """In six characters, for wide tables; what is rounding is 0."""
    if value >= 1000:
        return f"{value:.0f}"
    return f"{value:.3g}" if value >= 1e-2 or not value else f"{value:.0e}"
