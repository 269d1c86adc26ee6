"""Micrographs → classes of materials, known or new."""

from .classes import Box as Box
from .classes import ClassChange as ClassChange
from .classes import merge as merge
from .classes import name_micrographs as name_micrographs
from .queue import ClassOverview as ClassOverview
from .queue import Crop as Crop
from .queue import Likeness as Likeness
from .queue import Unnamed as Unnamed
from .queue import overview as overview
from .queue import write_examples as write_examples
