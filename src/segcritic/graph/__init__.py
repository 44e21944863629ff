"""Superpixels -> graph -> partition -> objects: numbers only, no rules."""

from segcritic.graph.columns import EDGE_SUMS, NODE_SUMS, Edge, Node
from segcritic.graph.graph import SuperpixelGraph, build_graph

__all__ = ["EDGE_SUMS", "NODE_SUMS", "Edge", "Node", "SuperpixelGraph", "build_graph"]
