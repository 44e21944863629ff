"""A trained model: samples in, segmentations out."""

from segcritic.models.recurrent import RecurrentModel
from segcritic.models.stateless import InputNeeds, Model, load, load_rule_driven

__all__ = ["InputNeeds", "Model", "RecurrentModel", "load", "load_rule_driven"]
