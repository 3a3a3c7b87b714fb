r"""What is opened is what was written; everything else is refused with its reason."""

from __future__ import annotations

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

from linvop.errors import FileFormatError, InputError
from linvop.io import hdf5


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "good.h5"
    with hdf5.write(path, "dataset", 2) as file:
        numbers = np.random.default_rng(0).normal(size=(4000, 3))
        file.create_dataset("x/numbers", data=numbers, compression="gzip", shuffle=True)
        file["x/numbers"].attrs["unit"] = "eV"
        file["names"] = ["a", "bc"]
        file["empty"] = np.zeros((0, 3))
        hdf5.put_json(file, "settings", {"xc": "pbe", "tol": np.float64(1e-10)})
    return path


def refused(path, kind="dataset", schema=2):
    with pytest.raises(FileFormatError) as caught:
        hdf5.open_checked(path, kind, schema)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_round_trip_and_header(path):
    with hdf5.open_checked(path, "dataset", 3) as file:
        head = hdf5.header(file)
        assert hdf5.get_json(file, "settings") == {"xc": "pbe", "tol": 1e-10}
        assert file["x/numbers"].shape == (4000, 3)
    assert (head["kind"], head["schema"], head["numpy"]) == ("dataset", 2, np.__version__)
    assert {"linvop", "pyscf", "date"} <= set(head)


def test_any_hdf5_reader_opens_it(path):
    assert h5py.is_hdf5(path)
    with h5py.File(path) as file:
        assert file["x/numbers"].attrs["unit"] == "eV"


def test_the_same_content_has_the_same_seal(tmp_path, monkeypatch):
    class Clock(hdf5.datetime):
        @classmethod
        def now(cls, tz):
            return cls(2026, 1, 1)

    monkeypatch.setattr(hdf5, "datetime", Clock)
    for name, value in (("a", 1.0), ("b", 1.0), ("c", np.nextafter(1.0, 2))):
        with hdf5.write(tmp_path / name, "dataset", 1) as file:
            file["x"] = np.full(10, value)
    seals = [hdf5.seal_of(tmp_path / name) for name in "abc"]
    assert seals[0] == seals[1] != seals[2]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failure_while_writing_leaves_the_old_file(path, error):
    before = path.read_bytes()

    def fail():
        with hdf5.write(path, "dataset", 2, force=True) as file:
            file["x"] = np.arange(100_000)
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_existing_file_needs_force(path):
    with pytest.raises(InputError, match=r"good\.h5 exists; --force"), hdf5.write(path, "model", 1):
        pytest.fail("work was begun")


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f["x/numbers"].write_direct(np.nextafter(f["x/numbers"][()], 9)),
        lambda f: f["x/numbers"].attrs.modify("unit", "Hartree"),
        lambda f: f["x/numbers"].attrs.create("extra", 1),
        lambda f: f.move("x/numbers", "x/others"),
        lambda f: f.__delitem__("names"),
        lambda f: f.create_dataset("more", data=1),
        lambda f: f.create_group("more"),
        lambda f: f.attrs.modify("date", "yesterday"),
    ],
)
def test_any_change_of_content_is_noticed(path, change):
    with h5py.File(path, "r+") as file:
        change(file)
    assert "damaged: its content does not have its checksum" in refused(path)


def test_missing_empty_folder_and_foreign_files(path, tmp_path):
    assert "no such file" in refused(tmp_path / "none.h5")
    assert "folder" in refused(tmp_path)
    (tmp_path / "empty.h5").touch()
    assert "empty" in refused(tmp_path / "empty.h5")
    (tmp_path / "text.h5").write_text("not this")
    assert "not an HDF5 file of linvop" in refused(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    assert "not one that linvop wrote" in refused(tmp_path / "other.h5")


def test_other_kind_and_newer_schema(path):
    assert "expected a model, got a dataset" in refused(path, kind="model")
    message = refused(path, schema=1)
    assert "schema 2" in message
    assert "newer linvop" in message


@pytest.mark.parametrize("size", [1, 20, 100, 511, 512, 513, -100_000, -1])
def test_truncated_files(path, size):
    path.write_bytes(path.read_bytes()[:size])
    assert "truncated" in refused(path)


def test_added_bytes_are_noticed(path):
    path.write_bytes(path.read_bytes() + b"\0")
    assert "damaged" in refused(path)


def test_every_changed_byte_is_noticed_before_hdf5_sees_it(path, tmp_path, monkeypatch):
    """HDF5 loops for ever over some damaged files."""
    raw = path.read_bytes()
    monkeypatch.setattr(h5py, "File", lambda *_: pytest.fail("HDF5 was asked"))
    other = tmp_path / "changed.h5"
    somewhere = np.random.default_rng(1).integers(0, len(raw), 100)
    for place in [*range(0, 600, 7), *somewhere]:
        other.write_bytes(raw[:place] + bytes([raw[place] ^ 0x5A]) + raw[place + 1 :])
        refused(other)


_FULL_DISK = """
import os, resource, signal, sys
import numpy as np
from linvop.errors import InputError
from linvop.io import hdf5
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
for options in ({}, {"compression": "gzip", "chunks": (500,)}):
    try:
        with hdf5.write(sys.argv[1], "dataset", 1, force=True) as file:
            file.create_dataset("x", data=np.random.default_rng(0).normal(size=99_999), **options)
    except InputError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files as POSIX does")
def test_a_full_disk_ends_in_one_line_and_loses_nothing(path):
    """HDF5 is known to crash when it cannot write: so this runs in a process of its own."""
    before = path.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all(str(path) in line and "nothing was written" in line for line in lines)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_json_says_null_where_it_has_no_number(tmp_path):
    with hdf5.write(tmp_path / "a", "model", 1) as file:
        hdf5.put_json(file, "x", {"a": float("nan"), "b": [np.inf, 1.5]})
        assert hdf5.get_json(file, "x") == {"a": None, "b": [None, 1.5]}
