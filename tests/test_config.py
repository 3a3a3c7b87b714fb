"""The TOML of ``linvop fit``: what is not understood is refused, with what would be."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

import linvop.config.effective_fit
import linvop.config.operator_fit
import linvop.config.property_fit
from linvop.config import read_config, read_effective_config, read_operator_config, read_toml
from linvop.config.effective_fit import is_effective_fit
from linvop.config.operator_fit import is_operator_fit
from linvop.errors import InputError
from linvop.features.basis import Basis
from linvop.models.targets import Target

MINIMAL = """
[data]
train = "train.xyz"
[basis]
ao = "sto-3g"
[targets]
energy = {}
"""


@pytest.fixture
def config(tmp_path):
    """Write a configuration and read it."""

    def read(text: str):
        path = tmp_path / "config.toml"
        path.write_text(text)
        return read_config(path)

    return read


def test_minimum_has_the_defaults_of_the_classes(config, tmp_path):
    found = config(MINIMAL)
    assert found.train == str(tmp_path / "train.xyz")
    assert found.test is None
    assert found.model.basis == Basis(ao="sto-3g")
    assert [t.name for t in found.model.targets] == ["energy"]
    assert found.output == tmp_path


def test_every_parameter_of_the_basis_can_be_set(config):
    wanted = Basis(
        ao="6-31g",
        kappa=2,
        nu=1,
        resolution="species",
        metric="overlap",
        sources="species",
        screening=(None, 0.3),
        lam_max=2,
        nu_pair=(1, 1),
        pair_max_degree=(None, 5, 4),
        cutoff=6.0,
    )
    found = config(
        MINIMAL.replace(
            'ao = "sto-3g"',
            'ao = "6-31g"\nkappa = 2\nnu = 1\nresolution = "species"\nmetric = "overlap"\n'
            'sources = "species"\nscreening = ["none", 0.3]\nlam_max = 2\n'
            'nu_pair = [1, 1]\npair_max_degree = ["none", 5, 4]\ncutoff = 6',
        )
    )
    assert found.model.basis == wanted


@pytest.mark.parametrize(
    ("given", "screenings"), [('"none"', (None,)), ("0.3", (0.3,)), ("[0.3, 1]", (0.3, 1.0))]
)
def test_screening_is_a_number_none_or_a_list(config, given, screenings):
    found = config(MINIMAL.replace("[targets]", f"screening = {given}\n[targets]"))
    assert found.model.basis.screenings == screenings


def test_targets_of_ones_own(config):
    text = MINIMAL + 'gap = { rank = 0, unit = "eV" }\nbeta = { irrep = [3, 1] }\n'
    assert config(text).model.targets[1:] == (
        Target("gap", rank=0, unit="eV"),
        Target("beta", irrep=(3, 1)),
    )


def test_the_example_of_the_documentation_is_read(config):
    _, _, after = linvop.config.property_fit.__doc__.partition("::\n")
    lines = [line for line in after.splitlines() if not line or line.startswith("    ")]
    text = textwrap.dedent("\n".join(lines))
    found = config(text.replace("n_train", "# n_train"))
    assert found.keys == {"energy": "energy_Ha"}
    assert found.model.basis.metric == "lowdin"


def test_shipped_configurations_are_read():
    paths = sorted((Path(__file__).parents[1] / "fits").glob("*/config.toml"))
    assert paths
    for path in paths:
        tree = read_toml(path)
        read = read_operator_config if is_operator_fit(tree) else read_config
        if is_effective_fit(tree):
            read = read_effective_config
        assert read(path).output == path.parent


def test_the_example_of_effective_operators_is_one(tmp_path):
    _, _, after = linvop.config.effective_fit.__doc__.partition("::\n")
    (tmp_path / "c.toml").write_text(textwrap.dedent(after.partition("Paths are")[0]))
    read = read_effective_config(tmp_path / "c.toml")
    assert read.model.weights == {"orbital_energies": 1.0, "dipole": 2.0}
    assert (read.model.levels.window, read.model.levels.width) == (30.0, 10.0)


OPERATOR = """
[data]
train = "shipped:water"
n_train = 20
[basis]
ao = "sto-3g"
nu_pair = [1, 0]
pair_max_degree = ["none", 5]
[targets]
fock = { orthogonal = true }
"""


def test_the_example_of_operators_is_one(tmp_path):
    _, _, after = linvop.config.operator_fit.__doc__.partition("::\n")
    text = after.partition("Paths are")[0]
    (tmp_path / "fit.toml").write_text(textwrap.dedent(text).replace('test = "test.h5"', ""))
    found = read_operator_config(tmp_path / "fit.toml")
    assert found.model.orthogonal
    assert found.model.basis.nu_pair == (1, 1)
    assert found.n_train == 100


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("fock = {", "energy = {}\nfock = {", r"\[targets\]: expected one of fock, density alone"),
        ("fock = {", "density = {}\nfock = {", "expected one of fock, density alone"),
        ("orthogonal = true", "orthogonal = 2", "orthogonal: expected True or False"),
        ("orthogonal", "orthogonl", r"fock.orthogonl: expected one of baseline, orthogonal"),
        ("n_train = 20", "n_train = 0", "n_train: expected an integer >= 1"),
        ("[basis]", "keys = {}\n[basis]", r"\[data\] keys: expected one of train, test"),
        ("[1, 0]", "[1]", "nu_pair"),
    ],
)
def test_bad_operator_fits_are_refused(tmp_path, old, new, message):
    (tmp_path / "fit.toml").write_text(OPERATOR.replace(old, new))
    with pytest.raises(InputError, match=message) as raised:
        read_operator_config(tmp_path / "fit.toml")
    assert str(raised.value).startswith(str(tmp_path / "fit.toml"))


BAD = {
    "unknown section": ("[data]", "[date]", r"\[date\].*data, basis, targets, solver, output"),
    "unknown key": ('ao = "', 'oa = "', r"\[basis\] oa.*ao, kappa, nu"),
    "unknown data key": ("train =", "tarin =", r"\[data\] tarin.*train, test, n_train, seed"),
    "no section": ("[targets]\nenergy = {}", "", r"\[targets\] is missing"),
    "no targets": ("energy = {}", "", "targets: expected at least one"),
    "not TOML": ("[data]", "[data", "not a TOML file"),
    "section that is none": ("[data]", "solver = 3\n[data]", r"expected a section \[solver\]"),
    "unknown target": ("energy = {}", "gap = {}", "'gap'"),
    "unknown setting of a target": ("{}", '{ weight = 2, unit = "eV" }', "weight.*rank, irrep"),
    "forces without energies": ("energy = {}", "forces = {}", "forces are derivatives of"),
    "irrep that is none": ("energy = {}", "q = { irrep = 3 }", r"q.*irrep.*\[lam, sigma\]"),
    "rank that is none": ("energy = {}", 'q = { rank = "x" }', "rank 0, 1 or 2, got 'x'"),
    "kappa too large": (
        "[targets]",
        "kappa = 9\n[targets]",
        r"\[basis\] kappa: expected 1 to 6, got 9",
    ),
    "kappa of a wrong type": ("[targets]", 'kappa = "3"\n[targets]', "kappa: expected an integer"),
    "metric": ("[targets]", 'metric = "euclid"\n[targets]', "metric.*lowdin.*euclid"),
    "screening": ("[targets]", "screening = -1\n[targets]", "screening.*-1"),
    "ao of a wrong type": ('"sto-3g"', "3", "ao: expected a name.*got int"),
    "alpha": ("[targets]", '[solver]\nalpha = "best"\n[targets]', "alpha.*loo.*best"),
    "alpha of zero": ("[targets]", "[solver]\nalpha = 0\n[targets]", "alpha.*positive"),
    "column_scale": ("[targets]", "[solver]\ncolumn_scale = -1\n[targets]", "column_scale.*-1"),
    "alpha_bounds": (
        "[targets]",
        "[solver]\nalpha_bounds = [2, 1]\n[targets]",
        r"toml: \[solver\] alpha_bounds: expected",
    ),
    "rarity": ("[targets]", "[solver]\nrarity = -1\n[targets]", "rarity: expected.*-1"),
    "rarity by chunks": (
        "[targets]",
        "[solver]\nrarity = 30\nchunk = 5\n[targets]",
        "expected no covariance, no rarity",
    ),
    "kappa_cost": ("[targets]", "[solver]\nkappa_cost = -1\n[targets]", "kappa_cost.*-1"),
    "atom_energies": ("[targets]", "[solver]\natom_energies = 3\n[targets]", "atom_energies.*3"),
    "both test and n_train": ("[basis]", 'test = "a"\nn_train = 3\n[basis]', "test or n_train"),
    "n_train": ("[basis]", "n_train = 0\n[basis]", "n_train: expected an integer >= 1, got 0"),
    "seed": ("[basis]", "n_train = 3\nseed = 0.5\n[basis]", "seed: expected an integer.*0.5"),
    "state": ("[basis]", 'state = "cation"\n[basis]', "state: expected .charge, multiplicity.*cat"),
    "train of a wrong type": ('"train.xyz"', "3", "train: expected a path, got 3"),
    "keys": ("[basis]", 'keys = "energy_Ha"\n[basis]', "keys: expected a table"),
    "key of no target": ("[basis]", 'keys = { enrgy = "E" }\n[basis]', "keys.*enrgy.*energy"),
    "unknown unit": ("[basis]", 'units = { energy = "Hartee" }\n[basis]', "Hartee.*Hartree"),
    "dir of a wrong type": ("[targets]", "[output]\ndir = 3\n[targets]", "dir: expected a path"),
    "unknown shipped data": ("train.xyz", "shipped:wine", "shipped:water"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_not_understood_is_refused_by_name(config, case):
    old, new, message = BAD[case]
    assert old in MINIMAL
    with pytest.raises(InputError, match=message) as caught:
        config(MINIMAL.replace(old, new))
    assert "config.toml: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.toml: no such file"):
        read_config(tmp_path / "nowhere.toml")
