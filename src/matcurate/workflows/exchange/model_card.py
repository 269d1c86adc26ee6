"""The card of an exported model version: what a person should know before they use it, in markdown."""

from __future__ import annotations

from collections.abc import Sequence

from matcurate.workflows.exchange.export_file import Manifest

NO_GOLDEN_SET = "Nobody has measured it on a golden set: how good it is, is not known."


def model_card(manifest: Manifest, preset: str, contents: str) -> str:
    """Write the markdown of a version: its facts, ``contents`` of the file, and ``preset``, the settings as JSON."""
    parts = [
        f"# {_plain(manifest.name)}\n\n{contents} Written by matcurate {manifest.matcurate}.",
        _section("What it is", _table(("what", ""), _facts(manifest))),
        _section("What it learned from", _learned(manifest)),
        _section("What it scores", _scores(manifest)),
        _section("Who promoted it, or took that back", _history(manifest)),
        _section("Limits", "\n".join(f"- {limit}" for limit in _limits(manifest))),
        _section("Settings of the training", f"```json\n{preset.strip()}\n```"),
    ]
    return "\n\n".join(parts) + "\n"


def _facts(manifest: Manifest) -> list[tuple[str, ...]]:
    phases = ", ".join(f"{index} {name}" for index, name in enumerate(manifest.phases))
    return [
        ("trained by", manifest.lab),
        ("registered", f"{manifest.created_at:%Y-%m-%d %H:%M} UTC, run {manifest.run_id}"),
        ("base", f"{manifest.backbone}, sha256 {manifest.base_sha256}"),
        ("phases (id, name)", phases),
        ("settings", f"sha256 {manifest.settings_sha256}"),
        ("weights began", manifest.start or "not known"),
        ("written by", f"{manifest.exported_by}, matcurate {manifest.matcurate}"),
    ]


def _learned(manifest: Manifest) -> str:
    digest = f"Snapshot {manifest.snapshot}."
    data = manifest.training
    if data is None:
        return f"{digest} The lab that wrote this file does not have it."
    pixel = "their pixel size is not known"
    if data.nm_per_px is not None:
        low, high = data.nm_per_px
        pixel = f"{low:g} nm per pixel" if low == high else f"{low:g} to {high:g} nm per pixel"
    return (
        f"{digest} {data.micrographs} corrected micrographs of {data.specimens} named specimens, {pixel}; another "
        f"{data.validation} decided when to stop."
    )


def _scores(manifest: Manifest) -> str:
    if not manifest.measured:
        return NO_GOLDEN_SET
    rows = [
        (
            f"{one.lab} {one.golden[:12]}",
            str(one.images),
            f"{one.dice:.4f}",
            f"{one.fraction_error:.4f}",
            "" if one.boundary_f1 is None else f"{one.boundary_f1:.4f}",
            f"{one.at:%Y-%m-%d}",
        )
        for one in manifest.measured
    ]
    intro = "Means over the golden micrographs, predicted without an expert's phase ratio.\n\n"
    return intro + _table(("golden set", "images", "Dice", "error of area fractions", "boundary F1", "measured"), rows)


def _history(manifest: Manifest) -> str:
    if not manifest.history:
        return "Nobody has."
    rows = [
        (f"{m.at:%Y-%m-%d %H:%M}", m.lab, m.alias, "became" if m.gained else "is no longer", m.who, m.why)
        for m in manifest.history
    ]
    return _table(("when (UTC)", "lab", "alias", "", "who", "why"), rows)


def _limits(manifest: Manifest) -> list[str]:
    size = "It saw micrographs at the size they were recorded in; other magnifications are not its business."
    if manifest.training is not None and manifest.training.nm_per_px is not None:
        low, high = manifest.training.nm_per_px
        size = f"It saw {low:g} to {high:g} nm per pixel, and nothing else; other magnifications are not its business."
    return [
        size,
        "Other alloys, etchings, detectors and instruments than those of its snapshot may go wrong without a sign: "
        "measure it on a golden set of your own ('curate models compare') before you promote it.",
        "The numbers above are those of the labs named there; nothing in this file proves them.",
        "Names and reasons in the history are as the labs wrote them.",
    ]


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_plain(cell) for cell in line)} |" for line in lines)


def _plain(text: str) -> str:
    """Text that breaks no table: on one line, its bars escaped."""
    return " ".join(text.split()).replace("|", "\\|")
