"""TorchRL: a replay buffer over LazyMemmapStorage, the storage that its guide advises, saved by `dumps`.

Each save goes to a folder of its own, so that it stays what it was. `torchrl_in_place.py` is the other way.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
import torchrl
from tensordict import TensorDict
from torchrl.data import LazyMemmapStorage, TensorDictReplayBuffer

from harness import Data, Rows, main


class TorchrlDumps:
    version = torchrl.__version__
    syncs = False

    def __init__(self, data: Data, work: Path) -> None:
        self.capacity = data.capacity
        self.saved = work / "saved"
        self.scratch = work / "scratch"
        self.buffer = self.create(self.scratch)

    def create(self, scratch: Path) -> TensorDictReplayBuffer:
        """An empty buffer whose rows will lie in files of that folder."""
        storage = LazyMemmapStorage(self.capacity, scratch_dir=scratch, existsok=True)
        return TensorDictReplayBuffer(storage=storage, batch_size=256)

    def add(self, rows: Rows) -> None:
        tensors = {name: torch.from_numpy(values) for name, values in rows.items()}
        self.buffer.extend(TensorDict(tensors, batch_size=[len(rows["reward"])]))

    def save(self, number: int) -> None:
        self.buffer.dumps(self.saved / str(number))

    def load(self, number: int) -> None:
        # Rows are copied into the new buffer's own files.
        self.buffer.loads(self.saved / str(number))
        self.touch()

    def touch(self) -> None:
        """Reads a byte of each page: mapped files come into memory no sooner."""
        for values in self.buffer.storage._storage.values(True, True):
            values.flatten().view(torch.uint8)[::4096].sum()

    def rows(self) -> Iterator[Rows]:
        storage = self.buffer.storage._storage
        cursor = self.buffer.writer._cursor
        for part in (slice(cursor, None), slice(0, cursor)):
            yield {name: storage.get(name)[part].numpy() for name in ("observation", "next_observation", "action")} | {
                name: storage.get(name)[part].numpy().reshape(-1) for name in ("reward", "terminated")
            }


if __name__ == "__main__":
    main(TorchrlDumps)
