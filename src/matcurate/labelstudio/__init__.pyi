"""Label Studio: its client, its labelling configuration, its region formats."""

from .annotations import decode_annotation as decode_annotation
from .annotations import encode_prediction as encode_prediction
from .backends import SECRET_HEADER as SECRET_HEADER
from .bars import bars_count as bars_count
from .client import LabelStudioClient as LabelStudioClient
from .config import LOOK_KEY as LOOK_KEY
from .config import LabellingConfig as LabellingConfig
from .config import check_phases as check_phases
from .config import labelling_config as labelling_config
from .config import parse_labelling_config as parse_labelling_config
from .config import shows_look as shows_look
from .connection import read_token as read_token
from .images import fetch_image as fetch_image
from .ratios import Draft as Draft
from .ratios import Ratios as Ratios
from .ratios import asked_ratios as asked_ratios
from .ratios import same_on_the_page as same_on_the_page
from .records import AnnotationRecord as AnnotationRecord
from .records import ImageUpload as ImageUpload
from .records import PredictionRow as PredictionRow
from .records import Sampling as Sampling
from .records import TaskRef as TaskRef
from .regions import Region as Region
from .rle import CHANNELS as CHANNELS
from .rle import decode_rle as decode_rle
from .rle import encode_rle as encode_rle
