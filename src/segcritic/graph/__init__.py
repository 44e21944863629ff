"""Superpixels -> graph -> partition -> objects: numbers only, no rules."""

from segcritic.graph.columns import Edge, Node
from segcritic.graph.graph import SuperpixelGraph, build_graph

__all__ = ["Edge", "Node", "SuperpixelGraph", "build_graph"]
