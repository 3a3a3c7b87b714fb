r"""Any saved model, by what its file says that it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from linvop.errors import FileFormatError, InputError
from linvop.io import model_file, operator_file
from linvop.io.hdf5 import kind_of

if TYPE_CHECKING:
    from linvop.models.effective import EffectiveOperatorModel
    from linvop.models.operator import OperatorModel
    from linvop.models.property import PropertyModel

__all__ = ["load", "operator_of"]

_EXPORTED = "exported model"


def load(path: str | Path) -> PropertyModel | OperatorModel | EffectiveOperatorModel:
    r"""Read a model that its own `save` wrote.

    Raises
    ------
    FileFormatError
        If the file is missing, damaged, foreign, newer, or does not fit this version's basis.
    """
    kind = kind_of(path, (model_file.KIND, operator_file.KIND, _EXPORTED))
    if kind == _EXPORTED:
        raise FileFormatError(
            f"{path}: an exported model is read by linvop.deploy.Predictor; expected the fitted "
            "model that it was made from"
        )
    if kind == operator_file.KIND:
        from linvop.models.effective_storage import load_effective_model, stored_settings
        from linvop.models.operator_storage import load_operator_model

        return load_effective_model(path) if stored_settings(path) else load_operator_model(path)
    from linvop.models.storage import load_property_model

    return load_property_model(path)


def operator_of(model: Any) -> OperatorModel:
    r"""The operator model in a model, or in the file of one.

    Parameters
    ----------
    model : OperatorModel, EffectiveOperatorModel or path
        Of an effective one its operator, which is in its own, small AO basis.

    Raises
    ------
    InputError
        For anything else, and for models that are not fitted.
    FileFormatError
        As `load`.
    """
    from linvop.models.effective import EffectiveOperatorModel

    given = model
    if isinstance(model, str | Path):
        model = load(model)
    if isinstance(model, EffectiveOperatorModel):
        model.ao  # noqa: B018 - refuses a model that is not fitted
        return model.operator_
    if not all(hasattr(model, name) for name in ("target", "predict")):
        got = type(model).__name__ if model is given else f"{given} with a {type(model).__name__}"
        raise InputError(
            "model: expected an OperatorModel or an EffectiveOperatorModel, or the path of one, "
            f"got {got}"
        )
    return model
