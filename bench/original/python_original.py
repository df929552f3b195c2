"""The design that Varve replaces, written from its description: a deque, pickle, gzip at level 6, a pool of 4 threads.

    python python_original.py VARIANT DATA WORK RESULT SECONDS

A trainer multiplies matrices and appends a transition now and then; a generation is a fixed number of steps, sized so
that it takes SECONDS when nothing else goes on. Variants: `blocking` saves in the loop, as before the design; the others
save in the pool while the next generations train: `live` pickles the deque that training appends to, as described;
`list` copies the references first; `ring` overwrites preallocated rows in place instead of appending to a deque.
"""

import collections
import gc
import gzip
import json
import os
import pickle
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "peers"))
from harness import Data, resident  # noqa: E402

# New transitions in one generation: a 25th of the buffer, as the original's 50,000 came in 25 generations.
NEW_PART = 25
FIELDS = ("observation", "next_observation", "action", "reward", "terminated")
Transition = dict[str, Any]


class Trainer:
    """Fills the buffer, and trains: `matrices` products and some appended transitions a generation."""

    def __init__(self, data: Data, in_place: bool) -> None:
        self.data = data
        self.in_place = in_place
        self.total = 0
        self.weights = np.full((96, 96), 0.01, np.float32)
        self.source = data.rows(0, data.capacity + data.added)
        self.buffer: collections.deque[Transition] | list[Transition] = collections.deque(maxlen=data.capacity)
        if in_place:
            self.buffer = [self.transition(row) for row in range(data.capacity)]
            self.total = data.capacity
        else:
            for _ in range(data.capacity):
                self.append()

    def transition(self, number: int) -> Transition:
        row = number % (self.data.capacity + self.data.added)
        return {name: self.source[name][row].copy() for name in FIELDS} | {"id": number}

    def append(self) -> None:
        if self.in_place:
            slot, new = self.buffer[self.total % self.data.capacity], self.transition(self.total)
            for name in ("observation", "next_observation", "action"):
                slot[name][...] = new[name]
            slot |= {name: new[name] for name in ("reward", "terminated", "id")}
        else:
            self.buffer.append(self.transition(self.total))
        self.total += 1

    def generation(self, matrices: int) -> float:
        """Trains for a fixed number of steps; returns how long that took, in seconds."""
        started = time.perf_counter()
        new = max(1, self.data.capacity // NEW_PART)
        for step in range(matrices):
            self.weights @ self.weights
            if step % (matrices // new) == 0:
                self.append()
        return time.perf_counter() - started


def save(snapshot: Any, path: Path) -> None:
    """Pickles and compresses; as described, without fsync."""
    with gzip.open(path, "wb", compresslevel=6) as file:
        # The protocol that Python takes by itself: 4, which copies every array.
        pickle.dump(snapshot, file)


def torn_rows(trainer: Trainer, restored: Any, first: int) -> tuple[int, int]:
    """Rows that are not those of the moment of the save, and among them those that mix two transitions."""
    wrong = mixed = 0
    for offset, row in enumerate(restored):
        wanted, own = trainer.transition(first + offset), trainer.transition(row["id"])
        is_equal = all(np.array_equal(row[name], wanted[name]) for name in FIELDS)
        wrong += not is_equal
        mixed += not all(np.array_equal(row[name], own[name]) for name in FIELDS)
    return wrong, mixed


def calibrate(trainer: Trainer, seconds: float) -> int:
    """How many products make a generation of that length."""
    trainer.generation(1000)
    taken = trainer.generation(2000)
    return max(1000, int(2000 * seconds / taken))


def train_during(trainer: Trainer, matrices: int, submit: Any) -> dict[str, Any]:
    """Generations with a save under way: how long they took, and how long the call held them up."""
    gc.collect()
    os.sync()
    Path("/proc/self/clear_refs").write_text("5")
    before, started = resident("VmRSS"), time.perf_counter()
    future: Future[None] = submit()
    blocked, generations = time.perf_counter() - started, []
    while True:
        generations.append(trainer.generation(matrices))
        if future.done():
            break
    generations[0] += blocked
    failure = future.exception()
    return {
        "blockedMs": 1000 * blocked,
        "generationsS": generations,
        "extraRssBytes": max(0, resident("VmHWM") - before),
        "failure": None if failure is None else f"{type(failure).__name__}: {failure}",
    }


def run(variant: str, data: Data, work: Path, seconds: float) -> dict[str, Any]:
    """Measures one variant."""
    trainer = Trainer(data, in_place=variant == "ring")
    matrices = calibrate(trainer, seconds)
    without = [trainer.generation(matrices) for _ in range(3)]
    path, pool = work / f"{variant}.pkl.gz", ThreadPoolExecutor(4)
    first = trainer.total - data.capacity

    def submit() -> Future[None]:
        if variant == "blocking":
            save(trainer.buffer, path)
            return pool.submit(lambda: None)
        return pool.submit(save, list(trainer.buffer) if variant == "list" else trainer.buffer, path)

    # In the ring the oldest row need not be the first.
    oldest = trainer.total % data.capacity if trainer.in_place else 0
    result: dict[str, Any] = {"withoutS": without, **train_during(trainer, matrices, submit)}
    result["writtenBytes"] = path.stat().st_size
    started = time.perf_counter()
    try:
        with gzip.open(path, "rb") as file:
            restored = list(pickle.load(file))
    except (EOFError, pickle.UnpicklingError, gzip.BadGzipFile) as error:
        return {**result, "restoreFailure": f"{type(error).__name__}: {error}"}
    result["restoreMs"] = 1000 * (time.perf_counter() - started)
    restored = restored[oldest:] + restored[:oldest]
    result["tornRows"], result["mixedRows"] = torn_rows(trainer, restored, first)
    return result


if __name__ == "__main__":
    measured = run(sys.argv[1], Data(Path(sys.argv[2])), Path(sys.argv[3]), float(sys.argv[5]))
    measured["version"] = np.__version__
    Path(sys.argv[4]).write_text(json.dumps(measured))
