from matcurate.tracking.version_tags import VersionTags

STORED = {
    "lab": "north", "snapshot": "a" * 64, "base": "builtin", "base_sha256": "b" * 64, "settings_sha256": "c" * 64,
    "folder": "model", "start": "", "promotion": "no golden set", "golden": "d" * 64, "golden_dice": "0.8751",
    "golden_images": "2", "calibration_ece": "0.031", f"measured.{'d' * 64}": "{}", "alias.champion": '{"who": "ann"}',
    "note": "by hand",
}  # fmt: skip


def test_what_mlflow_stores_is_sorted_into_fields_and_spelled_the_same_again() -> None:
    tags = VersionTags.read(STORED)
    assert (tags.lab, tags.start, tags.original_name, tags.golden) == ("north", "", None, "d" * 64)
    assert tags.golden_means == {"dice": "0.8751", "images": "2"} and tags.calibration == {"ece": "0.031"}
    assert tags.measured == {"d" * 64: "{}"} and tags.moves == {"champion": '{"who": "ann"}'}
    assert tags.other == {"note": "by hand"}
    assert tags.stored() == STORED
    assert VersionTags().stored() == {}
