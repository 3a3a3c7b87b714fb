from __future__ import annotations

from dataclasses import fields
from itertools import product

import pytest

from linvop import Basis
from linvop.errors import InputError
from linvop.scan.settings import _word, read_scan
from tests.scan.conftest import CONFIG


def changed(tmp_path, old: str, new: str):
    assert old in CONFIG
    path = tmp_path / "scan.toml"
    path.write_text(CONFIG.replace(old, new))
    return path


def test_settings_are_the_product_of_the_lists(tmp_path):
    lists = {
        "ao": ["sto-3g", "6-31g", "et-2s1p"],
        "kappa": [1, 2, 3],
        "metric": ["ao", "lowdin"],
        "screening": ["none", 0.3, ["none", 0.3]],
    }
    text = "\n".join(f"{k} = {v!r}" for k, v in lists.items())
    path = changed(tmp_path, 'ao = ["sto-3g", "et-2s1p"]\nkappa = [1, 2]', text)
    path.write_text(path.read_text().replace('metric = "lowdin"', "lam_max = 2"))
    scan = read_scan(path)
    found = [s.fit.model.basis for s in scan.settings]
    expected = [
        Basis(ao=ao, kappa=k, metric=m, screening=z, lam_max=2)
        for ao, k, m, z in product(
            lists["ao"], lists["kappa"], lists["metric"], [None, 0.3, (None, 0.3)]
        )
    ]
    assert found == expected
    assert len(set(found)) == len(expected)
    labels = [s.label for s in scan.settings]
    assert len(set(labels)) == len(labels)
    assert labels[-1] == "et-2s1p, kappa 3, lowdin, bare V + zeta 0.3"


def test_degrees_are_said_by_nu():
    assert _word("max_degree", ["none", 6]) == "nu 2 to 6"
    assert _word("max_degree", [4, 6, 5]) == "nu 1 to 4, 2 to 6, 3 to 5"
    assert _word("pair_max_degree", ["none", 7, 6]) == "site factors 1 to 7, 2 to 6"
    assert _word("max_degree", 7) == "max_degree 7"


def test_what_differs_is_in_the_label_and_nothing_else(tmp_path):
    scan = read_scan(changed(tmp_path, "kappa = [1, 2]", "kappa = [2]"))
    assert [s.label for s in scan.settings] == ["sto-3g", "et-2s1p"]
    assert scan.settings[0].values == {"ao": "sto-3g", "kappa": 2}


@pytest.mark.parametrize("name", [f.name for f in fields(Basis)])
def test_every_parameter_of_a_basis_can_be_scanned(tmp_path, name):
    values = {"ao": '["sto-3g"]', "resolution": '["shell"]', "metric": '["ao"]'}
    values |= {"sources": '["total"]', "screening": "[0.3]"}
    text = CONFIG.replace('ao = ["sto-3g", "et-2s1p"]\nkappa = [1, 2]', "")
    text = text.replace('metric = "lowdin"', "" if name == "ao" else 'ao = "sto-3g"')
    default = next(f.default for f in fields(Basis) if f.name == name)
    value = values.get(name, f"[{default!r}]" if isinstance(default, int) else None)
    if value is None:
        pytest.skip(f"{name} has no default that TOML can say")
    path = tmp_path / "scan.toml"
    path.write_text(text.replace("[scan]", f"[scan]\n{name} = {value}"))
    assert list(read_scan(path).lists) == [name]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[scan]", "[scans]", r"section \[scan\] is missing"),
        ("kappa = [1, 2]", "kapa = [1, 2]", r"\[scan\] kapa: expected one of ao, kappa"),
        ("kappa = [1, 2]", "kappa = 2", r"\[scan\] kappa: expected a list of values, got 2"),
        ("kappa = [1, 2]", "kappa = []", r"\[scan\] kappa: expected a list of values, got \[\]"),
        ("kappa = [1, 2]", "kappa = [1, 1]", r"\[scan\] kappa: expected distinct values, got 1 tw"),
        ("kappa = [1, 2]", "kappa = [1, 9]", r"\[scan\] kappa: expected 1 to 6, got 9"),
        ("kappa = [1, 2]", 'metric = ["ao"]', r"\[scan\] metric: expected it here or in \[basis\]"),
        ('metric = "lowdin"', 'metric = "x"', r"\[basis\] metric: expected one of ao, .*got 'x'"),
        ("n_timed = 3", "n_timed = 0", r"\[scan\] n_timed: expected an integer >= 1, got 0"),
        ("n_timed = 3", "max_columns = 1.5", r"\[scan\] max_columns: expected an integer >= 1"),
        ("n_timed = 3", "folds = 1", r"\[scan\] folds: expected \"loo\" or an integer >= 2, got 1"),
        ("n_timed = 3", 'folds = "gcv"', r"\[scan\] folds: expected \"loo\" or"),
        ("energy = {}", "enrgy = {}", r"target 'enrgy'"),
        ('ao = ["sto-3g", "et-2s1p"]\nkappa = [1, 2]', "", r"\[scan\]: expected a list for at lea"),
    ],
)
def test_bad_files_are_refused_with_section_and_key(tmp_path, old, new, message):
    path = changed(tmp_path, old, new)
    with pytest.raises(InputError, match=message) as caught:
        read_scan(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
