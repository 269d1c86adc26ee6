"""Region segmenters: networks that tell textures apart pixel by pixel, trained on collages and on micrographs."""

from .batches import CollageBatches as CollageBatches
from .batches import MixedBatches as MixedBatches
from .batches import region_crops as region_crops
from .model import NetworkSettings as NetworkSettings
from .model import RegionModel as RegionModel
from .settings import RegionSettings as RegionSettings
from .settings import build_region_model as build_region_model
from .weights import RegionWeights as RegionWeights
from .weights import grown_state as grown_state
from .weights import load_regions as load_regions
from .weights import save_regions as save_regions
