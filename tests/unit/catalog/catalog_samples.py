"""Images and annotations with made-up but well-formed keys."""

from datetime import UTC, datetime, timedelta

from matcurate.catalog import NewCorrection, NewMicrograph

T0 = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def hash_of(number: int) -> str:
    return f"{number:064x}"


def key_of(number: int, suffix: str = ".png") -> str:
    return f"{hash_of(number)[:2]}/{hash_of(number)}{suffix}"


def image(number: int = 1, **changes: object) -> NewMicrograph:
    values: dict[str, object] = {
        "content_hash": hash_of(number),
        "page": 0,
        "name": f"m{number}.tif",
        "source_path": f"/data/m{number}.tif",
        "object_key": key_of(number, ".tif"),
        "proxy_key": key_of(number),
        "width": 160,
        "height": 96,
        "dtype": "uint16",
    }
    return NewMicrograph(**(values | changes))  # type: ignore[arg-type]


def annotation(ls_annotation_id: int = 7, seconds: float = 0, **changes: object) -> NewCorrection:
    """State of an annotation ``seconds`` after T0."""
    values: dict[str, object] = {
        "ls_annotation_id": ls_annotation_id,
        "result_key": key_of(1000, ".json"),
        "phases_key": key_of(1001),
        "ls_created_at": T0,
        "ls_updated_at": T0 + timedelta(seconds=seconds),
        "received_at": T0 + timedelta(seconds=seconds + 0.5),
        "annotator": "ann@example.org",
        "lead_time": 12.5,
    }
    return NewCorrection(**(values | changes))  # type: ignore[arg-type]
