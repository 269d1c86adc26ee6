"""Its folder is where the tests import :mod:`phase_samples` from."""
