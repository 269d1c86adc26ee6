"""MLflow: runs and their metrics. MLflow's objects stay in here."""
