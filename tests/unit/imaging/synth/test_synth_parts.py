"""The generator's parts against brute force and values worked out by hand."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from matcurate.imaging.synth import cells as cells_module
from matcurate.imaging.synth.canvas import Canvas, band_field, dilated, gaussian_blur, smooth_field
from matcurate.imaging.synth.cells import Blobs, laguerre, paint
from matcurate.imaging.synth.nuisances import Nuisances, expose, scratches
from matcurate.imaging.synth.placement import hard_core, jittered_lattice, lognormal_radii, packed_discs
from matcurate.imaging.synth.scene import Overprint, Scene, components, numbered, overprinted, within_range


def canvas(height: int = 96, width: int = 160, seed: int = 0) -> Canvas:
    return Canvas.of((height, width), np.random.default_rng(seed))


@pytest.mark.parametrize("length", [2.0, 8.0])
def test_smooth_field_has_unit_variance_and_its_length(length: float) -> None:
    field = smooth_field(canvas(400, 500), length)
    lag = round(2 * length)  # correlation exp(-lag² / (4 length²)) = 1 / e
    assert field.shape == (400, 500)
    assert float(field.mean()) == pytest.approx(0, abs=0.15) and float(field.std()) == pytest.approx(1, abs=0.1)
    for first, second in ((field[:, lag:], field[:, :-lag]), (field[lag:], field[:-lag])):
        assert float((first * second).mean() / (field**2).mean()) == pytest.approx(np.exp(-1), abs=0.1)


def test_stretched_fields_vary_slower_along_columns() -> None:
    field = smooth_field(canvas(300, 300), 2.0, (1.0, 4.0))
    assert float(torch.diff(field, dim=0).std()) > 2.5 * float(torch.diff(field, dim=1).std())


def test_band_field_peaks_at_its_wavelength() -> None:
    field = band_field(canvas(256, 256), 16.0, 0.1)
    power = torch.fft.fft2(field).abs() ** 2
    frequency = torch.fft.fftfreq(256)
    radius = torch.sqrt(frequency[:, None] ** 2 + frequency[None] ** 2)
    assert float((power * radius).sum() / power.sum()) == pytest.approx(1 / 16, rel=0.1)


def test_blur_of_a_point_is_a_gaussian_and_keeps_flat_images() -> None:
    image = torch.zeros(41, 61)
    image[20, 30] = 1
    got = gaussian_blur(image, 2.0)
    assert float(got[20, 30]) == pytest.approx(1 / (2 * np.pi * 4), rel=0.01)
    assert float(got[20, 34] / got[20, 30]) == pytest.approx(np.exp(-2), rel=0.01)
    assert float(got.sum()) == pytest.approx(1, rel=1e-4)
    np.testing.assert_allclose(gaussian_blur(torch.full((20, 30), 0.3), 9.0), 0.3, rtol=1e-5)
    assert gaussian_blur(image, 0.0) is image


def test_dilation_grows_by_a_square() -> None:
    mask = torch.zeros(20, 30, dtype=torch.bool)
    mask[10, 15] = True
    rows, columns = torch.nonzero(dilated(mask, 2), as_tuple=True)
    assert (rows.min(), rows.max(), columns.min(), columns.max(), len(rows)) == (8, 12, 13, 17, 25)


def brute_force(points: np.ndarray, weights: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    at = np.stack(np.meshgrid(np.arange(96), np.arange(160), indexing="ij"), -1).astype(float)
    power = ((at[:, :, None] - points) ** 2).sum(-1) - weights
    owner = power.argmin(-1)
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    apart[apart == 0] = 1
    walls = (power - power.min(-1, keepdims=True)) / (2 * apart[owner])
    walls[groups[owner][..., None] == groups] = np.inf
    return owner, walls.min(-1)


@pytest.mark.parametrize("grouped", [False, True])
def test_laguerre_equals_brute_force(grouped: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    points, weights = rng.uniform(-20, 180, (90, 2)), rng.uniform(0, 40, 90)
    groups = np.arange(90) // 2 if grouped else np.arange(90)
    place = canvas()
    arguments = (place.coordinates(), place.tensor(points), place.tensor(weights), torch.as_tensor(groups))
    got = laguerre(*arguments)
    owner, depth = brute_force(points, weights, groups)
    assert (got.owner.numpy() == owner).mean() > 0.999
    np.testing.assert_allclose(got.depth.numpy(), depth, atol=0.05)
    soft = laguerre(*arguments, softness=3.0)
    assert (soft.depth <= got.depth + 1e-3).all() and (soft.depth < got.depth - 1).any()
    monkeypatch.setattr(cells_module, "BUDGET", 1)  # one block at a time
    in_pieces = laguerre(*arguments)
    assert torch.equal(in_pieces.owner, got.owner) and torch.equal(in_pieces.depth, got.depth)


def test_two_seeds_by_hand() -> None:
    place = canvas(16, 40)
    seeds = torch.tensor([[8.0, 10.0], [8.0, 30.0]])
    equal = laguerre(place.coordinates(), seeds, torch.zeros(2))
    assert equal.owner[8].tolist() == [0] * 21 + [1] * 19 or equal.owner[8].tolist() == [0] * 20 + [1] * 20
    assert equal.depth[8, 10] == pytest.approx(10) and equal.depth[8, 30] == pytest.approx(10)
    assert (equal.rival[8, :20] == 1).all()
    # The larger one pushes the wall by w / (2 d) = 160 / 40 = 4 pixels: from column 20 to 24.
    unequal = laguerre(place.coordinates(), seeds, torch.tensor([160.0, 0.0]))
    assert unequal.owner[8, 23] == 0 and unequal.owner[8, 25] == 1 and unequal.depth[8, 10] == pytest.approx(14)


def test_hard_core_is_random_sequential_adsorption() -> None:
    rng = np.random.default_rng(0)
    points, radii = rng.uniform(0, 100, (400, 2)), rng.uniform(1, 6, 400)
    kept: list[int] = []
    for index in range(400):
        apart = np.linalg.norm(points[kept] - points[index], axis=1) - radii[kept] - radii[index]
        if not (apart < 1.5).any():
            kept.append(index)
    np.testing.assert_array_equal(np.flatnonzero(hard_core(points, radii, 1.5)), kept)
    assert hard_core(np.zeros((0, 2)), np.zeros(0), 1.0).tolist() == []


def test_lattice_without_jitter_is_square_and_turned() -> None:
    points = jittered_lattice(canvas(), 20.0, 0.0, np.pi / 6)
    middle = points[np.linalg.norm(points - (48, 80), axis=1).argmin()]
    nearest = np.sort(np.linalg.norm(points - middle, axis=1))[1:6]
    np.testing.assert_allclose(nearest, [20, 20, 20, 20, 20 * np.sqrt(2)])
    assert points.min() > -40 and (points.max(0) < (136, 200)).all()


def test_lognormal_radii_and_packing() -> None:
    rng = np.random.default_rng(0)
    radii = lognormal_radii(rng, 5.0, 0.4, 20_000)
    assert np.median(radii) == pytest.approx(5, rel=0.02) and np.log(radii).std() == pytest.approx(0.4, rel=0.03)
    assert radii.max() <= 5 * np.exp(1.2) + 1e-9
    points, kept = packed_discs(canvas(), 4.0, 0.0, 0.5, 2.0)
    apart = np.linalg.norm(points[:, None] - points[None], axis=2) + 1e9 * np.eye(len(points))
    assert apart.min() >= 10 and len(kept) > 20


def test_blobs_have_the_area_and_direction_of_their_ellipse() -> None:
    one = np.ones(1)
    lying = Blobs(np.array([[48.0, 80.0]]), 20 * one, 2 * one, 0 * one, wobble=0.0)
    owner, depth = paint(canvas(), lying)
    inside = (owner == 0).numpy()
    assert inside.sum() == pytest.approx(np.pi * 20 * 10, rel=0.02)
    assert inside.any(0).sum() == 39 and inside.any(1).sum() == 19  # columns, rows: 2 r - 1 on the grid
    assert float(depth[48, 80]) == pytest.approx(20) and float(depth[48, 90]) == pytest.approx(10)
    rough, _ = paint(canvas(), Blobs(np.array([[48.0, 80.0]]), 20 * one, one, 0 * one, wobble=0.3))
    distance = torch.hypot(*(canvas().coordinates() - torch.tensor([48.0, 80.0])[:, None, None]))
    assert float(distance[rough == 0].max()) <= 20 and int((rough == 0).sum()) > 400
    none, _ = paint(canvas(), Blobs(np.zeros((0, 2)), np.zeros(0), np.zeros(0), np.zeros(0), 0.0))
    assert (none == -1).all()


def test_numbering_and_components() -> None:
    assert numbered(torch.tensor([[7, 0], [7, 3]])).tolist() == [[2, 0], [2, 1]]
    assert numbered(torch.tensor([[7, 3]])).tolist() == [[2, 1]]
    mask = torch.zeros(10, 20, dtype=torch.bool)
    mask[1:4, 1:4] = mask[6, 6] = mask[5:9, 10:12] = True
    ids = components(mask, smallest=2)
    assert (ids[2, 2], ids[6, 6], ids[6, 11], ids.max()) == (1, 0, 2, 2)


def fixed(**strengths: tuple[float, float]) -> Nuisances:
    return Nuisances.none().model_copy(update=strengths)


def photograph(grey: torch.Tensor, edges: torch.Tensor | None = None, **strengths: tuple[float, float]) -> torch.Tensor:
    place = canvas(*grey.shape)
    return expose(place, grey, torch.zeros_like(grey) if edges is None else edges, fixed(**strengths))


FLAT = torch.full((200, 300), 0.5)


def test_without_nuisances_the_picture_is_the_specimen() -> None:
    ramp = torch.linspace(0, 1, 300).expand(200, 300)
    np.testing.assert_allclose(photograph(ramp), ramp, atol=1e-5)


def test_noise_has_the_stated_strength() -> None:
    assert float(photograph(FLAT, read_noise=(0.02, 0.02)).std()) == pytest.approx(0.02, rel=0.05)
    shot = photograph(FLAT, shot_noise=(0.04, 0.04))
    assert float(shot.std()) == pytest.approx(0.04 * np.sqrt(0.5), rel=0.05)
    assert float(photograph(FLAT, texture=(0.03, 0.03)).std()) == pytest.approx(0.03, rel=0.05)


def test_contrast_brightness_and_gamma_by_hand() -> None:
    halves = torch.full((20, 40), 0.2)
    halves[:, 20:] = 0.8
    assert photograph(halves, contrast=(0.5, 0.5))[0, 0] == pytest.approx(0.35)
    assert photograph(halves, brightness=(0.4, 0.4))[0, 39] == pytest.approx(0.7)
    assert photograph(halves, gamma=(2.0, 2.0))[0, 0] == pytest.approx(0.04)


def test_edges_shading_and_blur() -> None:
    edges = torch.zeros(20, 40)
    edges[5, 7] = 1
    flat = torch.full((20, 40), 0.5)
    assert photograph(flat, edges, edge_brightening=(0.2, 0.2))[5, 7] == pytest.approx(0.7)
    shaded = photograph(FLAT, shading=(0.2, 0.2))
    assert float(shaded.mean()) == pytest.approx(0.5, abs=1e-4) and 0.02 < float(shaded.max() - shaded.min()) < 0.4
    soft = photograph(flat + 0.5 * edges, blur=(1.0, 1.0))
    assert float(soft[5, 7]) == pytest.approx(0.5 + 0.5 / (2 * np.pi), abs=0.005)


def test_scratches_are_thin_and_as_deep_as_told() -> None:
    assert (scratches(canvas(200, 300), 0, 0.1) == 0).all() and (scratches(canvas(200, 300), 5, 0.0) == 0).all()
    image = scratches(canvas(200, 300), 6, 0.1)
    assert 0.005 < float(image.abs().max()) < 0.25
    assert float((image.abs() > 0.002).float().mean()) < 0.15


def test_nuisances_refuse_nonsense() -> None:
    for bad in ({"blurr": (0, 1)}, {"blur": (2, 1)}, {"blur": (-1, 1)}, {"blur": (0, float("inf"))}):
        with pytest.raises(ValidationError):
            Nuisances.model_validate(bad)
    with pytest.raises(ValidationError):
        Nuisances().blur = (0.0, 1.0)  # type: ignore[misc]


def test_what_is_printed_over_a_picture_is_no_object_and_parts_what_it_crosses() -> None:
    ids = torch.zeros(20, 30, dtype=torch.long)
    ids[5:15, 5:25] = 1
    printed = torch.full((20, 30), torch.nan)
    printed[:, 14:16] = 0.9
    scene = Scene(torch.zeros(20, 30), ids, ids, torch.zeros(20, 30), printed=Overprint(printed))
    image, truth = overprinted(torch.full((20, 30), 0.4), scene)
    assert (image[:, 14:16] == 0.9).all() and (image[:, :14] == 0.4).all()
    assert (truth.phases[:, 14:16] == 0).all() and (truth.phases[5:15, 5:14] == 1).all()
    assert truth.instances[8, 6] != truth.instances[8, 20] and torch.equal(truth.instances > 0, truth.phases > 0)
    assert scene.phases[8, 14] == 1


def test_grey_levels_are_compressed_about_their_mean_only_when_they_reach_too_far() -> None:
    near = torch.tensor([[0.3, 0.5], [0.5, 0.7]])
    assert torch.equal(within_range(near), near)
    far = within_range(torch.tensor([[-1.0, 0.5], [0.5, 2.0]]), reach=0.5)
    torch.testing.assert_close(far, torch.tensor([[0.0, 0.5], [0.5, 1.0]]))
