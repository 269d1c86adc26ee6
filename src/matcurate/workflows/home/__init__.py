"""The open installation: settings, catalog, object store, project, pixels, and asking for work."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
