"""Columns of the graph's and the objects' arrays of sums: the only place where a column has a number.

The enumerations are integers, also within compiled kernels: ``graph.node_sums[:, Node.AREA]``.
"""

from enum import IntEnum


class Node(IntEnum):
    """Columns of `SuperpixelGraph.node_sums`.

    Sums over the superpixel's pixels in pixels and intensity units, extrema (rows and columns inclusive), and the
    numbers of pixel pairs, by direction, whose other pixel lies outside the image.
    """

    AREA = 0
    ROW = 1
    COL = 2
    ROW_ROW = 3
    COL_COL = 4
    ROW_COL = 5
    INTENSITY = 6
    INTENSITY2 = 7
    GRADIENT = 8
    MIN_INTENSITY = 9
    MAX_INTENSITY = 10
    MIN_ROW = 11
    MIN_COL = 12
    MAX_ROW = 13
    MAX_COL = 14
    BORDER_HORIZONTAL = 15
    BORDER_VERTICAL = 16
    BORDER_DIAGONAL_DOWN = 17
    BORDER_DIAGONAL_UP = 18


class Edge(IntEnum):
    """Columns of `SuperpixelGraph.edge_sums`.

    Numbers of pixel pairs (p in i, q in j) by direction; then sums over the horizontal and vertical pairs: intensity
    of p, intensity of q, the pair's mean gradient, the absolute difference of its intensities, its mean of the
    boundary map.
    """

    HORIZONTAL = 0
    VERTICAL = 1
    DIAGONAL_DOWN = 2
    DIAGONAL_UP = 3
    INTENSITY_I = 4
    INTENSITY_J = 5
    GRADIENT = 6
    DIFFERENCE = 7
    BOUNDARY = 8


class Object(IntEnum):
    """Columns of the objects' sums. The first are those of `Node`, up to MAX_COL, added up over the superpixels.

    Lengths are numbers of cracks; ``outline_*`` add up what lies on the outline within the image, ``inner_*`` what
    lies on shared boundaries inside the object. CROFTON weighs all pixel pairs across the outline by direction.
    """

    AREA = Node.AREA
    ROW = Node.ROW
    COL = Node.COL
    ROW_ROW = Node.ROW_ROW
    COL_COL = Node.COL_COL
    ROW_COL = Node.ROW_COL
    INTENSITY = Node.INTENSITY
    INTENSITY2 = Node.INTENSITY2
    GRADIENT = Node.GRADIENT
    MIN_INTENSITY = Node.MIN_INTENSITY
    MAX_INTENSITY = Node.MAX_INTENSITY
    MIN_ROW = Node.MIN_ROW
    MIN_COL = Node.MIN_COL
    MAX_ROW = Node.MAX_ROW
    MAX_COL = Node.MAX_COL
    BORDER_LENGTH = 15
    CROFTON = 16
    OUTLINE_LENGTH = 17
    INSIDE = 18
    OUTSIDE = 19
    OUTLINE_GRADIENT = 20
    OUTLINE_BOUNDARY = 21
    INNER_LENGTH = 22
    INNER_BOUNDARY = 23
    INNER_VALLEY = 24
