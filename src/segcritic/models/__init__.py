"""A trained model: samples in, segmentations out."""

from segcritic.models.ensemble import Ensemble
from segcritic.models.load import load, load_rule_driven
from segcritic.models.recurrent import RecurrentModel
from segcritic.models.rules_only import RulesOnly
from segcritic.models.stateless import InputNeeds, Model

__all__ = ["Ensemble", "InputNeeds", "Model", "RecurrentModel", "RulesOnly", "load", "load_rule_driven"]
