r"""A TOML file, and the names of its sections and keys."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from linvop.config.values import listed
from linvop.errors import InputError

__all__ = ["check_names", "in_section", "naming", "read_toml"]


def read_toml(path: Path) -> dict[str, Any]:
    r"""The sections of a TOML file, as they are.

    Raises
    ------
    InputError
        If there is no such file, or if it is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: not a TOML file: {error}") from error


def check_names(path: Path, tree: dict[str, Any], sections: Mapping[str, tuple[str, ...]]) -> None:
    r"""Refuse sections and keys that are unknown, and miss those that must be there.

    Raises
    ------
    InputError
        Naming the file, section and key.
    """
    for section, content in tree.items():
        if section not in sections:
            raise InputError(f"{path}: section [{section}]: expected one of {listed(sections)}")
        if not isinstance(content, dict):
            raise InputError(f"{path}: {section}: expected a section [{section}], got {content!r}")
        for key in content:
            if section != "targets" and key not in sections[section]:
                raise InputError(
                    f"{path}: [{section}] {key}: expected one of {listed(sections[section])}"
                )
    for section in ("data", "basis", "targets"):
        if section not in tree:
            raise InputError(f"{path}: section [{section}] is missing")
    for section, key in (("data", "train"), ("basis", "ao")):
        if key not in tree[section]:
            raise InputError(f"{path}: [{section}] {key} is missing")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """What goes wrong inside is said with the file's name."""
    try:
        yield
    except InputError as error:
        text = str(error)
        raise InputError(text if text.startswith(str(path)) else f"{path}: {text}") from error


@contextmanager
def in_section(section: str) -> Iterator[None]:
    """What goes wrong inside is said with the section, unless it names one."""
    try:
        yield
    except InputError as error:
        text = str(error)
        raise InputError(text if text.startswith("[") else f"[{section}] {text}") from error
