"""Fisher scores of a model that predicts a pixel from its neighbours: what they say about where texture changes."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
