r"""Run studies: from a name to its JSON, PNG and PDF, and the table of all that is there."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Sequence
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from linvop.bench.machine import describe_machine
from linvop.errors import InputError
from linvop.fitting import all_or_none, check_outputs
from linvop.io.atomic import atomic_text
from linvop.io.hdf5 import json_safe
from paper_reproduction import STUDIES
from paper_reproduction.external import check_folder
from paper_reproduction.labels import check_cache_folder
from paper_reproduction.readme import FIRST_LINE, readme
from paper_reproduction.results import FIGURES, load_results
from paper_reproduction.study import Measured, Setting
from paper_reproduction.style import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["main", "output_files", "redraw", "reproduce"]


def output_files(name: str) -> list[str]:
    """What a study leaves in the folder of figures."""
    return [f"{name}.{ending}" for ending in ("json", "png", "pdf")]


def checked_names(names: Sequence[str]) -> tuple[str, ...]:
    r"""The studies of these names, in the table's order; all where there are none.

    Raises
    ------
    InputError
        For an unknown name.
    """
    unknown = [n for n in names if n not in STUDIES]
    if unknown:
        raise InputError(
            f"reproduce: expected some of {', '.join(STUDIES)}, got {', '.join(unknown)}"
        )
    return tuple(n for n in STUDIES if n in names or not names)


def reproduce(
    names: Sequence[str],
    setting: Setting,
    out: Path,
    *,
    force: bool = False,
    resume: bool = False,
    done: Callable[[dict[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    r"""Run studies, each written as soon as it is done, and the table after each.

    Parameters
    ----------
    names : sequence of str
        Of `STUDIES`; empty for all.
    setting : Setting
    out : Path
        Folder: ``README.md`` and, in ``figures``, NAME.json, NAME.png and NAME.pdf.
    force : bool
        Replace files that exist.
    resume : bool
        Leave out studies that have all their files in `out`, of a run of the same size.
    done : callable, optional
        Handed each result as it is written.

    Returns
    -------
    list of dict
        What the JSON files hold.

    Raises
    ------
    InputError
        Before any work, for unknown names, files that exist and data that is wrong.
    """
    chosen = checked_names(names)
    if resume:
        chosen = tuple(n for n in chosen if not _is_done(out, n, setting.quick, force))
        force = True  # of the others there are parts of a run that was broken off
    try:
        check_outputs(out / FIGURES, [f for n in chosen for f in output_files(n)], force)
    except InputError as error:
        raise InputError(
            f"{error}; --resume leaves out what is there, --out names another folder"
        ) from error
    load_results(out, chosen)  # what is there goes into the table: before hours of work
    _check_table(out / "README.md", force and not resume)
    _check_data(setting)
    check_cache_folder()
    results = []
    for name in chosen:
        module = import_module(f"paper_reproduction.{name}")
        setting.say(f"{name}: {module.TITLE}")
        start = perf_counter()
        measured: Measured = module.run(setting)
        result = json_safe(
            {
                "name": name,
                "title": module.TITLE,
                "quick": setting.quick,
                **measured.as_dict(),
                "seconds": perf_counter() - start,
                "machine": describe_machine("featomic"),
            }
        )
        _write(out, name, result, force, chosen)
        results.append(result)
        if done is not None:
            done(result)
    return results


def _is_done(out: Path, name: str, quick: bool, force: bool) -> bool:
    """Whether all files are there; what is there of another size is not replaced unasked."""
    path = out / FIGURES / f"{name}.json"
    if path.is_file() and not force:
        other = load_results(out)[name]["quick"]
        if other is not quick:
            kinds = {True: "a --quick run", False: "a full run"}
            raise InputError(
                f"{path}: expected results of {kinds[quick]} to resume, got those of "
                f"{kinds[other]}; --out names another folder, --force replaces them"
            )
    return all((out / FIGURES / file).is_file() for file in output_files(name)) and not force


def _check_table(path: Path, force: bool) -> None:
    """A README.md that is no table of results, such as a project's own, is not replaced."""
    if path.is_file() and not force and not path.read_text(errors="replace").startswith(FIRST_LINE):
        raise InputError(f"{path}: expected a table of linvop reproduce, got another file")


def _check_data(setting: Setting) -> None:
    """Refuse a set that is wrong, and say which are sampled for want of the user's."""
    if setting.data is None:
        return
    if not setting.data.is_dir():
        raise InputError(f"--data {setting.data}: expected a folder (linvop data explains)")
    for one in check_folder(setting.data):
        if one.state == "wrong":
            raise InputError(one.note)
        if one.state == "absent":
            setting.say(f"{one.name}: sampled here, as {setting.data} has none ({one.note})")


def redraw(names: Sequence[str], out: Path) -> list[str]:
    r"""Draw the pictures again from the JSON files that are there, and the table.

    Raises
    ------
    InputError
        Where a study that was named has no JSON, or there is none at all.
    """
    results = load_results(out)
    chosen = [n for n in checked_names(names) if n in results or names]
    if not chosen:
        raise InputError(f"{out / FIGURES}: expected results of linvop reproduce, found none")
    for name in chosen:
        if name not in results:
            raise InputError(f"{out / FIGURES / name}.json: no such file; run the study first")
        try:
            _write(out, name, results[name], force=True)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            path = out / FIGURES / f"{name}.json"
            raise InputError(f"{path}: its numbers cannot be drawn: {error!r}") from error
    return chosen


def _write(
    out: Path,
    name: str,
    result: dict[str, Any],
    force: bool,
    replaced: Collection[str] = (),
) -> None:
    """Numbers first: a picture that fails can be drawn again, what hours have measured is kept."""
    numbers, *pictures = output_files(name)
    with all_or_none(out / FIGURES, [numbers], force) as folder:
        atomic_text(folder / numbers, json.dumps(result, indent=1) + "\n")
    for file in pictures:  # of other numbers: not to be taken for those of these
        (out / FIGURES / file).unlink(missing_ok=True)
    with all_or_none(out / FIGURES, pictures, force) as folder, style():
        figure: Figure = import_module(f"paper_reproduction.{name}").draw(result["numbers"])
        for file in pictures:
            # No date: a picture drawn again of the same numbers is the same file.
            no_date = {"CreationDate": None} if file.endswith("pdf") else {"Software": None}
            figure.savefig(folder / file, metadata=no_date)
    atomic_text(out / "README.md", readme(load_results(out, replaced)), force=True)


def main(name: str) -> None:
    """``python -m paper_reproduction.NAME``: what ``linvop reproduce NAME`` does."""
    from linvop.cli import app

    app(["reproduce", name, *sys.argv[1:]])
