"""Regions of one texture and their number, discovered without labels."""

from .encoder import STRIDE as STRIDE
from .engines import ENGINES as ENGINES
from .engines import EngineName as EngineName
from .engines import LearnedEngine as LearnedEngine
from .engines import load_engine as load_engine
from .engines import projected_views as projected_views
from .engines import raw_features as raw_features
from .engines import save_engine as save_engine
from .engines import shipped_engine as shipped_engine
from .metric import Metric as Metric
from .metric import Scatter as Scatter
from .paths import Split as Split
from .paths import split_path as split_path
from .regions import METHODS as METHODS
from .regions import MOST_REGIONS as MOST_REGIONS
from .regions import SMALLEST as SMALLEST
from .regions import Discovery as Discovery
from .regions import Method as Method
from .regions import discover as discover
from .selector import Selector as Selector
from .selector import fit_selector as fit_selector
