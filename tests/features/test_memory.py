from __future__ import annotations

import pytest

from linvop.errors import InputError
from linvop.features.memory import memory_of_machine, require_memory


def test_the_machine_has_what_this_process_holds():
    assert memory_of_machine() > 2**27
    require_memory(2**27, "little")


def test_too_much_is_refused_with_both_sizes():
    with pytest.raises(InputError, match=r"^rows: .* about 3\.0 GiB .* 2\.0 GiB are there"):
        require_memory(3 * 2**30, "rows", available=2 * 2**30)
    require_memory(2**30, "rows", available=2**30)
