r"""``python -m linvop.bench`` is ``linvop bench``."""

from __future__ import annotations

from linvop.bench.cli import main

if __name__ == "__main__":
    main()
