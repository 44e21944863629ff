"""What the measurements of speed share."""

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def shortest(function: Callable[[], object], seconds: float) -> float:
    """CPU seconds of the shortest run of `function`, repeated for about `seconds` and at least three times.

    CPU time, because other programs on the machine lengthen long runs more than the shortest of many short ones.
    """
    function()  # not timed: compiles, and fills the graph's caches
    runs = []
    end = time.perf_counter() + seconds
    while len(runs) < 3 or time.perf_counter() < end:
        start = time.process_time()
        function()
        runs.append(time.process_time() - start)
    return min(runs)


def bright_blobs(rng: np.random.Generator, shape: tuple[int, int], n: int, sigma: float) -> NDArray[np.float64]:
    """An image of `n` blobs, at least one, and a little noise; the brightest is about 1."""
    from scipy.ndimage import gaussian_filter

    image = np.zeros(shape)
    image.flat[rng.choice(image.size, max(n, 1), replace=False)] = 1
    image = gaussian_filter(image, sigma)
    return image / image.max() + 0.02 * rng.normal(size=shape)
