"""Micrographs → classes of materials, known or new."""

from .classes import Box as Box
from .classes import ClassChange as ClassChange
from .classes import merge as merge
from .classes import name_micrographs as name_micrographs
from .queue import ClassOverview as ClassOverview
from .queue import Crop as Crop
from .queue import SimilarClass as SimilarClass
from .queue import UnnamedMicrograph as UnnamedMicrograph
from .queue import overview as overview
from .queue import write_examples as write_examples
from .regions import open_region_classifier as open_region_classifier
