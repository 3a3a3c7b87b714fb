"""A module imports only from lines above it; `__init__.py` apart."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the ground up. What stands on one line may import from it and from the lines before.
ORDER = [
    ["errors"],
    ["conventions"],
    ["angular"],
    ["orbitals"],
    ["integrals"],
    ["basis"],
    ["kernels"],
    ["features"],
    ["regression"],
    ["io"],
    ["models"],
    ["labelling"],
    ["data"],
    ["report"],
    ["plotting"],
    ["config"],
    ["fitting"],
    ["quickstart"],
    ["bench"],
    ["cli"],
    ["__main__"],
]
RANK = {name: k for k, names in enumerate(ORDER) for name in names}
FILES = [p for p in sorted((ROOT / "linvop").rglob("*.py")) if p.name != "__init__.py"]


def imported(path: Path) -> list[str]:
    """Rooms of linvop that a module imports from, lazily or not; types apart."""
    tree = ast.parse(path.read_text())
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    rooms = []
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("linvop"):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("linvop.")]
        else:
            continue
        rooms.extend(name.split(".")[1] for name in names)
    return [room for room in rooms if room in RANK]


def test_every_room_has_its_place():
    rooms = {p.relative_to(ROOT / "linvop").parts[0].removesuffix(".py") for p in FILES}
    assert rooms == set(RANK)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_up_only(path):
    room = path.relative_to(ROOT / "linvop").parts[0].removesuffix(".py")
    for other in imported(path):
        assert RANK[other] <= RANK[room], f"{path.name} imports from linvop.{other}"
