"""Plots say what they show: units, numbers of structures, errors; and are whole or absent."""

from __future__ import annotations

from io import StringIO

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from linvop.errors import InputError
from linvop.models.metrics import errors
from linvop.plotting import Errors, Parity, Reliability, parity_figure
from linvop.report import error_table, number, readable_unit


def panel(kind=Parity, shape=(), n=(30, 12), scale=1e-3, offset=0.0):
    rng = np.random.default_rng(0)
    series = {}
    for name, size in zip(("leave one out", "test"), n, strict=False):
        true = offset + rng.normal(size=(size, *shape))
        series[name] = (true, true + scale * rng.normal(size=true.shape))
    unit = "e*Angstrom" if shape else "eV"
    return kind("a title", unit, series)


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Draw one panel; its axes."""
    figures: list[Figure] = []
    savefig = Figure.savefig

    def keep(self, *arguments, **settings):
        figures.append(self)
        savefig(self, *arguments, **settings)

    monkeypatch.setattr(Figure, "savefig", keep)

    def draw(*panels):
        parity_figure(tmp_path / "a.png", [list(panels)])
        assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG\r\n")
        return figures[-1].axes

    return draw


def words(ax) -> str:
    return "\n".join(t.get_text() for t in ax.texts)


def test_parity_states_units_numbers_and_errors(drawn):
    shown = panel()
    (ax,) = drawn(shown)
    assert "(eV)" in ax.get_xlabel()
    assert "(eV)" in ax.get_ylabel()
    for name, (true, predicted) in shown.series.items():
        e = errors(true, predicted, "eV")
        for text in (name, f"n = {len(true)}", f"MAE {number(1e3 * e['mae'])}",
                     f"RMSE {number(1e3 * e['rmse'])}", "meV"):  # fmt: skip
            assert text in words(ax)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["leave one out", "test"]


def test_parity_has_equal_axes_the_identity_and_every_point(drawn):
    shown = panel(shape=(3,))
    (ax,) = drawn(shown)
    assert ax.get_xlim() == ax.get_ylim()
    assert ax.get_aspect() == 1.0
    (identity,) = ax.lines
    np.testing.assert_array_equal(*identity.get_data())
    for points, (true, predicted) in zip(ax.collections, shown.series.values(), strict=True):
        np.testing.assert_allclose(
            points.get_offsets(), np.stack([true.ravel(), predicted.ravel()], axis=1)
        )
        assert np.all(points.get_offsets() >= ax.get_xlim()[0])
        assert np.all(points.get_offsets() <= ax.get_xlim()[1])


def test_total_energies_are_shown_about_their_mean(drawn):
    (ax,) = drawn(panel(offset=-2000.0))
    assert "mean" in ax.get_xlabel()
    assert np.abs(ax.get_xlim()).max() < 10


def test_error_panel_counts_structures(drawn):
    shown = panel(Errors, shape=(3,))
    (ax,) = drawn(shown)
    for line, (true, predicted) in zip(ax.lines, shown.series.values(), strict=False):
        x, y = line.get_data()
        norm = 1e3 * np.linalg.norm(predicted - true, axis=1)
        assert x[-1] == pytest.approx(norm.max())
        assert (len(x), y[-1]) == (len(norm), 1.0)
        assert np.all(np.diff(x) >= 0)
    assert readable_unit("e*Angstrom")[1] in ax.get_xlabel()


def test_series_are_told_apart_by_lightness_too(drawn):
    (ax,) = drawn(panel())
    grey = [to_rgb(c.get_facecolor()[0]) @ np.array([0.3, 0.59, 0.11]) for c in ax.collections]
    assert abs(grey[0] - grey[1]) > 0.1


@pytest.mark.parametrize("kind", [Parity, Errors])
@pytest.mark.parametrize("case", ["missing predictions", "one structure", "exact"])
def test_odd_data_are_drawn(drawn, kind, case):
    n = (1, 1) if case == "one structure" else (30, 12)
    shown = panel(kind, n=n, scale=0.0 if case == "exact" else 1e-3)
    if case == "missing predictions":
        shown.series["leave one out"][1][3] = np.nan
    (ax,) = drawn(shown)
    if case == "missing predictions" and kind is Parity:
        assert "n = 29" in words(ax)


def test_an_existing_picture_needs_force(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("mine")
    with pytest.raises(InputError, match=r"a\.png exists"):
        parity_figure(path, [[panel()]])
    assert path.read_text() == "mine"
    parity_figure(path, [[panel(), panel(shape=(3,))], [panel(Errors)]], force=True)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_error_table_has_a_row_for_each_target_in_readable_units():
    from rich.console import Console

    shown = panel()
    e = errors(*shown.series["test"], "eV")
    console = Console(width=150, record=True, file=StringIO())
    console.print(error_table({"energy": e}, "some title"))
    text = console.export_text()
    for word in ("some title", "energy", "meV", number(1e3 * e["rmse"]), "spread", "12"):
        assert word in text


@pytest.mark.parametrize("shape", [(), (3,)])
def test_reliability_shows_errors_against_what_was_foreseen(drawn, shape):
    rng = np.random.default_rng(2)
    std = np.geomspace(1e-4, 1e-2, 400).reshape(400, *(1,) * len(shape)) * np.ones(shape)
    true = rng.normal(size=(400, *shape))
    predicted = true + std * rng.normal(size=true.shape)
    (ax,) = drawn(Reliability("a title", "eV", true, predicted, std))
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert "(meV)" in ax.get_xlabel()
    assert "(meV)" in ax.get_ylabel()
    (bars,) = ax.containers
    x, y = bars.lines[0].get_data()
    assert len(x) == 12
    np.testing.assert_allclose(y, x, rtol=0.4)
    width = 1e3 * np.linalg.norm(std.reshape(400, -1), axis=1)
    assert x.min() == pytest.approx(np.sqrt(np.mean(width[:34] ** 2)), rel=1e-9)
    for text in ("n = 400", "mean z$^2$", "within 1 std", "(95%)"):
        assert text in words(ax)


def test_reliability_of_few_structures_and_infinite_std(drawn):
    std = np.array([1.0, 2.0, np.inf, 3.0])
    (ax,) = drawn(Reliability("a title", "", np.zeros(4), np.array([1.0, 1.0, 5.0, -2.0]), std))
    assert "n = 3" in words(ax)
    assert "no unit" in ax.get_xlabel()
