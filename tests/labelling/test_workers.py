"""Laws of the pool: every task comes back once, and nothing outlives the parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from linvop.errors import InputError
from linvop.labelling.workers import Died, run

ROOT = str(Path(__file__).parents[2])


def square(x: int) -> int:
    return x * x


def die_once(x: int, folder: str) -> int:
    """Kill the worker at the first try of every odd number."""
    mark = Path(folder) / str(x)
    if x % 2 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def die(x: int) -> int:
    if x == 1:
        os._exit(3)
    return x


def fail(x: int) -> int:
    raise (InputError if x else ZeroDivisionError)("because")


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_every_task_comes_back_once(workers):
    outcomes = run(square, range(5), workers=workers, threads=1)
    assert sorted(outcomes) == [(x, x * x) for x in range(5)]


def test_a_worker_that_dies_is_replaced_and_its_task_tried_again(tmp_path):
    function = partial(die_once, folder=str(tmp_path))
    assert sorted(run(function, range(4), workers=2, threads=1)) == [(x, x) for x in range(4)]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_task_that_always_kills_is_reported():
    outcomes = dict(run(die, range(3), workers=2, threads=1))
    assert outcomes == {0: 0, 1: Died(3), 2: 2}
    assert str(Died(3)) == "its worker ended with exit code 3"
    assert str(Died(-9)) == "its worker was killed by SIGKILL"


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_come_through(workers):
    with pytest.raises(InputError, match="because"):
        list(run(fail, [1, 2], workers=workers, threads=1))
    with pytest.raises(RuntimeError if workers == 2 else ZeroDivisionError, match="because"):
        list(run(fail, [0, 0], workers=workers, threads=1))


_SCRIPT = """
import os
import signal
import time
from linvop.labelling import workers

def nap(x):
    os.write(1, b"%d\\n" % os.getpid())  # at once: two workers share the pipe
    time.sleep(60)

if __name__ == "__main__":
    # Where the tests run in the background of a shell, SIGINT is ignored from the start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        list(workers.run(nap, [1, 2], workers=2, threads=1))
    except KeyboardInterrupt:
        print("stopped", flush=True)
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z")


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_ctrl_c_stops_the_workers(tmp_path):
    """The signal goes to the whole group, as from a terminal."""
    (tmp_path / "script.py").write_text(_SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": ROOT},
        start_new_session=True,
    )
    pids = [int(process.stdout.readline()) for _ in range(2)]
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (out, err) == ("stopped\n", "")
    until = time.monotonic() + 5
    while any(map(alive, pids)):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_script_without_a_main_guard_is_told_so(tmp_path):
    text = _SCRIPT.replace('if __name__ == "__main__":', "if True:").replace(
        "sleep(60)", "sleep(0)"
    )
    (tmp_path / "script.py").write_text(text)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": ROOT},
        timeout=60,
    )
    assert done.returncode != 0
    assert "InputError: a worker process could not start" in done.stderr
    assert '`if __name__ == "__main__":`' in done.stderr
