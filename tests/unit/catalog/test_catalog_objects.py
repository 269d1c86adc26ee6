import hashlib
import os
import threading
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcurate.catalog import ObjectStore
from matcurate.errors import CatalogError

DATA = b"\x89PNG not really"
DIGEST = hashlib.sha256(DATA).hexdigest()
KEY = f"{DIGEST[:2]}/{DIGEST}.png"


@pytest.fixture(params=["path", "file", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    folder = tmp_path / "the objects"
    return {"path": str(folder), "file": f"file://{folder}", "memory": f"memory://{tmp_path.name}/objects/"}[
        request.param
    ]


def files_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_what_is_put_is_what_is_got(url: str) -> None:
    store = ObjectStore(url)
    assert not store.exists(KEY)
    assert store.put(DATA, ".png") == KEY
    assert store.exists(KEY)
    assert store.get(KEY) == DATA
    assert ObjectStore(url).get(KEY) == DATA


def test_putting_again_changes_nothing(tmp_path: Path) -> None:
    store = ObjectStore(str(tmp_path))
    keys = {store.put(DATA, ".png") for _ in range(3)}
    assert keys == {KEY}
    assert files_of(tmp_path) == [KEY]


def test_suffixes_tell_kinds_apart(tmp_path: Path) -> None:
    store = ObjectStore(str(tmp_path))
    assert store.put(DATA, ".json.gz") == f"{DIGEST[:2]}/{DIGEST}.json.gz"
    assert store.put(DATA, "") == f"{DIGEST[:2]}/{DIGEST}"
    assert store.get(f"{DIGEST[:2]}/{DIGEST}") == DATA


@given(data=st.binary(max_size=300))
def test_any_content_comes_back(data: bytes) -> None:
    store = ObjectStore("memory://property")
    assert store.get(store.put(data, ".bin")) == data


def test_only_a_local_object_has_a_path(tmp_path: Path) -> None:
    local = ObjectStore(str(tmp_path))
    path = local.local_path(local.put(DATA, ".png"))
    assert path == tmp_path / KEY
    assert path.read_bytes() == DATA
    assert ObjectStore("memory://x").local_path(KEY) is None


@pytest.mark.parametrize("suffix", ["png", ".PNG", "./x", ".a/../b", ".png\n"])
def test_bad_suffixes_are_refused(suffix: str) -> None:
    with pytest.raises(ValueError, match="suffix looks like"):
        ObjectStore("memory://x").put(DATA, suffix)


@pytest.mark.parametrize(
    "key",
    ["../secret", f"../{KEY}", f"/{KEY}", "aa/" + "b" * 64, KEY + "/../x", KEY.upper(), KEY + "\n", DIGEST, ""],
)
def test_bad_keys_are_refused_before_the_disk_is_touched(tmp_path: Path, key: str) -> None:
    store = ObjectStore(str(tmp_path))
    for use in (store.get, store.exists, store.local_path):
        with pytest.raises(CatalogError, match="is no key of the object store"):
            use(key)


def test_damage_is_noticed_on_reading(tmp_path: Path) -> None:
    store = ObjectStore(str(tmp_path))
    store.put(DATA, ".png")
    flipped = bytes([DATA[0] ^ 1]) + DATA[1:]
    (tmp_path / KEY).write_bytes(flipped)
    with pytest.raises(CatalogError, match=rf"object {KEY} in .* is damaged; restore it"):
        store.get(KEY)


def test_an_object_cut_off_by_a_crash_is_written_again(tmp_path: Path) -> None:
    store = ObjectStore(str(tmp_path))
    store.put(DATA, ".png")
    (tmp_path / KEY).write_bytes(DATA[:5])
    store.put(DATA, ".png")
    assert store.get(KEY) == DATA


def test_a_missing_object_is_named(url: str) -> None:
    with pytest.raises(CatalogError, match=f"object {KEY} is not in .*; restore it from a backup"):
        ObjectStore(url).get(KEY)


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "objects").write_text("a file")
    with pytest.raises(CatalogError, match=rf"cannot write object {KEY} to .*objects: Not a directory"):
        ObjectStore(str(tmp_path / "objects")).put(DATA, ".png")


def test_an_object_that_cannot_be_read_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / KEY).mkdir(parents=True)
    with pytest.raises(CatalogError, match=rf"cannot read object {KEY} from .*: Is a directory"):
        ObjectStore(str(tmp_path)).get(KEY)


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CatalogError, match="No space left on device; check the rights and the free space"):
        ObjectStore(str(tmp_path)).put(DATA, ".png")
    assert files_of(tmp_path) == []


@pytest.mark.parametrize(("url", "message"), [("nosuch://x", "nosuch"), ("abfs://x/y", "adlfs")])
def test_an_unusable_address_says_why(url: str, message: str) -> None:
    with pytest.raises(CatalogError, match=message) as refusal:
        ObjectStore(url)
    assert "\n" not in str(refusal.value)


def test_several_writers_of_one_object(tmp_path: Path) -> None:
    data = bytes(range(256)) * 4000
    store, keys, start = ObjectStore(str(tmp_path)), [], threading.Barrier(8)

    def write() -> None:
        start.wait()
        keys.append(store.put(data, ".bin"))

    writers = [threading.Thread(target=write) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(keys) == 8
    assert files_of(tmp_path) == [keys[0]]
    assert store.get(keys[0]) == data


def test_the_memory_store_is_fsspecs(tmp_path: Path) -> None:
    key = ObjectStore(f"memory://{tmp_path.name}").put(DATA, ".png")
    assert fsspec.filesystem("memory").cat_file(f"/{tmp_path.name}/{key}") == DATA
