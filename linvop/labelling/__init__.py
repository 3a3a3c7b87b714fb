r"""PySCF reference calculations, and the data sets they make."""

from linvop.labelling.runner import LabelReport, label
from linvop.labelling.settings import QUANTITIES

__all__ = ["QUANTITIES", "LabelReport", "label"]
