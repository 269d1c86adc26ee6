"""EMD of Velox (Thermo Fisher) and of Berkeley Lab's NCEM."""

from typing import Any

from matcurate.imaging.formats.hdf5 import MAGIC, holding
from matcurate.imaging.formats.rosetta import RosettaSource
from matcurate.imaging.formats.source import Format, ImageFile, library


def _is_emd(content: Any) -> bool:  # noqa: ANN401 - h5py.File
    velox = "Data" in content and "Operations" in content
    return velox or "version_major" in content.attrs or "emd_group_type" in content.attrs or _has_emd_group(content)


def _has_emd_group(content: Any) -> bool:  # noqa: ANN401 - h5py.File
    return any(
        "emd_group_type" in group.attrs
        for name in ("data", "experimental", "4DSTEM_simulation")
        if name in content
        for group in (content[name], *content[name].values())
    )


def _open(file: ImageFile) -> RosettaSource:
    # Spectrum images are no micrographs and take long to put together; all frames of the images beside them are read.
    left_out = _spectra(file)
    return RosettaSource(file, "emd", ".emd", left_out, select_type="images", load_SI_image_stack=True)


def _spectra(file: ImageFile) -> int:
    """Number of Velox' spectra and spectrum images."""
    file.handle.seek(0)
    with library("h5py", file).File(file.handle, "r") as content:
        data = content["Data"] if "Data" in content else {}
        return sum(len(data[name]) for name in ("Spectrum", "SpectrumImage") if name in data)


FORMATS = (Format("EMD", (".emd",), MAGIC, _open, holds=holding(_is_emd)),)
