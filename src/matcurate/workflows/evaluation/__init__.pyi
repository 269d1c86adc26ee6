"""Model versions → what they reach on the golden set, and whether that promotes them."""

from .evaluate import Evaluation as Evaluation
from .evaluate import Means as Means
from .evaluate import compare as compare
from .evaluate import evaluate_without_training as evaluate_without_training
from .measurements import LINE as LINE
from .measurements import SHA256 as SHA256
from .measurements import TAG as TAG
from .measurements import Measurement as Measurement
from .measurements import as_tags as as_tags
from .measurements import measurement as measurement
from .promotion import Decision as Decision
from .promotion import decide_promotion as decide_promotion
