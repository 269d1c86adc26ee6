"""Homogeneous textures of endless kinds, each image one class of its own: for classifiers of microstructure classes.

A texture is a pattern (band-limited field, cells, overlapping leaves, lattice, weave, fibres) with drawn scale,
direction, disorder and grey levels. As in photographs, scale, contrast and light drift over the image.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates

Field = NDArray[np.float64]
Draw = Callable[[tuple[int, int], np.random.Generator], Field]
DRIFT = 0.15
"""Largest relative change of scale over an image."""
SMALLEST = 48
"""Least edge of a texture in pixels."""


def texture(size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw one texture (H, W), at least 48 each: pattern, its parameters and its places; ValueError when smaller."""
    if min(size) < SMALLEST:
        raise ValueError(f"a texture has at least {SMALLEST} pixels along each edge, got {size}")
    draw = PATTERNS[int(rng.integers(len(PATTERNS)))]
    field = _levelled(draw(size, rng))
    if rng.random() < 0.3:  # a second pattern within the first one's bright parts
        field = 0.6 * field + 0.4 * field * _levelled(PATTERNS[int(rng.integers(len(PATTERNS)))](size, rng))
    field = gaussian_filter(_drifted(field, rng), rng.uniform(0.4, 1.2))
    return _exposed(_levelled(field), rng)


def band_field(size: tuple[int, int], rng: np.random.Generator) -> Field:
    """Gaussian field around one wavelength, stretched along a direction, through a random curve."""
    wavelength, width = np.exp(rng.uniform(np.log(5), np.log(40))), rng.uniform(0.1, 0.7)
    frequencies = (np.fft.fftfreq(length).astype(np.float64) for length in size)
    rows, columns = np.meshgrid(*frequencies, indexing="ij")
    along, across = _turned(rows, columns, rng.uniform(0, np.pi))
    radius = np.hypot(along * rng.choice([1.0, 1.0, 2.0, 4.0]), across) * wavelength
    ring = np.exp(-0.5 * ((radius - 1) / width) ** 2)
    field = np.fft.ifft2(np.fft.fft2(rng.standard_normal(size)) * ring).real
    field /= field.std()
    curve = int(rng.integers(4))
    if curve == 0:
        return np.asarray(np.tanh(rng.uniform(1, 6) * (field - rng.uniform(-0.8, 0.8))))
    if curve == 1:
        return np.asarray(np.abs(field) ** rng.uniform(0.5, 1.5))
    return np.asarray(np.exp(rng.uniform(0.3, 1.2) * field)) if curve == 2 else field


def cells(size: tuple[int, int], rng: np.random.Generator) -> Field:
    """Cells around points, more or less regular: filled, outlined, or shaded."""
    spacing = np.exp(rng.uniform(np.log(8), np.log(40)))
    mask = np.ones(size, dtype=np.bool_)
    points = np.rint(_points(size, spacing, rng.uniform(0.05, 0.8), rng)).astype(int)
    inside = ((points >= 0) & (points < size)).all(axis=1)
    mask[tuple(points[inside].T)] = False
    distance, nearest = distance_transform_edt(mask, return_indices=True)
    number = nearest[0] * size[1] + nearest[1]
    style = int(rng.integers(3))
    if style == 0:
        return np.asarray(rng.random(size).ravel()[number])
    if style == 1:
        edge = (np.diff(number, axis=0, prepend=number[:1]) != 0) | (
            np.diff(number, axis=1, prepend=number[:, :1]) != 0
        )
        return np.asarray(gaussian_filter(edge.astype(float), rng.uniform(0.6, 2.5)))
    return np.asarray(np.minimum(distance, spacing * rng.uniform(0.2, 0.7)))


def leaves(size: tuple[int, int], rng: np.random.Generator) -> Field:
    """Opaque ellipses thrown on each other, or apart on a ground."""
    field = np.full(size, rng.random())
    small = np.exp(rng.uniform(np.log(2), np.log(10)))
    spread, ratio, turn = rng.uniform(1.1, 3.0), rng.uniform(0.2, 1.0), rng.uniform(0, np.pi)
    aligned = rng.random() < 0.5
    count = int(rng.choice([0.3, 1.0, 3.0]) * size[0] * size[1] / (np.pi * ratio * small**2 * spread))
    for _ in range(min(count, 6000)):
        radius = small * rng.uniform(1, spread)
        centre, grey = rng.uniform((0, 0), size), rng.random()
        angle = turn + (rng.normal(0, 0.15) if aligned else rng.uniform(0, np.pi))
        top, left = (max(0, int(c - radius)) for c in centre)
        part = field[top : int(centre[0] + radius) + 2, left : int(centre[1] + radius) + 2]
        rows, columns = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
        along, across = _turned(rows - centre[0], columns - centre[1], angle)
        part[along**2 + (across / ratio) ** 2 < radius**2] = grey
    return field


def lattice(size: tuple[int, int], rng: np.random.Generator) -> Field:
    """Spots on a lattice with disorder, bright or dark, or rings."""
    spacing = np.exp(rng.uniform(np.log(8), np.log(36)))
    field = np.zeros(size)
    for row, column in _points(size, spacing, rng.uniform(0.0, 0.25), rng):
        if 0 <= row < size[0] and 0 <= column < size[1]:
            field[int(row), int(column)] += rng.uniform(0.7, 1)
    sigma = spacing * rng.uniform(0.12, 0.3)
    narrow = gaussian_filter(field, sigma)
    if rng.random() < 0.4:
        narrow = narrow - rng.uniform(0.5, 1.2) * gaussian_filter(field, sigma * 1.6)
    return np.asarray(np.tanh(narrow * rng.uniform(2, 12) * sigma**2) * rng.choice([-1.0, 1.0]))


def weave(size: tuple[int, int], rng: np.random.Generator) -> Field:
    """Two gratings that cross, one above the other by turns."""
    rows, columns = np.mgrid[: size[0], : size[1]].astype(float)
    turn, opening = rng.uniform(0, np.pi), rng.uniform(0.6, 1.57)
    wave, across = _wavelengths(rng), _wavelengths(rng)
    first = _turned(rows, columns, turn)[0] / wave
    second = _turned(rows, columns, turn + opening)[0] / across
    bend = gaussian_filter(rng.standard_normal(size), 12) * rng.uniform(0, 6)
    one, two = (np.cos(2 * np.pi * (phase + bend)) for phase in (first, second))
    sharp = rng.uniform(0.5, 5)
    style = int(rng.integers(3))
    if style == 0:
        return np.asarray(np.tanh(sharp * one) + rng.uniform(0.2, 1) * np.tanh(sharp * two))
    if style == 1:
        return np.asarray(np.where(one * two > 0, np.tanh(sharp * one), np.tanh(sharp * two)))
    return np.asarray(np.tanh(sharp * (one - rng.uniform(-0.8, 0.8))))


def fibres(size: tuple[int, int], rng: np.random.Generator) -> Field:
    """Straight lines of some length and direction over each other."""
    field = np.zeros(size)
    length, turn = np.exp(rng.uniform(np.log(10), np.log(150))), rng.uniform(0, np.pi)
    spread = rng.choice([0.08, 0.4, 3.0])
    steps = np.arange(-length / 2, length / 2, 0.7)
    for _ in range(int(rng.uniform(0.05, 0.3) * size[0] * size[1] / length)):
        centre, angle = rng.uniform((0, 0), size), turn + rng.normal(0, spread)
        points = np.rint(centre + steps[:, None] * (np.cos(angle), np.sin(angle))).astype(int)
        points = points[((points >= 0) & (points < size)).all(axis=1)]
        field[tuple(points.T)] = rng.uniform(0.3, 1)
    return np.asarray(gaussian_filter(field, rng.uniform(0.5, 2.0)))


PATTERNS: tuple[Draw, ...] = (band_field, cells, leaves, lattice, weave, fibres)


def _points(size: tuple[int, int], spacing: float, disorder: float, rng: np.random.Generator) -> Field:
    """Points (n, 2) of a turned lattice over the image, each moved by up to ``disorder`` of the spacing."""
    reach = int(np.hypot(*size) / spacing) + 2
    grid = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1).T * spacing
    grid[:, 1] += np.mod(grid[:, 0] / spacing, 2) * spacing * rng.choice([0.0, 0.5])
    grid = grid * (1.0, rng.uniform(0.6, 1.0)) + rng.normal(0, disorder * spacing, grid.shape)
    return np.stack(_turned(grid[:, 0], grid[:, 1], rng.uniform(0, np.pi)), axis=1) + np.array(size) / 2


def _wavelengths(rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(np.log(5), np.log(40))))


def _turned(rows: Field, columns: Field, angle: float) -> tuple[Field, Field]:
    """Coordinates in a frame turned by ``angle``."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return rows * cosine + columns * sine, columns * cosine - rows * sine


def _drifted(field: Field, rng: np.random.Generator) -> Field:
    """The pattern on a sheet whose scale changes slowly from place to place."""
    rows, columns = np.mgrid[: field.shape[0], : field.shape[1]].astype(float)
    reach = DRIFT * rng.random() * max(field.shape) / (2 * np.pi)
    moved = []
    for at, extent in ((rows, field.shape[0]), (columns, field.shape[1])):
        wave = np.sin(2 * np.pi * (rows / field.shape[0] * rng.random() + columns / field.shape[1] * rng.random()))
        moved.append(np.clip(at + reach * wave, 0, extent - 1))
    return np.asarray(map_coordinates(field, moved, order=1, mode="reflect"))


def _levelled(field: Field) -> Field:
    """Values between 0 and 1, the outermost hundredths cut off."""
    low, high = np.quantile(field, (0.005, 0.995))
    return np.asarray(np.clip((field - low) / max(high - low, 1e-12), 0, 1))


def _exposed(field: Field, rng: np.random.Generator) -> NDArray[np.uint8]:
    """As a camera sees it: uneven light and contrast, gamma, noise."""
    sway = [gaussian_filter(rng.standard_normal(field.shape), max(field.shape) / 5) for _ in range(2)]
    light, contrast = (each / max(float(np.abs(each).max()), 1e-12) for each in sway)
    grey = field ** rng.uniform(0.6, 1.8)
    grey = grey.mean() + (grey - grey.mean()) * rng.uniform(0.5, 1.0) * (1 + 0.25 * rng.random() * contrast)
    grey = grey + 0.1 * rng.random() * light + rng.normal(0, rng.uniform(0.01, 0.08), field.shape)
    return np.asarray(np.rint(np.clip(grey, 0, 1) * 255), dtype=np.uint8)
