import numpy as np
import pytest
import torch

from matcurate.learned import hypercolumns as room
from matcurate.learned.hypercolumns import hypercolumns
from matcurate.phase.inference import model_input
from matcurate.phase.lora import LoraSettings
from matcurate.phase.model import PhaseModel
from matcurate.phase.unet import UNetSegmenter
from matcurate.promptable.builtin.standard import SPREAD
from tests.unit.small_network import small_network

GREY = np.random.default_rng(0).random((70, 110)).astype(np.float32)


def model_of(scale: float = 1.0) -> PhaseModel:
    segmenter = UNetSegmenter(small_network(), 2, torch.Generator().manual_seed(0))
    return PhaseModel(segmenter, 2, LoraSettings(rank=2), None, scale).eval()


def test_features_are_those_of_the_maps_at_the_pixel() -> None:
    model = model_of()
    rows, columns = np.array([0, 69, 30]), np.array([109, 3, 50])
    found = hypercolumns(model, GREY, rows, columns)
    image = torch.from_numpy(SPREAD * (GREY - GREY.mean()) / GREY.std())[None, None]
    with torch.inference_mode():
        maps = model.described(image, torch.zeros(1, 2)).maps
    # Detail, five levels of the encoder, and what the head gets.
    assert found.widths == (4, 16, 24, 32, 48, 64, 8) and found.features.shape == (3, 196)
    # The finest level has a number of its own at every pixel.
    assert found.features[:, :4] == pytest.approx(maps[0][0, :, rows, columns].T.numpy(), abs=1e-2)
    assert found.features[:, -8:] == pytest.approx(maps[6][0, :, rows, columns].T.numpy(), abs=1e-2)


def test_windows_do_not_show_in_the_finest_map_and_keep_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    model, rng = model_of(), np.random.default_rng(1)
    rows, columns = rng.integers(0, 70, 200), rng.integers(0, 110, 200)
    whole = hypercolumns(model, GREY, rows, columns).features[:, :4].astype(np.float32)
    monkeypatch.setattr(room, "WINDOW", 48)
    parted = hypercolumns(model, GREY, rows, columns).features[:, :4].astype(np.float32)
    # What is finest looks one pixel around: it is the same but at a window's border.
    assert (np.abs(whole - parted).max(axis=1) < 0.01).mean() > 0.9


def test_at_half_the_size_a_pixel_lies_at_half_its_place() -> None:
    flat = np.zeros((64, 96), np.float32)
    flat[40:48, 20:28] = 1.0
    found = hypercolumns(model_of(0.5), flat, np.array([43, 10]), np.array([23, 80])).features
    with torch.inference_mode():
        finest = model_of().described(model_input(model_of(0.5), flat)[None, None], torch.zeros(1, 2)).maps[0][0]
    # (43 + .5) / 2 - .5 = 21.25 lies a quarter of the way from row 21 to 22; column 23 at 11.25.
    expected = sum(
        weight * finest[:, row, column]
        for row, column, weight in ((21, 11, 9 / 16), (22, 11, 3 / 16), (21, 12, 3 / 16), (22, 12, 1 / 16))
    )
    assert found[0, :4] == pytest.approx(expected.numpy(), abs=0.05)


@pytest.mark.parametrize(("row", "column"), [(70, 0), (0, 110), (-1, 0)])
def test_pixels_outside_are_refused(row: int, column: int) -> None:
    with pytest.raises(ValueError, match=r"within \(70, 110\)"):
        hypercolumns(model_of(), GREY, np.array([row]), np.array([column]))
