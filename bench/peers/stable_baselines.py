"""Stable-Baselines3: its ReplayBuffer with the default options, saved by what `save_replay_buffer` calls.

`OffPolicyAlgorithm.save_replay_buffer(path)` is `save_to_pkl(path, self.replay_buffer)`. Rows are put into the arrays
many at a time, as `add()` would one by one: filling is not measured.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import stable_baselines3
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.save_util import load_from_pkl, save_to_pkl

from harness import Data, Rows, main

ARRAYS = {
    "observation": "observations",
    "next_observation": "next_observations",
    "action": "actions",
    "reward": "rewards",
    "terminated": "dones",
}


def space(dtype: np.dtype, shape: tuple[int, ...]) -> spaces.Box:
    """A box of that shape, pixels or real numbers."""
    low, high = (0, 255) if dtype == np.uint8 else (-np.inf, np.inf)
    return spaces.Box(low, high, shape, dtype.type)


class StableBaselines:
    version = stable_baselines3.__version__
    syncs = False

    def __init__(self, data: Data, work: Path) -> None:
        observation, action = space(*data.fields["observation"]), space(*data.fields["action"])
        self.create = lambda: ReplayBuffer(data.capacity, observation, action, device="cpu")
        self.buffer: ReplayBuffer | None = None
        self.saved = work / "saved"

    def add(self, rows: Rows) -> None:
        self.buffer = buffer = self.buffer or self.create()
        count = len(rows["reward"])
        places = (buffer.pos + np.arange(count)) % buffer.buffer_size
        for name, attribute in ARRAYS.items():
            getattr(buffer, attribute)[places, 0] = rows[name]
        buffer.full = buffer.full or buffer.pos + count >= buffer.buffer_size
        buffer.pos = (buffer.pos + count) % buffer.buffer_size

    def save(self, number: int) -> None:
        save_to_pkl(self.saved / f"{number}.pkl", self.buffer)

    def load(self, number: int) -> None:
        self.buffer = load_from_pkl(self.saved / f"{number}.pkl")

    def rows(self) -> Iterator[Rows]:
        for part in (slice(self.buffer.pos, None), slice(0, self.buffer.pos)):
            yield {name: getattr(self.buffer, attribute)[part, 0] for name, attribute in ARRAYS.items()}


if __name__ == "__main__":
    main(StableBaselines)
