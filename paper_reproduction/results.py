r"""Results of studies as their JSON files have them, read and checked."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from linvop.errors import InputError
from paper_reproduction import STUDIES
from paper_reproduction.study import Claim

__all__ = ["FIGURES", "load_results"]

FIGURES = "figures"
"""Folder of pictures and numbers, in that of the table."""


def load_results(out: Path, replaced: Collection[str] = ()) -> dict[str, dict[str, Any]]:
    r"""Results in a folder by name, in the table's order.

    Those that are `replaced` in this run may be damaged, and are left out then.

    Raises
    ------
    InputError
        For a file that is no result.
    """
    found = {}
    for name in STUDIES:
        path = out / FIGURES / f"{name}.json"
        if not path.is_file():
            continue
        try:
            result = json.loads(path.read_text())
            fault = _fault(result, name)
        except ValueError as error:
            fault = f"not JSON: {error}"
        if not fault:
            found[name] = result
        elif name not in replaced:
            raise InputError(
                f"{path}: expected a result of linvop reproduce; {fault}; linvop reproduce {name} "
                "--force replaces it"
            )
    return found


_KINDS: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "title": (str,),
    "quick": (bool,),
    "data": (str,),
    "numbers": (dict,),
    "claims": (list,),
    "notes": (list,),
    "seconds": (int, float),
    "machine": (dict,),
}


def _fault(result: Any, name: str) -> str | None:
    """What is wrong with a result as JSON has it."""
    if not isinstance(result, dict):
        return f"got {type(result).__name__}"
    for key, kinds in _KINDS.items():
        if not isinstance(result.get(key), kinds):
            return f"{key}: expected {kinds[0].__name__}, got {result.get(key)!r:.40}"
    if result["name"] != name:
        return f"name: expected {name}, got {result['name']}"
    for claim in result["claims"]:
        try:
            Claim(**claim)
        except (TypeError, InputError) as error:
            return f"claims: {error}"
    return None
