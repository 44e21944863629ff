"""Superpixels -> graph -> partition -> objects: numbers only, no rules."""

from segcritic.graph.graph import EDGE_SUMS, NODE_SUMS, SuperpixelGraph, build_graph

__all__ = ["EDGE_SUMS", "NODE_SUMS", "SuperpixelGraph", "build_graph"]
