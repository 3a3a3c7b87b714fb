r"""Make the shipped water data: ``python -m linvop.data.make_water [OUT]``.

The command samples the geometries (`linvop.sampling`) and labels them as
``linvop label`` does. OUT is the shipped file unless another name is given.
"""

from __future__ import annotations

import sys
from pathlib import Path

from linvop.data import water
from linvop.errors import InputError
from linvop.labelling import LabelReport, label
from linvop.sampling import sample_water

__all__ = ["N_MATRICES", "N_WATERS", "SEED", "main", "make"]

N_WATERS = 300
N_MATRICES = 120
SEED = 2026


def make(out: str | Path, *, workers: int | None = None, force: bool = False) -> LabelReport:
    r"""Sample and label the waters, PBE/def2-SVP; errors and resuming as `labelling.label`."""

    def progress(done: int, total: int) -> None:
        sys.stderr.write(f"\r{done} of {total} waters")
        sys.stderr.flush()

    return label(
        sample_water(N_WATERS, SEED),
        out,
        method="rks",
        xc="pbe",
        ao="def2-svp",
        n_matrices=N_MATRICES,
        workers=workers,
        force=force,
        progress=progress,
    )


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 on success, 2 on bad input."""
    import argparse

    parser = argparse.ArgumentParser(
        prog="python -m linvop.data.make_water",
        description="Sample 300 water monomers and label them with PBE/def2-SVP.",
    )
    parser.add_argument("out", nargs="?", default=water(), help="default: the shipped file")
    parser.add_argument("--workers", type=int, help="processes; default: one for each core")
    parser.add_argument("--force", action="store_true", help="replace an existing file")
    options = parser.parse_args(argv)
    try:
        report = make(options.out, workers=options.workers, force=options.force)
    except (InputError, KeyboardInterrupt) as error:
        sys.stderr.write(f"\n{error}\n")
        return 2 if isinstance(error, InputError) else 130
    sys.stderr.write(
        f"\n{report.path}: {report.n_labelled} labelled, {len(report.failed)} left out, "
        f"{report.seconds:.0f} s\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
