r"""Models that are fitted, used and stored."""
