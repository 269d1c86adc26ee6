"""Scale bars that software has drawn into a micrograph."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from matcurate.imaging.scalebar import find_scale_bars

SHAPE = (240, 400)


def ground() -> np.ndarray:
    return np.random.default_rng(0).integers(70, 180, SHAPE).astype(np.uint8)


def drawn(text: str = "200 nm", level: int = 255) -> np.ndarray:
    image = Image.fromarray(ground())
    draw = ImageDraw.Draw(image)
    draw.rectangle((300, 220, 379, 224), fill=level)  # 80 pixels long, 5 thick
    draw.text((340, 214), text, fill=level, font=ImageFont.load_default(18), anchor="mb")
    return np.asarray(image)


def test_bar_and_letters_are_found_in_white_and_in_black() -> None:
    for level in (0, 255):
        (found,) = find_scale_bars(drawn(level=level))
        assert (found.bar.top, found.bar.left, found.bar.height, found.bar.width) == (220, 300, 5, 80)
        assert found.text.bottom <= 219 and 300 <= found.text.left and found.text.right <= 380
        mask = found.mask(SHAPE)
        assert mask[217:228, 297:383].all() and not mask[:180].any() and not mask[:, :290].any()
        assert (mask | (drawn(level=level) == ground())).all()  # nothing that was drawn is left


def test_a_bar_without_letters_may_be_material_and_letters_alone_are_not_sought() -> None:
    assert find_scale_bars(drawn(text="")) == ()
    image = Image.fromarray(ground())
    ImageDraw.Draw(image).text((340, 214), "200 nm", fill=255, font=ImageFont.load_default(18))
    assert find_scale_bars(np.asarray(image)) == ()
    assert find_scale_bars(ground()) == ()
