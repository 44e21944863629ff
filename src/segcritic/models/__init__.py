"""A trained model: samples in, segmentations out."""

from segcritic.models.ensemble import Ensemble
from segcritic.models.load import load, load_rule_driven
from segcritic.models.recurrent import RecurrentModel
from segcritic.models.stateless import InputNeeds, Model
from segcritic.models.untrained import RulesOnly

__all__ = ["Ensemble", "InputNeeds", "Model", "RecurrentModel", "RulesOnly", "load", "load_rule_driven"]
