"""Snapshots → trained model versions, when that is due."""

from .dry_run import report_dry_run as report_dry_run
from .forgetting import ForgettingMatrix as ForgettingMatrix
from .forgetting import VersionRow as VersionRow
from .forgetting import forgetting_matrix as forgetting_matrix
from .retrain import RetrainReport as RetrainReport
from .retrain import as_document as as_document
