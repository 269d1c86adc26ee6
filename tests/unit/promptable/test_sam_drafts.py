"""The lean decoder gives what segment_anything's gives, and drafts are what its logits say."""

import numpy as np
import pytest
import torch

from matcurate.promptable import sam
from matcurate.promptable.decoder import Answers, LeanDecoder
from matcurate.promptable.enlarge import Axis

POINTS = np.array([[[110.0, 40.0], [10.0, 90.0]], [[30.5, 20.25], [0.0, 0.0]], [[159.0, 95.0], [80.0, 50.0]]])
LABELS = np.array([[1, 0], [1, -1], [1, 1]])


@pytest.fixture(scope="module")
def opened(vit_b):
    return vit_b.backbone.open(vit_b.image)


@pytest.fixture(scope="module", params=[1, 2, 4], ids="{} points".format)
def both(request, vit_b, opened):
    """Official logits and qualities of three prompts, and what the lean decoder says, for sharpened attention."""
    model = vit_b.model
    generator = torch.Generator().manual_seed(request.param)
    with torch.inference_mode():
        places = torch.rand(3, request.param, 2, generator=generator) * 900
        sparse, dense = model.prompt_encoder((places, torch.ones(3, request.param)), None, None)
        embedding = 8 * opened._embedding  # random weights attend to everything alike; this makes a difference
        place = model.prompt_encoder.get_dense_pe()
        logits, quality = model.mask_decoder(embedding, place, 5 * sparse, dense, multimask_output=True)
        lean = LeanDecoder(model.mask_decoder, embedding + dense[:1], place)
        answers = lean.answer(5 * sparse)
        return logits, quality, lean, answers


def test_the_lean_decoder_is_the_official_one(both):
    logits, quality, lean, answers = both
    assert torch.allclose(answers.quality, quality, atol=1e-6)
    assert logits.std() > 0.01 and (logits[0] - logits[1]).abs().max() > 1e-4  # there is something to be wrong about
    assert torch.allclose(lean.logits(answers), logits, atol=1e-5)


def test_the_lattice_is_every_fourth_logit_from_the_third_on(both):
    logits, _, lean, answers = both
    lattice = lean.logits(answers, 4)
    assert lattice.shape == (3, 3, 64, 64)
    assert torch.allclose(lattice, logits[..., 2::4, 2::4], atol=1e-5)


def test_one_mask_of_one_prompt_can_be_made_alone(both):
    logits, _, lean, answers = both
    alone = lean.logits(Answers(answers.tokens[1:2], answers.weights[1:2, [2, 0]], answers.quality[1:2]))
    assert torch.allclose(alone[0], logits[1, [2, 0]], atol=1e-5)


def test_qualities_are_cut_to_their_range():
    raw = torch.tensor([[-0.5, 0.25, 1.5]])
    assert Answers(raw, raw, raw).qualities().tolist() == [[0.0, 0.25, 1.0]]


def test_every_enlarged_draft_is_a_mask_that_predict_gives(opened, monkeypatch):
    monkeypatch.setattr(sam, "PROMPTS_AT_ONCE", 2)
    drafted = opened.draft(POINTS, LABELS)
    order = np.array([7, 0, 8, 1, 2, 5, 4, 3, 6])
    made = dict(zip(order.tolist(), drafted.enlarge(order), strict=True))
    assert drafted.drafts.prompts.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    for prompt, candidates in enumerate(opened.predict(POINTS, LABELS)):
        mine = sorted((c for i in range(3) if (c := made[3 * prompt + i]) is not None), key=lambda c: c.area)
        assert [c.box for c in mine] == [c.box for c in candidates]
        assert [c.quality for c in mine] == pytest.approx([c.quality for c in candidates], abs=1e-6)
        assert all(np.mean(a.mask != b.mask) < 1e-3 for a, b in zip(mine, candidates, strict=True))
    for index, candidate in made.items():
        if candidate is not None:
            assert candidate.quality == pytest.approx(drafted.drafts.quality[index], abs=1e-6)


class Fixed:
    """A decoder that gives one prompt's logits (3, 256, 256)."""

    def __init__(self, logits):
        self._logits = logits[None]

    def logits(self, part, step=1):
        return self._logits if step == 1 else self._logits[..., 2::4, 2::4]


def test_drafts_sample_the_masks_at_a_lattice_over_the_image(opened):
    # 96 x 160 is enlarged by 6.4 to 614 x 1024 of the input, of which the 256 x 256 logits see every fourth pixel:
    # logit 4 k + 2 lies at input (4 k + 2.5) * 4, so at image (16 k + 10) / 6.4 = 2.5 k + 1.5625.
    rows, columns = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    discs = [40 - torch.hypot(rows - y, columns - x) for y, x in ((60, 60), (100, 220), (150, 30))]
    drafted = opened.draft(POINTS[:1], LABELS[:1])
    drafted._decoder = Fixed(torch.stack(discs))
    assert drafted.drafts.masks.shape == (3, 38, 64)  # 614 / 16 = 38.4
    rows = np.floor(2.5 * np.arange(38) + 1.5625).astype(int)
    columns = np.floor(2.5 * np.arange(64) + 1.5625).astype(int)
    for draft, candidate in zip(drafted.drafts.masks, drafted.enlarge(np.arange(3)), strict=True):
        assert 50 < draft.sum() < 350
        seen = candidate.paint((96, 160))[np.ix_(rows, columns)]
        assert np.count_nonzero(draft != seen) <= 8  # samples within half a pixel of the outline


def test_stability_is_that_of_masks_one_logit_apart(opened):
    # Three masks of which the lattice says all: everything, nothing, and half at +2 with the other half at -0.5.
    half = torch.cat([torch.full((256, 128), 2.0), torch.full((256, 128), -0.5)], dim=1)
    drafted = opened.draft(POINTS[:1], LABELS[:1])
    drafted._decoder = Fixed(torch.stack([torch.full((256, 256), 5.0), torch.full((256, 256), -5.0), half]))
    assert drafted.drafts.stability.tolist() == [1.0, 0.0, 0.5]
    assert [mask.mean() for mask in drafted.drafts.masks] == [1.0, 0.0, 0.5]


def test_padding_drafts_nothing(opened):
    drafted = opened.draft(POINTS[:2], np.array([[-1, -1], [1, 0]]))
    assert drafted.drafts.prompts.tolist() == [1, 1, 1]
    nothing = opened.draft(np.zeros((0, 1, 2)), np.zeros((0, 1), dtype=int))
    assert nothing.drafts.masks.shape == (0, 38, 64) and nothing.drafts.quality.shape == (0,)
    assert nothing.enlarge(np.empty(0, dtype=np.int64)) == []


@pytest.mark.parametrize(("used", "samples"), [(1024, 64), (614, 38), (768, 48), (10, 0), (11, 1), (26, 1), (27, 2)])
def test_a_sample_counts_when_its_middle_is_in_the_image(used, samples):
    # The middles lie at 10, 26, 42 … of the input.
    assert Axis(256, 1024, used, 7, torch.device("cpu")).samples(4) == samples
