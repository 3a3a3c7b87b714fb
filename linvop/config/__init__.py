r"""The TOML files of ``linvop fit``: read strictly, checked before any work."""

from linvop.config.effective_fit import EffectiveFitConfig, read_effective_config
from linvop.config.operator_fit import OperatorFitConfig, read_operator_config
from linvop.config.property_fit import FitConfig, checked_config, read_config
from linvop.config.reading import read_toml
from linvop.config.values import SHIPPED

__all__ = [
    "SHIPPED",
    "EffectiveFitConfig",
    "FitConfig",
    "OperatorFitConfig",
    "checked_config",
    "read_config",
    "read_effective_config",
    "read_operator_config",
    "read_toml",
]
