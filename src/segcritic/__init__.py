"""Instance segmentation that learns from a critic.

model = segcritic.train("images/", rules="rules.yaml")
labels = model.segment("images/a.tif")
scores = segcritic.evaluate(labels, truth)
model = segcritic.load("model/")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segcritic.api import check_rules, evaluate, measure_rules, repair, train
    from segcritic.errors import UserError
    from segcritic.models import Ensemble, Model, RecurrentModel, RulesOnly, load
    from segcritic.models.combine import combine
    from segcritic.models.evaluate import evaluate_by_rules
    from segcritic.rules import Rules, load_rules

__version__: str

__all__ = [
    "Ensemble",
    "Model",
    "RecurrentModel",
    "Rules",
    "RulesOnly",
    "UserError",
    "check_rules",
    "combine",
    "evaluate",
    "evaluate_by_rules",
    "load",
    "load_rules",
    "measure_rules",
    "repair",
    "train",
]

_HOME = {
    **dict.fromkeys(("check_rules", "evaluate", "measure_rules", "repair", "train"), "segcritic.api"),
    **dict.fromkeys(("Ensemble", "Model", "RecurrentModel", "RulesOnly", "load"), "segcritic.models"),
    "combine": "segcritic.models.combine",
    "evaluate_by_rules": "segcritic.models.evaluate",
    **dict.fromkeys(("Rules", "load_rules"), "segcritic.rules"),
    "UserError": "segcritic.errors",
}


def __getattr__(name: str) -> Any:
    """Load the public names when they are first asked for, so that `import segcritic` is quick."""
    if name == "__version__":
        from importlib.metadata import version

        return version("segcritic")
    if name not in _HOME:
        raise AttributeError(f"module 'segcritic' has no attribute '{name}'")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
