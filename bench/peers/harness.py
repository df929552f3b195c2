"""Measures how one library saves a replay buffer, and checks what it brings back.

A peer is a class with `add`, `save`, `load` and `rows`; `main(Peer)` does the rest, the same for all of them:

    python <peer>.py measure DATA WORK RESULT    fills a buffer, saves it, adds 1 % new rows, saves again
    python <peer>.py restore DATA WORK RESULT    in a new process: loads the second save, then checks both

The new rows are added the moment `save` returns, as training would, and before an asynchronous save is complete: rows
of the first save that come back different are counted as torn.
"""

import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np

Rows = dict[str, np.ndarray]
CHUNK_BYTES = 64 * 2**20


class Data:
    """The rows that the bench wrote, one raw file a field; `capacity` fill the buffer, `added` come after them."""

    def __init__(self, folder: Path) -> None:
        meta = json.loads((folder / "meta.json").read_text())
        self.folder = folder
        self.capacity: int = meta["capacity"]
        self.added: int = meta["added"]
        self.fields: dict[str, tuple[np.dtype, tuple[int, ...]]] = {
            name: (np.dtype(field["dtype"]), tuple(field["shape"])) for name, field in meta["fields"].items()
        }
        self.row_bytes = sum(dtype.itemsize * int(np.prod(shape)) for dtype, shape in self.fields.values())

    def rows(self, start: int, stop: int) -> Rows:
        """Reads rows [start, stop) into memory of their own."""
        rows = {}
        for name, (dtype, shape) in self.fields.items():
            length = int(np.prod(shape))
            with open(self.folder / f"{name}.raw", "rb") as file:
                file.seek(start * length * dtype.itemsize)
                values = np.fromfile(file, dtype, (stop - start) * length)
            rows[name] = values.reshape(stop - start, *shape)
        return rows

    def chunks(self, start: int, stop: int) -> Iterator[Rows]:
        """The same, some 64 MiB at a time."""
        step = max(1, CHUNK_BYTES // self.row_bytes)
        for at in range(start, stop, step):
            yield self.rows(at, min(stop, at + step))


class Peer(Protocol):
    """What a script of a peer provides."""

    version: str
    # Whether the peer itself calls fsync before it says that a save is complete, as seen by strace.
    syncs: bool

    def __init__(self, data: Data, work: Path) -> None: ...

    def add(self, rows: Rows) -> None:
        """Appends rows to the buffer, over the oldest ones when it is full."""

    def save(self, number: int) -> Callable[[], None] | None:
        """Saves as the 1st or 2nd checkpoint, under `work/saved`; returns what waits until that is complete, if any."""

    def load(self, number: int) -> None:
        """Restores into the buffer; the time until it returns counts."""

    def rows(self) -> Iterator[Rows]:
        """The buffer's rows, the oldest first, after `load`."""


class DenseRing:
    """A dense array a field, rows overwritten in place: what peers are handed that bring no buffer of their own."""

    def __init__(self, data: Data) -> None:
        self.capacity = data.capacity
        self.position = 0
        self.arrays = {name: np.zeros((data.capacity, *shape), dtype) for name, (dtype, shape) in data.fields.items()}

    def add(self, rows: Rows) -> None:
        count = len(next(iter(rows.values())))
        first = min(count, self.capacity - self.position)
        for name, array in self.arrays.items():
            array[self.position : self.position + first] = rows[name][:first]
            array[: count - first] = rows[name][first:]
        self.position = (self.position + count) % self.capacity

    def rows(self) -> Iterator[Rows]:
        for start, stop in ((self.position, self.capacity), (0, self.position)):
            yield {name: array[start:stop] for name, array in self.arrays.items()}


def resident(key: str) -> int:
    """VmRSS or VmHWM in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"no {key} in /proc/self/status")


def listing(folder: Path) -> dict[Path, tuple[int, int]]:
    """Size and time of change of every file below a folder."""
    stats = {path: path.stat() for path in folder.rglob("*") if path.is_file()}
    return {path: (stat.st_size, stat.st_mtime_ns) for path, stat in stats.items()}


def sync_tree(folder: Path) -> None:
    """Makes files and folders durable, for peers that leave it to the system."""
    for path in [folder, *folder.rglob("*")]:
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


def save_once(peer: Peer, number: int, saved: Path, meanwhile: Callable[[], None]) -> dict[str, Any]:
    """Saves, and tells how long that blocked, when it was complete and durable, and what it took."""
    gc.collect()
    os.sync()
    before = listing(saved)
    # Sets the mark that VmHWM keeps back to what is resident now.
    Path("/proc/self/clear_refs").write_text("5")
    resident_before = resident("VmRSS")
    started = time.perf_counter()
    wait = peer.save(number)
    blocked = time.perf_counter()
    if wait is not None:
        meanwhile()
        wait()
    complete = time.perf_counter()
    sync_tree(saved)
    durable = complete if peer.syncs else time.perf_counter()
    extra = max(0, resident("VmHWM") - resident_before)
    if wait is None:
        meanwhile()
    changed = [path for path, stat in listing(saved).items() if before.get(path) != stat]
    return {
        "blockedMs": 1000 * (blocked - started),
        "completeMs": 1000 * (complete - started),
        "durableMs": 1000 * (durable - started),
        "extraRssBytes": extra,
        "writtenBytes": sum(path.stat().st_size for path in changed),
    }


def measure(create: type[Peer], data: Data, work: Path) -> dict[str, Any]:
    """Fills the buffer and saves it twice."""
    saved = work / "saved"
    saved.mkdir()
    peer = create(data, work)
    for rows in data.chunks(0, data.capacity):
        peer.add(rows)
    new = data.rows(data.capacity, data.capacity + data.added)
    first = save_once(peer, 1, saved, lambda: peer.add(new))
    second = save_once(peer, 2, saved, lambda: None)
    return {"version": peer.version, "syncs": peer.syncs, "first": first, "second": second}


def different_rows(peer: Peer, data: Data, start: int) -> int:
    """How many restored rows are not those of the file from `start` on."""
    at, count = start, 0
    for rows in peer.rows():
        length = len(rows["reward"])
        for offset in range(0, length, max(1, CHUNK_BYTES // data.row_bytes)):
            stop = min(length, offset + max(1, CHUNK_BYTES // data.row_bytes))
            wanted = data.rows(at + offset, at + stop)
            differs = np.zeros(stop - offset, bool)
            for name, values in wanted.items():
                if name in rows:
                    got = np.asarray(rows[name][offset:stop]).reshape(stop - offset, -1)
                    differs |= (got != values.reshape(stop - offset, -1)).any(axis=1)
            count += int(differs.sum())
        at += length
    if at - start != data.capacity:
        raise RuntimeError(f"{at - start} rows came back, {data.capacity} were saved")
    return count


def restore(create: type[Peer], data: Data, work: Path) -> dict[str, Any]:
    """Times a restore of the second save, and checks both against the data."""
    peer = create(data, work)
    started = time.perf_counter()
    peer.load(2)
    restore_ms = 1000 * (time.perf_counter() - started)
    wrong = different_rows(peer, data, data.added)
    if wrong > 0:
        raise RuntimeError(f"{wrong} of {data.capacity} rows of the second save came back different")
    del peer
    gc.collect()
    peer = create(data, work)
    peer.load(1)
    return {"restoreMs": restore_ms, "tornRows": different_rows(peer, data, 0)}


def main(create: type[Peer]) -> None:
    """The command line of a peer's script."""
    mode, data, work, result = sys.argv[1], *map(Path, sys.argv[2:5])
    run = {"measure": measure, "restore": restore}[mode]
    measured = run(create, Data(data), work)
    result.write_text(json.dumps(measured))
    # Some libraries keep threads that would wait for one another at the end.
    sys.stdout.flush()
    os._exit(0)
