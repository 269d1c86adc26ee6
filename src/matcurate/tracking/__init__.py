"""MLflow: runs, their metrics and data, model versions and aliases. MLflow's objects stay in here."""

import os

# Read by mlflow when it is imported: it shall tell nobody about our runs, and leave the terminal to our own output.
# A model takes no project files of the folder that the command was started in along.
# A server that is down is reported after seconds, not minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
