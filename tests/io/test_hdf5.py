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
from linvop.io.checksum import checksum


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
    assert (head["format"], head["kind"], head["schema"]) == ("linvop", "dataset", 2)
    assert head["numpy"] == np.__version__
    assert {"linvop", "pyscf", "date", "checksum"} <= set(head)


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


def test_checksum_is_of_the_content_and_not_of_its_storage(tmp_path):
    sums = []
    for name, order, options in (("a", 1, {}), ("b", -1, {"compression": "gzip", "chunks": (7,)})):
        with h5py.File(tmp_path / name, "w", track_order=True) as file:
            for key in ["one", "two"][::order]:
                file.create_dataset(key, data=np.arange(100.0), **options)
                for attribute in ["unit", "note"][::order]:
                    file[key].attrs[attribute] = attribute
            sums.append(checksum(file))
    assert sums[0] == sums[1]


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
        lambda f: f.attrs.__delitem__("checksum"),
    ],
)
def test_any_change_of_content_is_noticed(path, change):
    with h5py.File(path, "r+") as file:
        change(file)
    assert "damaged: its content does not have its checksum" in refused(path)


def test_links_out_of_the_file_are_not_followed(path):
    with h5py.File(path, "r+") as file:
        file["elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")
    assert "elsewhere is a link" in refused(path)


def test_missing_empty_folder_and_foreign_files(path, tmp_path):
    assert "no such file" in refused(tmp_path / "none.h5")
    assert "folder" in refused(tmp_path)
    (tmp_path / "empty.h5").touch()
    assert "empty" in refused(tmp_path / "empty.h5")
    (tmp_path / "text.h5").write_text("not this")
    assert "not an HDF5 file" in refused(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    assert "not one that linvop wrote" in refused(tmp_path / "other.h5")


def test_other_kind_and_newer_schema(path):
    assert "expected a model, got a dataset" in refused(path, kind="model")
    message = refused(path, schema=1)
    assert "schema 2" in message
    assert "newer linvop" in message


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.999])
def test_truncated_files(path, share):
    raw = path.read_bytes()
    path.write_bytes(raw[: int(share * len(raw))])
    message = refused(path)
    assert "truncated" in message or "damaged" in message or "not an HDF5" in message


def test_flipped_bytes_are_refused_or_harmless(path, tmp_path):
    """Some bytes of an HDF5 file are padding; all others count."""
    raw = path.read_bytes()
    with hdf5.open_checked(path, "dataset", 2) as file:
        good = file["x/numbers"][()]
    other = tmp_path / "flipped.h5"
    noticed = 0
    places = np.random.default_rng(1).integers(0, len(raw), 200)
    for place in places:
        other.write_bytes(raw[:place] + bytes([raw[place] ^ 0x5A]) + raw[place + 1 :])
        try:
            with hdf5.open_checked(other, "dataset", 2) as file:
                np.testing.assert_array_equal(file["x/numbers"][()], good)
        except FileFormatError:
            noticed += 1
    assert noticed > 150


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


def test_json_refuses_what_json_cannot_say(tmp_path):
    with pytest.raises(ValueError, match="JSON"), hdf5.write(tmp_path / "a", "model", 1) as file:
        hdf5.put_json(file, "x", float("nan"))
