r"""A file is there whole or as it was before; nothing else is left behind."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from linvop.errors import InputError
from linvop.io.atomic import atomic, atomic_bytes, atomic_text, check_output


def test_text_arrives_whole(tmp_path):
    atomic_text(tmp_path / "a.json", "Ångström\n")
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == "Ångström\n"
    assert os.listdir(tmp_path) == ["a.json"]


def test_the_working_name_keeps_the_suffix(tmp_path):
    with atomic(tmp_path / "plot.png") as partial:
        assert partial.suffix == ".png"
        assert partial.parent == tmp_path


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_failure_in_the_middle_leaves_the_old_file_and_no_scraps(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail():
        with atomic(path, force=True) as partial:
            partial.write_text("half of the n")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_existing_output_needs_force_and_is_refused_before_any_work(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    worked = False
    with pytest.raises(InputError, match=r"a\.txt exists; --force"), atomic(path):
        worked = True
    assert not worked
    assert path.read_text() == "old"
    atomic_text(path, "new", force=True)
    assert path.read_text() == "new"


def test_a_file_that_appears_meanwhile_is_not_lost(tmp_path):
    path = tmp_path / "a.txt"

    def race():
        with atomic(path) as partial:
            partial.write_text("mine")
            path.write_text("theirs")

    with pytest.raises(InputError, match="exists"):
        race()
    assert path.read_text() == "theirs"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_folders_are_refused_by_name(tmp_path):
    with pytest.raises(InputError, match="got a folder"):
        check_output(tmp_path, force=True)
    with pytest.raises(InputError, match="missing does not exist"):
        check_output(tmp_path / "missing" / "a.txt")


def test_a_full_disk_is_bad_luck_and_not_a_traceback(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"a\.bin: no space left on the disk; nothing was written"):
        atomic_bytes(path, b"new", force=True)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_devices_and_links_are_no_outputs(tmp_path):
    (tmp_path / "target").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for path, kind in ((tmp_path / "link", "link"), (Path("/dev/null"), "device")):
        with pytest.raises(InputError, match=f"expected the name of a file to write, got a {kind}"):
            check_output(path, force=True)
    assert (tmp_path / "target").read_text() == "precious"
    with pytest.raises(InputError, match="is a file, expected a folder"):
        check_output(tmp_path / "target" / "below")
