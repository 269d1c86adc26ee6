"""Model versions → files for other labs, and back."""

from .model_export import export_model as export_model
from .model_import import import_model as import_model
from .model_import import take_measurements as take_measurements
