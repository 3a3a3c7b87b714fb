r"""``python -m linvop``: the same as the command ``linvop``."""

from linvop.cli import main

if __name__ == "__main__":
    main()
