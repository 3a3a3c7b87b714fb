"""A module imports only from lines above it; `__init__.py` apart."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import linvop

ROOT = Path(__file__).parents[1]

# From the ground up. What stands on one line may import from it and from the lines before.
ORDER = [
    ["errors"],
    ["deploy"],
    ["deploy_pyscf"],
    ["conventions"],
    ["angular"],
    ["compiled"],
    ["orbitals"],
    ["integrals"],
    ["basis"],
    ["kernels"],
    ["features"],
    ["regression"],
    ["distributed"],
    ["io"],
    ["observables"],
    ["models"],
    ["sampling"],
    ["labelling"],
    ["scf"],
    ["calculator"],
    ["data"],
    ["report"],
    ["plotting"],
    ["testing"],
    ["config"],
    ["fit_data"],
    ["fitting"],
    ["matrix_data"],
    ["operator_fitting"],
    ["effective_fitting"],
    ["locality"],
    ["quickstart"],
    ["scan"],
    ["bench"],
    ["cli"],
    ["__main__"],
]
RANK = {name: k for k, names in enumerate(ORDER) for name in names}
FILES = [p for p in sorted((ROOT / "linvop").rglob("*.py")) if p.name != "__init__.py"]


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def imported(source: str) -> set[str]:
    """Modules of linvop that a source text imports from, lazily or not; types apart.

    A public name is its home: ``from linvop import Basis`` is an import from linvop.features.
    """
    tree = ast.parse(source)
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            if package == "linvop" and rest:
                found.add(linvop._HOMES.get(rest, name))
    return found


def room_of(name: str) -> str:
    return name.split(".")[1]


def test_every_room_has_its_place():
    rooms = {room_of(module_name(p)) for p in FILES}
    assert rooms == set(RANK)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_up_only(path):
    room = room_of(module_name(path))
    for name in imported(path.read_text()):
        # What is no room is a constant of the package, such as its version.
        rank = RANK.get(room_of(name), 0)
        assert rank <= RANK[room], f"{path.name} imports from {name}"


STUDIES = sorted((ROOT / "paper_reproduction").glob("*.py"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda p: p.name)
def test_studies_stand_on_the_package_and_nothing_of_it_on_them(path):
    allowed = {"linvop.cli.app"} if path.name == "running.py" else set()
    assert not {n for n in imported(path.read_text()) if room_of(n) == "cli"} - allowed


def test_only_the_command_knows_of_the_studies():
    knows = {p.name for p in FILES if "paper_reproduction" in p.read_text()}
    assert knows == {"reproducing.py"}


def test_no_circles_between_modules():
    modules = {module_name(p): imported(p.read_text()) for p in FILES}
    # ``model.save`` hands the model to the module that also makes models of files.
    modules["linvop.models.property"].discard("linvop.models.storage.save_property_model")
    for kind in ("property", "operator"):
        modules[f"linvop.models.{kind}"].discard("linvop.models.export.export_model")
    modules["linvop.models.operator"].discard("linvop.models.operator_storage.save_operator_model")
    modules["linvop.models.effective"].discard(
        "linvop.models.effective_storage.save_effective_model"
    )
    graph = {
        name: {x for x in (*names, *(n.rpartition(".")[0] for n in names)) if x in modules}
        for name, names in modules.items()
    }
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize(
    "source",
    [
        "from linvop.cli.app import app",
        "import linvop.cli.app",
        "from linvop import cli",
        "def f():\n    from linvop.cli import app",
        "if True:\n    import linvop.cli",
    ],
)
def test_every_way_to_import_is_seen(source):
    assert {room_of(name) for name in imported(source)} == {"cli"}


def test_public_names_are_their_homes_and_types_are_free():
    assert imported("from linvop import Basis, __version__") == {
        "linvop.features.basis",
        "linvop.__version__",
    }
    assert not imported("if TYPE_CHECKING:\n    from linvop.cli.app import app")


@pytest.mark.parametrize(
    "folder",
    [p for p in sorted((ROOT / "linvop").iterdir()) if (p / "__init__.py").exists()],
    ids=lambda p: p.name,
)
def test_every_folder_says_what_is_in_it(folder):
    text = (folder / "README.md").read_text()
    lacking = [
        p.name
        for p in folder.glob("*.py")
        if p.name not in ("__init__.py", "__main__.py") and f"`{p.name}`" not in text
    ]
    assert not lacking
