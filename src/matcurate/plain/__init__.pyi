from .inspect import InspectedFile as InspectedFile
from .inspect import InspectedPage as InspectedPage
from .inspect import inspect_files as inspect_files
from .measure import MeasureReport as MeasureReport
from .measure import measure_labels as measure_labels
from .segment import segment_files as segment_files
