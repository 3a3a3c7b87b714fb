r"""How local V, F and P are: block norms against distance, and what a cutoff costs."""
