"""Snapshots → trained model versions, when that is due."""
