r"""Any saved model, by what its file says that it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from linvop.io import model_file, operator_file
from linvop.io.hdf5 import kind_of

if TYPE_CHECKING:
    from linvop.models.effective import EffectiveOperatorModel
    from linvop.models.operator import OperatorModel
    from linvop.models.property import PropertyModel

__all__ = ["load"]


def load(path: str | Path) -> PropertyModel | OperatorModel | EffectiveOperatorModel:
    r"""Read a model that its own `save` wrote.

    Raises
    ------
    FileFormatError
        If the file is missing, damaged, foreign, newer, or does not fit this version's basis.
    """
    if kind_of(path, (model_file.KIND, operator_file.KIND)) == operator_file.KIND:
        from linvop.models.effective_storage import load_effective_model, stored_settings
        from linvop.models.operator_storage import load_operator_model

        return load_effective_model(path) if stored_settings(path) else load_operator_model(path)
    from linvop.models.storage import load_property_model

    return load_property_model(path)
