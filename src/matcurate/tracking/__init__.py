"""MLflow: runs and their metrics. MLflow's objects stay in here."""

import os

# Read by mlflow when it is imported: it shall tell nobody about our runs, and leave stdout to our own output.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
