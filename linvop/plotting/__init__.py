r"""Pictures: what was predicted beside what was calculated, and how local matrices are."""

from linvop.plotting.locality import ORBITALS, block_norm_figure, truncation_figure
from linvop.plotting.matrices import matrix_error_figure, matrix_parity_figure
from linvop.plotting.operators import draw_operator_figures, operator_figures
from linvop.plotting.panels import Errors, Parity, Reliability, parity_figure
from linvop.plotting.spectra import level_figure, state_density_figure

__all__ = [
    "ORBITALS",
    "Errors",
    "Parity",
    "Reliability",
    "block_norm_figure",
    "draw_operator_figures",
    "level_figure",
    "matrix_error_figure",
    "matrix_parity_figure",
    "operator_figures",
    "parity_figure",
    "state_density_figure",
    "truncation_figure",
]
