"""Label maps whose values are known exactly."""

import numpy as np
from scipy.spatial import cKDTree


def disc(shape, centre, radius):
    return ellipse(shape, centre, radius, radius)


def ellipse(shape, centre, long, short, degrees=0.0):
    """Ellipse with semi-axes ``long`` at ``degrees`` counter-clockwise from the x axis (y upwards)."""
    along, across = turned(shape, centre, degrees)
    return (along / long) ** 2 + (across / short) ** 2 <= 1


def rectangle(shape, centre, width, height, degrees=0.0):
    along, across = turned(shape, centre, degrees)
    return (np.abs(along) <= width / 2) & (np.abs(across) <= height / 2)


def turned(shape, centre, degrees):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    y, x = centre[0] - rows, columns - centre[1]
    angle = np.radians(degrees)
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def nearest_seed(shape, seeds):
    """Voronoi tessellation: ids 1…n of the nearest of ``seeds`` (n, 2), (row, column)."""
    pixels = np.stack(np.mgrid[: shape[0], : shape[1]], axis=-1).reshape(-1, 2)
    return (cKDTree(seeds).query(pixels)[1] + 1).reshape(shape).astype(np.uint32)


def hexagons(shape, side, offset=(0.0, 0.0)):
    """Regular hexagons of edge ``side``; area 3√3/2 side²."""
    step_x, step_y = np.sqrt(3) * side, 1.5 * side
    count_x, count_y = int(shape[1] / step_x) + 4, int(shape[0] / step_y) + 4
    rows, columns = np.mgrid[-2:count_y, -2:count_x]
    seeds = np.stack([rows * step_y + offset[0], (columns + (rows % 2) / 2) * step_x + offset[1]], axis=-1)
    return nearest_seed(shape, seeds.reshape(-1, 2))


def random_grains(shape, area, rng):
    """Poisson-Voronoi tessellation of mean area ``area``, which goes on beyond the image."""
    margin = 4 * np.sqrt(area)
    count = rng.poisson((shape[0] + 2 * margin) * (shape[1] + 2 * margin) / area)
    return nearest_seed(shape, rng.uniform((-margin, -margin), (shape[0] + margin, shape[1] + margin), (count, 2)))


def squares(shape, edge, offset=(0, 0)):
    """Squares of ``edge`` pixels whose first lines run ``offset`` pixels before the image."""
    rows, columns = ((np.arange(n) + o) // edge for n, o in zip(shape, offset, strict=True))
    return (rows[:, None] * (columns[-1] + 1) + columns[None] + 1).astype(np.uint32)
