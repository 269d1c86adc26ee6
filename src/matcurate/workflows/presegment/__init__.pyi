"""Micrographs → predictions, by MatSAM or by the champion."""

from .clicks import Clicks as Clicks
from .clicks import object_prompts as object_prompts
from .predict import Answer as Answer
from .predict import answer_tasks as answer_tasks
from .predict import check_label_config as check_label_config
from .presegment import Selection as Selection
from .presegment import presegment_micrographs as presegment_micrographs
from .presegment import register_version as register_version
from .presegmenter import Learned as Learned
from .presegmenter import PreSegmenter as PreSegmenter
from .presegmenter import ZeroShot as ZeroShot
from .presegmenter import choose_presegmenter as choose_presegmenter
from .presegmenter import open_presegmenter as open_presegmenter
from .presegmenter import zero_shot as zero_shot
from .serving import Serving as Serving
