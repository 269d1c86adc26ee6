"""What every backbone promises (promptable.protocol), asked of each one in the registry that can run here."""

import numpy as np
import pytest

from matcurate.config import configs_root
from matcurate.promptable.protocol import Backbone, PromptPredictor
from matcurate.promptable.registry import BACKBONES, load_backbone

SHAPE = (96, 160)
ON_DISC, OFF_DISC = (110.0, 40.0), (20.0, 80.0)


@pytest.fixture(scope="module", params=["builtin", "vit_b"])
def backbone(request, tmp_path_factory, vit_b) -> Backbone:
    if request.param == "vit_b":
        return vit_b.backbone
    return load_backbone(request.param, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def image(backbone, vit_b) -> PromptPredictor:
    return backbone.open(vit_b.image)


def prompts(*points):
    places = np.array(points, dtype=float)[:, None, :]
    return places, np.ones(places.shape[:2], dtype=int)


def test_name_and_digest(backbone):
    assert backbone.name in BACKBONES
    assert len(backbone.digest) == 64 and backbone.digest == bytes.fromhex(backbone.digest).hex()
    assert backbone.digest == backbone.digest


def test_its_traits_are_what_it_can_do(backbone, image):
    traits = backbone.traits
    assert hasattr(backbone, "maps") == hasattr(image, "maps") == hasattr(image, "regions") == traits.maps_objects
    assert hasattr(image, "draft") == traits.drafts
    assert hasattr(image, "features") == traits.embeds
    assert (configs_root() / "phase" / f"{traits.family}.yaml").is_file()


def test_the_image_keeps_its_shape(image):
    assert image.shape == SHAPE


def test_candidates_lie_in_the_image_and_are_sorted(image):
    grid = [(x + 0.5, y + 0.25) for y in range(8, 96, 20) for x in range(8, 160, 20)]
    answers = image.predict(*prompts(*grid))
    assert len(answers) == len(grid) == 40
    assert any(answers)
    for candidates in answers:
        assert isinstance(candidates, tuple) and len(candidates) <= 3
        areas = [candidate.area for candidate in candidates]
        assert areas == sorted(areas) and all(area > 0 for area in areas)
        for candidate in candidates:
            top, left, bottom, right = candidate.box
            assert 0 <= top < bottom <= SHAPE[0] and 0 <= left < right <= SHAPE[1]
            sides = candidate.mask[0], candidate.mask[-1], candidate.mask[:, 0], candidate.mask[:, -1]
            assert all(side.any() for side in sides)
            assert 0.0 <= candidate.quality <= 1.0


def test_the_corners_of_the_image_can_be_asked(image):
    assert len(image.predict(*prompts((0, 0), (159, 0), (0, 95), (159.9, 95.9)))) == 4


@pytest.mark.parametrize("point", [(-0.5, 10), (10, -1), (160, 10), (10, 96), (96, 159), (np.nan, 5)])
def test_a_point_outside_the_image_is_refused(image, point):
    with pytest.raises(ValueError, match="lies outside the image of 160 x 96 pixels"):
        image.predict(*prompts(ON_DISC, point))


def test_each_prompt_is_answered_for_itself_and_in_order(image):
    together = image.predict(*prompts(ON_DISC, OFF_DISC))
    apart = [image.predict(*prompts(point))[0] for point in (ON_DISC, OFF_DISC)]
    for one, other in zip(together, apart, strict=True):
        assert [each.box for each in one] == [each.box for each in other]
        assert [each.quality for each in one] == pytest.approx([each.quality for each in other], abs=1e-5)


def test_padding_may_lie_anywhere_and_alone_finds_nothing(image):
    places = np.array([[ON_DISC, (-1.0, 999.0)], [(-1.0, -1.0), (np.nan, 5.0)]])
    padded, nothing = image.predict(places, np.array([[1, -1], [-1, -1]]))
    assert len(padded) > 0 and nothing == ()


def test_no_prompts_no_answers(image):
    assert image.predict(np.zeros((0, 1, 2)), np.zeros((0, 1), dtype=int)) == []


@pytest.mark.parametrize(
    ("points", "labels"),
    [
        (np.zeros((2, 2)), np.ones((2, 2), dtype=int)),
        (np.zeros((2, 1, 2)), np.ones((1, 2), dtype=int)),
        (np.zeros((1, 1, 3)), np.ones((1, 1), dtype=int)),
        (np.zeros((1, 1, 2)), np.full((1, 1), 2)),
    ],
)
def test_prompts_of_another_form_are_refused(image, points, labels):
    with pytest.raises(ValueError, match="must be"):
        image.predict(points, labels)


def test_boxes_are_answered_in_order_inside_the_image(image):
    given = np.array([(90, 20, 130, 60), (0, 0, 160, 96), (-5, 60, 40, 120)], dtype=float)
    answers = image.predict_boxes(given)
    assert len(answers) == 3 and any(answers)
    for candidates in answers:
        assert len(candidates) <= 3 and [each.area for each in candidates] == sorted(each.area for each in candidates)
        for candidate in candidates:
            top, left, bottom, right = candidate.box
            assert 0 <= top < bottom <= SHAPE[0] and 0 <= left < right <= SHAPE[1]
            assert 0.0 <= candidate.quality <= 1.0
    apart = [image.predict_boxes(given[number : number + 1])[0] for number in range(3)]
    for one, other in zip(answers, apart, strict=True):
        assert [each.box for each in one] == [each.box for each in other]
        assert [each.quality for each in one] == pytest.approx([each.quality for each in other], abs=1e-5)
    assert image.predict_boxes(np.zeros((0, 4))) == []


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (170, 0, 180, 9), (9, 9, 3, 20), (0, np.nan, 4, 4)])
def test_a_box_without_a_pixel_is_refused(image, box):
    with pytest.raises(ValueError, match="holds no pixel of the image of 160 x 96 pixels"):
        image.predict_boxes(np.array([(1, 1, 9, 9), box], dtype=float))
