r"""Which parameters of `Basis` to choose: a grid of them, fitted by cross-validation."""
