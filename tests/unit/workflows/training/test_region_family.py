"""The way of a region segmenter through the loop: training, registry, golden set, service, and another lab."""

import base64

import numpy as np
import pandas as pd
import pytest
import yaml

from matcurate.config import load_settings, save_settings
from matcurate.errors import ConfigError
from matcurate.imaging.labels import decode_labels
from matcurate.phase.inference import segment_phases
from matcurate.phase.ratios import no_ratio
from matcurate.phase.samples import grey_levels
from matcurate.workflows.exchange import export_model, import_model
from matcurate.workflows.exchange.export_file import read_export
from matcurate.workflows.home import backbone_of, initialise, load_original, open_workspace
from matcurate.workflows.presegment import choose_presegmenter
from matcurate.workflows.training.forgetting import forgetting_matrix
from matcurate.workflows.training.retrain import retrain
from matcurate.workflows.versions import load_adapter_of, open_registry, promote, rollback
from matcurate.workflows.versions.served_model import served_model
from tests.unit.learning_samples import add_disc, correct
from tests.unit.loop_samples import disc, png

REGIONS = {
    "name": "tiny",
    "model": {"width": 8},
    "train": {
        "steps": 24,
        "learning_rate": 0.003,
        "warmup": 2,
        "validate_every": 8,
        "head_rate": 5,
        "sampling": {"crop": 64, "batch": 2},
    },
    "collages": {"size": [64, 64]},
    "collage_share": 0.25,
}
ADAPTERS = {
    "name": "tiny",
    "model": {"lora": {"rank": 2}, "plm": None},
    "train": {"steps": 2, "warmup": 1, "sampling": {"crop": 64, "batch": 2}},
}


def lab(folder, name, store, model, preset, phases=("precipitate",)):
    """Home of a lab that trains models of a kind."""
    initialise(load_settings(folder), name, phases, "phases")
    return trains(folder, name, store, model, preset)


def trains(folder, name, store, model, preset):
    file = folder / f"{model}.yaml"
    file.write_text(yaml.safe_dump(preset))
    options = {"min_corrections": 2, "new_corrections": 2, "preset": str(file), "model": model, "validation_share": 0.3}
    save_settings(folder, {"lab": name, "project": name, "retrain": options, "tracking_uri": store})
    return open_workspace(load_settings(folder))


def teach(workspace, folder, count=4, golden=2):
    """The ground around the disc is the phase here: MatSAM takes the disc for it."""
    for index in range(count + golden):
        micrograph = add_disc(workspace, folder, specimen=f"s{index}", golden=index >= count)
        correct(workspace, micrograph, (load_original(workspace, micrograph).pixels <= 100).astype(np.uint8))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


def test_a_region_segmenter_goes_the_way_of_every_model(store, tmp_path):
    north = lab(tmp_path / "north", "north", store, "regions", REGIONS)
    teach(north, tmp_path / "in")
    report = retrain(north)
    assert report.promoted and report.why.startswith("against MatSAM on 2 golden micrographs")
    assert report.metrics.overall.dice > 0.8 and report.metrics.reliability is not None
    registry = open_registry(north)
    version = registry.by_alias("champion")
    weights = load_adapter_of(registry, version)
    assert weights.family == version.tags.family == "regions" and weights.card.phases == ("matrix", "precipitate")

    serving = choose_presegmenter(north)
    assert (serving.version, serving.method) == (report.model_version, "Region segmenter")
    image = disc(40, 70)
    phases = segment_phases(weights.model(backbone_of(north, "builtin")), grey_levels(image), no_ratio(2))
    np.testing.assert_array_equal(serving.segment(image).phases, phases)
    served = served_model(registry.download(version, tmp_path / "files"))
    (answer,) = served.predict(pd.DataFrame([{"image": base64.b64encode(png(image)).decode()}]))
    np.testing.assert_array_equal(decode_labels(base64.b64decode(answer["mask"])), phases)
    assert answer["uncertainty_kind"] == "vacuity"

    again = retrain(north)
    assert registry.by_alias("challenger").tags.start == f"from {report.model_version}"
    assert again.champion_metrics.overall == report.metrics.overall
    if not again.promoted:
        promote(north, registry, again.model_version, why="a test")
    rollback(north, registry, why="a test")
    assert choose_presegmenter(north).version == report.model_version

    file = tmp_path / "regions.matcurate"
    export_model(north, registry, report.model_version, file)
    assert "region segmenter" in read_export(file).members["card.md"].decode()
    south = lab(tmp_path / "south", "south", store, "regions", REGIONS)
    arrived = import_model(south, open_registry(south), file).version
    assert arrived.tags.family == "regions"
    promote(south, open_registry(south), arrived.name, why="a test")
    here = load_adapter_of(open_registry(south), arrived)
    assert here.card.tensors_sha256 == weights.card.tensors_sha256
    np.testing.assert_array_equal(choose_presegmenter(south).segment(image).phases, phases)


def test_kinds_of_models_follow_each_other(store, tmp_path):
    """Adapters after a region segmenter begin from the base; both are measured on one golden set."""
    east = lab(tmp_path / "east", "east", store, "regions", REGIONS)
    teach(east, tmp_path / "in", golden=1)
    first = retrain(east)
    assert first.promoted
    east = trains(tmp_path / "east", "east", store, "lora", ADAPTERS)
    second = retrain(east)
    registry = open_registry(east)
    start = registry.by_alias("challenger").tags.start
    assert start == f"from the base: {first.model_version} has other kind of model and settings of the model"
    assert second.champion_metrics.overall == first.metrics.overall
    matrix = forgetting_matrix(east, registry)
    assert [len(row.measured) for row in matrix.rows] == [1, 1] and not any(row.problem for row in matrix.rows)
    preset = tmp_path / "east" / "lora.yaml"
    save_settings(tmp_path / "east", {"retrain": {"model": "regions", "preset": str(preset)}})
    with pytest.raises(ConfigError, match=r"lora\.yaml: model\.lora"):
        retrain(open_workspace(load_settings(tmp_path / "east")))
