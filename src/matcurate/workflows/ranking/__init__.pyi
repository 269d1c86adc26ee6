"""Predictions → what the experts see next."""

from .rank import RankReport as RankReport
from .rank import as_document as as_document
from .rank import rank_project as rank_project
from .rank import rank_settings as rank_settings
from .score_store import load_embedding as load_embedding
from .score_store import put_embedding as put_embedding
from .scorer import open_scorer as open_scorer
