"""Micrographs without labels → regions → named classes → a region segmenter; each eases the next."""

from .loop import IterationReport as IterationReport
from .loop import iterate as iterate
from .page import collect_answers as collect_answers
from .page import put_questions as put_questions
from .questions import RegionQuestion as RegionQuestion
from .questions import parse_name as parse_name
from .segmenter import SegmenterReport as SegmenterReport
from .segmenter import class_registry as class_registry
