"""HyperSpy's own HDF5."""

from functools import partial

from matcurate.imaging.formats.hdf5 import MAGIC, holding
from matcurate.imaging.formats.rosetta import RosettaSource
from matcurate.imaging.formats.source import Format

OPENER = partial(RosettaSource, plugin="hspy", suffix=".hspy")
HOLDS = holding(lambda content: "Experiments" in content or "file_format" in content.attrs)
FORMATS = (Format("HSPY", (".hspy",), MAGIC, OPENER, HOLDS),)
