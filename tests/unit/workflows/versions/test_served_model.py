"""A version as MLflow loads it: what goes in, what comes out, and what it says to nonsense."""

import base64
import shutil

import numpy as np
import pandas as pd
import pytest

from matcurate.errors import CheckpointError, UnreadableImageError
from matcurate.imaging.labels import decode_labels
from matcurate.learned.evidence import EVIDENCE_FILE, fit_evidence, predict_with_vacuity
from matcurate.phase.build import base_of, build_model
from matcurate.phase.inference import phase_shares
from matcurate.phase.plm import PlmSettings
from matcurate.phase.ratios import exact_ratio, no_ratio
from matcurate.phase.samples import Picture
from matcurate.phase.storage import load_adapter, save_adapter
from matcurate.promptable.registry import load_backbone
from matcurate.uncertainty.pixels import PixelSettings
from matcurate.uncertainty.storage import save_pixel_head
from matcurate.workflows.versions import write_served_files
from matcurate.workflows.versions.served_model import ANSWERS, MAX_SOFTMAX, VACUITY, served_model
from tests.unit.lab_samples import TINY
from tests.unit.loop_samples import disc, png, tiff

PHASES = ("matrix", "γ'", "carbide")
FEW = PixelSettings(hidden=8, pixels=200, steps=4)


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files of a version with the Phase Learning Module, as they are registered."""
    made = tmp_path_factory.mktemp("version") / "model"
    write_served_files(made)
    backbone = load_backbone("builtin", made)
    settings = TINY.model_copy(update={"plm": PlmSettings(hidden=4)})
    model = build_model(backbone, 3, settings, 1)
    save_adapter(made / "adapter.safetensors", model, base_of(backbone), PHASES, settings)
    return made


@pytest.fixture(scope="module")
def model(folder):
    """Through MLflow's own door, with the schema it checks."""
    import mlflow.pyfunc

    return mlflow.pyfunc.load_model(str(folder), suppress_warnings=True)


def test_masks_are_those_of_the_model(folder, model):
    image = disc(40, 70)
    (answer,) = model.predict(pd.DataFrame([{"image": text(png(image))}]))
    assert list(answer) == [column.name for column in ANSWERS]
    network = load_adapter(folder / "adapter.safetensors").model(load_backbone("builtin", folder))
    shares = phase_shares(network, image.astype(np.float32) / 255, no_ratio(3))
    mask = decode_labels(base64.b64decode(answer["mask"]))
    assert mask.shape == (96, 160)
    np.testing.assert_array_equal(mask, shares.argmax(axis=0))
    assert answer["phases"] == list(PHASES) and answer["fractions"] == pytest.approx(list(exact_ratio(mask, 3)))
    unsure = decode_labels(base64.b64decode(answer["uncertainty"]))
    np.testing.assert_allclose(unsure / 255, 1 - shares.max(axis=0), atol=0.5 / 255 + 1e-6)
    assert answer["mean_uncertainty"] == pytest.approx(float(1 - shares.max(axis=0).mean()), abs=1e-6)
    assert answer["uncertainty_kind"] == MAX_SOFTMAX


def test_with_a_head_of_evidence_the_uncertainty_is_vacuity(folder, tmp_path):
    import mlflow.pyfunc

    made = tmp_path / "model"
    shutil.copytree(folder, made)
    adapter = load_adapter(made / "adapter.safetensors")
    network = adapter.model(load_backbone("builtin", made))
    image = disc(40, 70)
    grey = image.astype(np.float32) / 255
    head = fit_evidence(network, [Picture("disc", grey, (grey > 0.5).astype(np.uint8))], PHASES, 0, FEW)
    save_pixel_head(made / EVIDENCE_FILE, head, adapter.card.tensors_sha256)
    (answer,) = mlflow.pyfunc.load_model(str(made), suppress_warnings=True).predict(
        pd.DataFrame([{"image": text(png(image))}])
    )
    prediction = predict_with_vacuity(network, head, grey, no_ratio(3))
    assert answer["uncertainty_kind"] == VACUITY
    unsure = decode_labels(base64.b64decode(answer["uncertainty"]))
    np.testing.assert_allclose(unsure / 255, prediction.vacuity, atol=0.5 / 255 + 1e-6)
    np.testing.assert_array_equal(decode_labels(base64.b64decode(answer["mask"])), prediction.shares.argmax(axis=0))
    save_pixel_head(made / EVIDENCE_FILE, head, "0" * 64)
    with pytest.raises(CheckpointError, match="pixel head belongs to the model 000000000000"):
        served_model(made)


def test_rows_keep_their_order_and_a_ratio_is_heard(model):
    one, other = text(tiff(disc(40, 70).astype(np.uint16) * 257)), text(png(disc(20, 30)[:48]))
    told = model.predict(
        pd.DataFrame(
            [{"image": one, "ratio": [0.1, 0.8, 0.1]}, {"image": other, "ratio": []}, {"image": one, "ratio": []}]
        )
    )
    shapes = [decode_labels(base64.b64decode(each["mask"])).shape for each in told]
    assert shapes == [(96, 160), (48, 160), (96, 160)]
    assert told[0]["uncertainty"] != told[2]["uncertainty"]
    (alone,) = model.predict(pd.DataFrame([{"image": one, "ratio": [0.0, 0.0, 0.0]}]))
    assert alone == told[2]


def test_a_measured_ratio_is_met(model):
    noisy = disc(40, 70) // 2 + np.random.default_rng(0).integers(0, 60, (96, 160)).astype(np.uint8)
    row = {"image": text(png(noisy)), "ratio": [0.3, 0.6, 0.1]}
    met, guessed = model.predict(pd.DataFrame([row | {"trust": "measured"}, row | {"trust": "guess"}]))
    assert met["fractions"] == pytest.approx([0.3, 0.6, 0.1], abs=0.01)
    assert guessed["fractions"] != pytest.approx([0.3, 0.6, 0.1], abs=0.01)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"image": "§"}, "image 0: not base64"),
        ({"image": text(b"no image")}, "image 0"),
        ({"image": text(png(disc(40, 70))), "ratio": [0.5, 0.5]}, "give one fraction for each of matrix, γ', carbide"),
        ({"image": text(png(disc(40, 70))), "ratio": [0.5, 0.6, 0.5]}, "with sum 1"),
        ({"image": text(png(disc(40, 70))), "ratio": [1.5, -0.5, 0.0]}, "not negative"),
        ({"image": text(png(disc(40, 70))), "ratio": [0.5, 0.5, 0.0], "trust": "sure"}, "its trust is 'sure'"),
    ],
)
def test_nonsense_is_named(model, row, said):
    with pytest.raises(UnreadableImageError, match=said):
        model.predict(pd.DataFrame([row]))


def test_the_environment_is_written_down_and_nothing_is_pickled(folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {"MLmodel", "adapter.safetensors", "conda.yaml", "python_env.yaml", "requirements.txt"}
    wanted = (folder / "requirements.txt").read_text().splitlines()
    named = {line.split("==")[0] for line in wanted}
    assert {"matcurate", "torch", "peft", "safetensors", "mlflow"} <= named and "ruff" not in named
    assert all("==" in line and "+" not in line for line in wanted)


def test_an_official_base_that_is_not_in_the_store_says_the_remedy(tmp_path, tiny_vit_b, monkeypatch):
    from matcurate.promptable.embeddings import EmbeddingCache
    from matcurate.promptable.sam import SamBackbone

    backbone = SamBackbone("vit_b", None, EmbeddingCache(tmp_path / "cache", 2**20), device="cpu")
    settings = TINY.model_copy(update={"image_size": 64})
    save_adapter(
        tmp_path / "adapter.safetensors", build_model(backbone, 3, settings, 0), base_of(backbone), PHASES, settings
    )
    monkeypatch.setenv("CURATE_HOME", str(tmp_path / "home"))
    with pytest.raises(CheckpointError, match="'curate checkpoints pull vit_b'"):
        served_model(tmp_path)
