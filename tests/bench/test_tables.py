"""Documents are made by commands: a table replaces its former self and nothing else."""

from __future__ import annotations

import json

from linvop.bench.machine import describe_machine, peak_memory_gb
from linvop.bench.tables import Report, Table, verdict, write_sections


def _report(value: float, *names: str) -> Report:
    tables = [Table(n, f"Title {n}", [{"x": value, "met": "yes"}], ["a note"]) for n in names]
    return Report({"CPU": "some"}, tables)


def test_new_file_has_heading_and_all_tables(tmp_path):
    path = tmp_path / "doc.md"
    write_sections(path, "# Heading", _report(1.5, "a", "b"))
    text = path.read_text()
    assert text.startswith("# Heading\n")
    assert text.count("| 1.50 | yes |") == 2
    assert text.index("Title a") < text.index("Title b")


def test_only_the_own_table_is_replaced(tmp_path):
    path = tmp_path / "doc.md"
    write_sections(path, "# Heading", _report(1.5, "a", "b"))
    path.write_text(path.read_text() + "\nwritten by hand\n")
    write_sections(path, "# Other", _report(2.5, "a"))
    text = path.read_text()
    assert text.startswith("# Heading\n")
    assert "written by hand" in text
    assert text.count("Title a") == text.count("Title b") == 1
    assert text.index("| 2.50 |") < text.index("| 1.50 |")


def test_writing_twice_changes_nothing(tmp_path):
    path = tmp_path / "doc.md"
    write_sections(path, "# Heading", _report(1.5, "a", "b"))
    once = path.read_text()
    write_sections(path, "# Heading", _report(1.5, "a", "b"))
    assert path.read_text() == once


def test_numbers_are_readable():
    table = Table("t", "T", [{"a": 12345.6, "b": 1e-7, "c": 2.0, "d": 664.2, "e": None, "f": 3}])
    assert "| 12346 | 1.00e-07 | 2.00 | 664 |  | 3 |" in table.markdown()


def test_verdict_is_inclusive_and_silent_without_target():
    assert verdict(0.1, 0.1) == "yes"
    assert verdict(0.11, 0.1) == "NO"
    assert verdict(5.0, None) == ""


def test_report_is_json():
    data = json.loads(json.dumps(_report(1.5, "a").as_dict()))
    assert data["tables"][0]["rows"] == [{"x": 1.5, "met": "yes"}]


def test_machine_is_described_and_memory_grows():
    assert {"CPU", "cores", "numpy", "pyscf", "linvop"} <= set(describe_machine())
    before = peak_memory_gb()
    block = bytearray(b"x") * 300_000_000
    assert peak_memory_gb() >= max(before, 0.3)
    del block
