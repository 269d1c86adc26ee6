"""FEI TIA: images in SER files; the EMI file beside them holds only metadata."""

import re
from functools import partial

from matcurate.errors import UnreadableImageError
from matcurate.imaging.formats.rosetta import RosettaSource
from matcurate.imaging.formats.source import Format, ImageFile, ImageSource


def _refuse_emi(file: ImageFile) -> ImageSource:
    stem = re.sub(r"\.emi$", "", file.name, flags=re.IGNORECASE)
    raise UnreadableImageError(f"{file.name}: an EMI file holds no pixels; name the SER files beside it ({stem}_1.ser)")


FORMATS = (
    Format("SER", (".ser",), ((0, b"II\x97\x01"),), partial(RosettaSource, plugin="tia", suffix=".ser")),
    Format("EMI", (), ((0, b"JK\2\0"),), _refuse_emi, in_one_file=False),
)
