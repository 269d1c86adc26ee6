"""Start and stop Label Studio, MLflow, the backend and the worker on this machine."""
