"""The embedding cache: what comes out is what went in, within a bound, whoever else is at work."""

import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from matcurate.promptable.embeddings import EmbeddingCache, embedding_key

ENTRY = 4 * 1000
"""Bytes of the values of one test tensor; its file has a header on top."""


def tensor(number):
    return torch.arange(1000, dtype=torch.float32).reshape(1, 10, 100) + number


def key(number):
    return f"{number:064x}"


@pytest.fixture
def cache(tmp_path):
    return EmbeddingCache(tmp_path / "embeddings", 10**6)


def used(cache):
    """Bytes of all entries."""
    return sum(path.stat().st_size for path in cache.root.glob("*.safetensors"))


def file_size(cache):
    """Bytes of the file of one test tensor."""
    cache.put(key(0), tensor(0))
    return used(cache)


def age(cache, number, seconds):
    moment = time.time() - seconds
    os.utime(cache.root / f"{key(number)}.safetensors", (moment, moment))


def test_a_value_comes_back_bit_for_bit(cache):
    value = torch.randn(1, 4, 3, 5, generator=torch.Generator().manual_seed(1))
    assert cache.get(key(1)) is None
    assert cache.put(key(1), value.transpose(2, 3))
    result = cache.get(key(1))
    assert result.dtype == torch.float32 and torch.equal(result, value.transpose(2, 3))
    cache.put(key(1), value.half())
    assert torch.equal(cache.get(key(1)), value.half())


def test_keys_tell_apart_content_shape_type_and_backbone():
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    variants = [
        embedding_key(pixels, "a"),
        embedding_key(pixels, "b"),
        embedding_key(pixels.reshape(3, 2), "a"),
        embedding_key(pixels.view(np.int8), "a"),
        embedding_key(pixels[::-1], "a"),
    ]
    assert len(set(variants)) == 5 and all(len(bytes.fromhex(each)) == 32 for each in variants)
    assert embedding_key(np.asfortranarray(pixels), "a") == variants[0]


def test_the_least_recently_used_goes_first_and_the_bound_holds(cache):
    size = file_size(cache)
    cache.max_bytes = 3 * size
    for number in (1, 2):
        cache.put(key(number), tensor(number))
    for number, seconds in ((0, 30), (1, 20), (2, 10)):
        age(cache, number, seconds)
    assert cache.get(key(0)) is not None  # now the most recently used
    cache.put(key(3), tensor(3))
    assert used(cache) == 3 * size
    assert [cache.get(key(number)) is not None for number in range(4)] == [True, False, True, True]


def test_replacing_a_value_evicts_nothing(cache):
    cache.max_bytes = 2 * file_size(cache)
    cache.put(key(1), tensor(1))
    cache.put(key(1), tensor(9))
    assert torch.equal(cache.get(key(0)), tensor(0)) and torch.equal(cache.get(key(1)), tensor(9))


def test_what_is_larger_than_the_bound_is_not_kept(cache):
    cache.max_bytes = ENTRY
    assert not cache.put(key(1), tensor(1))
    assert used(cache) == 0 and cache.get(key(1)) is None
    with pytest.raises(ValueError, match="must not be negative, got -1"):
        EmbeddingCache(cache.root, -1)


def _flip_a_bit(content):
    return content[:-500] + bytes([content[-500] ^ 1]) + content[-499:]


@pytest.mark.parametrize(
    "damage",
    [lambda content: b"", lambda content: content[:-1], lambda content: b"x" * 200, _flip_a_bit],
    ids=["empty", "truncated", "foreign", "one bit"],
)
def test_a_damaged_file_is_a_miss_and_goes(cache, damage):
    cache.put(key(1), tensor(1))
    (path,) = cache.root.glob("*.safetensors")
    path.write_bytes(damage(path.read_bytes()))
    assert cache.get(key(1)) is None
    assert not path.exists()
    cache.put(key(1), tensor(1))
    assert torch.equal(cache.get(key(1)), tensor(1))


def test_a_file_without_checksum_is_a_miss(cache):
    cache.root.mkdir()
    save_file({"embedding": tensor(1)}, cache.root / f"{key(1)}.safetensors")
    assert cache.get(key(1)) is None and used(cache) == 0


def test_unfinished_files_of_the_dead_go_and_those_of_the_living_stay(cache):
    cache.root.mkdir()
    for name, seconds in (("dead.part", 7200), ("living.part", 60)):
        (cache.root / name).write_bytes(b"half")
        os.utime(cache.root / name, (time.time() - seconds,) * 2)
    cache.put(key(1), tensor(1))
    assert [path.name for path in cache.root.glob("*.part")] == ["living.part"]


def test_a_folder_that_cannot_be_written_or_read_stops_nothing(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    blocked = EmbeddingCache(tmp_path / "file" / "embeddings", 10**6)
    assert not blocked.put(key(1), tensor(1))
    assert "an embedding is not kept (" in caplog.text
    assert blocked.get(key(1)) is None
    (tmp_path / f"{key(2)}.safetensors").mkdir()
    assert EmbeddingCache(tmp_path, 10**6).get(key(2)) is None


def _write(root, bound, first, count, start, results):
    cache = EmbeddingCache(Path(root), bound)
    start.wait()
    kept = [cache.put(key(number % 10), tensor(number % 10)) for number in range(first, first + count)]
    results.put(("written", all(kept)))


def _read(root, bound, seconds, start, results):
    cache = EmbeddingCache(Path(root), bound)
    start.wait()
    right, hits, misses, end = True, 0, 0, time.monotonic() + seconds
    while time.monotonic() < end:
        for number in range(10):
            result = cache.get(key(number))
            hits, misses = hits + (result is not None), misses + (result is None)
            right = right and (result is None or torch.equal(result, tensor(number)))
    results.put(("read", right and hits > 0 and misses > 0))


def test_two_writers_and_a_reader_in_three_processes(cache):
    bound = 4 * file_size(cache)
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(3, timeout=60), context.Queue()
    workers = [
        context.Process(target=_read, args=(cache.root, bound, 2.0, start, results)),
        context.Process(target=_write, args=(cache.root, bound, 0, 150, start, results)),
        context.Process(target=_write, args=(cache.root, bound, 5, 150, start, results)),
    ]
    for worker in workers:
        worker.start()
    answers = sorted(results.get(timeout=60) for _ in workers)
    for worker in workers:
        worker.join(20)
    assert answers == [("read", True), ("written", True), ("written", True)]
    assert 0 < used(cache) <= bound
    assert not list(cache.root.glob("*.part"))
