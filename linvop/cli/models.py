r"""``linvop quickstart``, ``fit`` and ``predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from linvop.cli.session import guarded, print_json, print_tables, progress_bar, refuse_same
from linvop.conventions import PROPERTY_UNITS, UNITS
from linvop.errors import InputError

_UNITS = "\n".join(
    f"{name}: {', '.join(UNITS[PROPERTY_UNITS[name]])}"
    for name in ("energy", "forces", "dipole", "polarizability")
)

__all__ = ["FIT_HELP", "fit_command", "predict_command", "quickstart_command"]

FIT_HELP = """Fit a model as a TOML file says; write model.h5, metrics.json and plots.

Paths in the file are relative to the file. Structures of one atom among the training structures
give the energies of free atoms. Units that are known:

\b
{units}

\b
[data]
train = "train.xyz"            # or a data set (.h5), or "shipped:water"
test = "test.xyz"              # or n_train = 500 and seed = 0: a random split
state = [0, 1]                 # of several, only this charge and multiplicity
keys = { energy = "energy_Ha" }
units = { energy = "Hartree" }
[basis]
ao = "linvop-sv"
kappa = 3
metric = "lowdin"              # resolution, sources, lam_max, body_order, cutoff too
# reach = 4.0                  # Angstrom, of V, for molecules of hundreds of atoms; metric "ao"
screening = ["none", 0.3]      # bare and screened V; "none" is None
nu = 2                         # products of site features need a largest degree
max_degree = ["none", 6]
[targets]
energy = {}
forces = {}                    # with the energy, of all structures: -dE/dR in the same fit
gap = { rank = 0, unit = "eV" }
[solver]
alpha = "loo"                  # or "gcv", "evidence", a number; alpha_bounds = [low, high]
# chunk = 200                  # structures whose rows are in memory at a time (docs/distributed.md)
covariance = true              # for predict --std
column_scale = 0.5             # columns are scaled by this power of their size
# rarity = 30                  # prior: columns that fewer structures carry cost more
# prune = 1e-8                 # drop columns that depend on others in the data
kappa_cost = 2.0               # prior: what each further power of V costs
relevance = "shells"           # optional: prior variances of groups of columns from the data
force_weight = 0.1             # of forces beside energies, Angstrom^2; hardly matters; of several,
                               # [0.01, 0.1], with chunk and alpha = "evidence", the likeliest
atom_energies = { H = -13.6, O = -2041.0 }   # optional: of free atoms, eV, for all elements
[output]
dir = "."

\b
An operator is learned from a data set that has it (linvop label), alone:
[targets]
fock = {}                      # or density; baseline = "sap", orthogonal = true
[basis]
ao = "def2-svp"
nu_pair = [1, 1]               # features of atom pairs: site factors on either atom
pair_max_degree = ["none", 6, 6]

\b
Or a small-basis operator that gives a larger calculation's observables:
[targets.effective]
ao = "sto-3g"                  # its basis
quantities = ["orbital_energies", "dipole"]    # charges too
n_virtual = 1                  # window, width, weights, start, baseline, orthogonal too
""".replace("{units}", _UNITS)

Force = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="Fitted model (.h5).")]
Keys = Annotated[
    list[str], typer.Option("--key", help="PROPERTY=KEY: under which name the file has it.")
]
OnDevice = Annotated[
    str, typer.Option("--device", metavar="cpu|gpu", help="Where features are made (docs/gpu.md).")
]
Units = Annotated[list[str], typer.Option("--unit", help="PROPERTY=UNIT: the file's unit.")]


def quickstart_command(
    directory: Annotated[Path, typer.Option("--dir", help="Where to write.")] = Path(
        "linvop-quickstart"
    ),
    force: Force = False,
    json: Json = False,
) -> None:
    """Fit energies and dipoles of the shipped waters and show what resolution buys."""
    with guarded("nothing was written"):
        from linvop.quickstart import quickstart

        with progress_bar() as progress:
            metrics = quickstart(directory, force=force, progress=progress)
        if json:
            print_json(metrics)
            return
        from linvop.report import error_table

        rows = {
            f"{target}, {resolution} ({metrics['columns'][resolution][target]} columns)": errors
            for target in ("energy", "dipole")
            for resolution, by_target in metrics["test"].items()
            for name, errors in by_target.items()
            if name == target
        }
        title = (
            f"{metrics['data']}: {metrics['n_train']} structures for training, "
            f"{metrics['n_test']} for testing, {metrics['seconds']:.0f} s"
        )
        print_tables([error_table(rows, title)])
        typer.echo(
            f"wrote {directory}/model.h5, metrics.json, parity.png\n\nNext:\n"
            f"  linvop inspect {directory}/model.h5\n"
            f"  linvop predict {directory}/model.h5 YOUR_WATERS.xyz predicted.xyz\n"
            "  linvop fit CONFIG.toml          your own data; linvop fit --help shows a file\n"
            "  linvop label IN.xyz OUT.h5      labels from PySCF, if you have none"
        )


def fit_command(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML file.")],
    scheduler: Annotated[
        str | None,
        typer.Option(help="Address of a Dask scheduler whose workers make the rows (tcp://...)."),
    ] = None,
    device: OnDevice = "cpu",
    force: Force = False,
    json: Json = False,
) -> None:
    """Fit a model as a TOML file says; write model.h5, metrics.json and parity plots."""
    with guarded("nothing was written"):
        from linvop.config import read_config, read_toml
        from linvop.config.effective_fit import is_effective_fit
        from linvop.config.operator_fit import is_operator_fit
        from linvop.fitting import outputs, run_fit

        tree = read_toml(config)
        if scheduler is not None and (is_effective_fit(tree) or is_operator_fit(tree)):
            raise InputError("--scheduler: for fits of properties")
        if device != "cpu" and (is_effective_fit(tree) or is_operator_fit(tree)):
            raise InputError(f"--device {device}: fits of operators are made on the CPU only")
        if device != "cpu" and scheduler is not None:
            raise InputError(f"--device {device}: not with --scheduler, whose workers use CPUs")
        if is_effective_fit(tree):
            from linvop.cli.effective import fit_effective

            fit_effective(config, force=force, json=json)
            return
        if is_operator_fit(tree):
            from linvop.cli.operators import fit_operator

            fit_operator(config, force=force, json=json)
            return
        settings = read_config(config)
        if device != "cpu" and settings.model.with_forces:
            raise InputError(f"--device {device}: fits to forces are made on the CPU only")
        _check_device(device)
        with progress_bar() as progress:
            metrics = run_fit(
                settings, force=force, progress=progress, scheduler=scheduler, device=device
            )
        if json:
            print_json(metrics)
            return
        from linvop.report import (
            calibration_lines,
            calibration_table,
            data_lines,
            error_table,
            fit_table,
        )

        tables: list[Any] = [
            fit_table(metrics["report"], {t.name: t.unit for t in settings.model.measured})
        ]
        if metrics["leave_one_out"]:
            tables.append(error_table(metrics["leave_one_out"], "leave one structure out"))
        if "test" in metrics:
            tables.append(error_table(metrics["test"], f"test ({metrics['test_set']})"))
        if "calibration" in metrics:
            units = {t.name: t.unit for t in settings.model.measured}
            title = f"predicted standard deviations ({metrics['test_set']})"
            tables.append(calibration_table(metrics["calibration"], units, title))
            tables += calibration_lines(metrics["calibration"])
        print_tables([*tables, *data_lines(metrics)])
        if metrics["n_copies_left_out"]:
            typer.echo(f"{metrics['n_copies_left_out']} copies of structures were left out")
        typer.echo(f"wrote {settings.output}: {', '.join(outputs(settings))}")


def predict_command(
    model: Model,
    structures: Annotated[Path, typer.Argument(metavar="IN", help="Structures.")],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Extended XYZ to write; .h5 for operators.")
    ],
    std: Annotated[
        bool, typer.Option("--std", help="Also write the standard deviation, PROPERTY_std.")
    ] = False,
    no_forces: Annotated[
        bool, typer.Option("--no-forces", help="Leave the forces of the model out.")
    ] = False,
    device: OnDevice = "cpu",
    force: Force = False,
    json: Json = False,
) -> None:
    """Predict properties into extended XYZ, in ASE units, or operators into a data set (.h5)."""
    with guarded("nothing was written"):
        from linvop.io.structures import check_structure_output, read, write
        from linvop.models.loading import load
        from linvop.models.property import PropertyModel

        refuse_same(out, structures, model)
        fitted = load(model)
        if not isinstance(fitted, PropertyModel):
            from linvop.cli.operators import predict_operators
            from linvop.models.operator import OperatorModel

            if std:
                raise InputError("--std: operators have none")
            if device != "cpu":
                raise InputError(f"--device {device}: operators are predicted on the CPU only")
            operator = fitted if isinstance(fitted, OperatorModel) else fitted.operator_
            predict_operators(operator, structures, out, force=force, json=json)
            return
        check_structure_output(out, force)
        _check_device(device)
        frames = read(structures)
        with progress_bar() as progress:
            predicted = fitted.predict(
                frames,
                progress=lambda done, total: progress("structures", done, total),
                source=str(structures),
                std=std,
                device=device,
                forces=not no_forces,
            )
        write(
            out,
            [_labelled(a, p, fitted.state_[0]) for a, p in zip(frames, predicted, strict=True)],
            force=force,
        )
        if json:
            print_json(predicted)
        else:
            names = ", ".join(f"{t.name} ({t.unit or 'no unit'})" for t in fitted.measured)
            also = " and their standard deviations" if std else ""
            typer.echo(f"{out}: {len(frames)} structures with {names}{also}")


def _check_device(name: str) -> None:
    """A device that is not there is said before any work."""
    from linvop.kernels.dispatch import device

    if name != "cpu":
        device(name)


def export_command(
    model: Model,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="File to write (HDF5).")],
    force: Force = False,
    json: Json = False,
) -> None:
    """Write a model for the light runtime (linvop.deploy: NumPy and h5py only)."""
    with guarded("nothing was written"):
        from linvop.models.loading import load

        refuse_same(out, model)
        fitted = load(model)
        errors = fitted.export(out, force=force)
        if json:
            print_json(errors)
            return
        checked = ", ".join(f"{name} {error:.1e}" for name, error in errors.items())
        typer.echo(f"{out}: relative errors of its checks: {checked}")


def _labelled(atoms: Any, predicted: dict[str, Any], charge: int) -> Any:
    """A copy of the structure that carries predictions and no label of its own."""
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator

    from linvop.io.labels import unit_keys

    out = Atoms(atoms.numbers, positions=atoms.positions)
    replaced = {"dipole_origin", *predicted, *(k for name in predicted for k in unit_keys(name))}
    for name, values in atoms.arrays.items():
        # Forces of the input would stand beside an energy they do not belong to.
        if name not in ("numbers", "positions", "forces", *replaced):
            out.set_array(name, values)
    out.info.update({k: v for k, v in atoms.info.items() if k not in replaced})
    known = {k: v for k, v in predicted.items() if k in ("energy", "forces", "dipole")}
    if "forces_std" in predicted:
        out.set_array("forces_std", predicted["forces_std"])
    out.calc = SinglePointCalculator(out, **known)
    per_atom = (*known, "forces_std")
    out.info.update({k: v for k, v in predicted.items() if k not in per_atom})
    if "dipole" in known and charge:
        from linvop.io.dipoles import NUCLEAR_CHARGE

        out.info["dipole_origin"] = NUCLEAR_CHARGE
    return out
