"""The open installation: settings, catalog, object store, project, pixels, and asking for work."""
