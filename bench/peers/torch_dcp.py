"""torch.distributed.checkpoint.async_save as its tutorial has it: staged in memory, written by a thread, synced.

A folder for each save. `load` fills tensors that are there already; making them counts, since a new process has none.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.distributed.checkpoint as dcp

from harness import Data, DenseRing, Rows, main


class TorchDcp:
    version = torch.__version__
    syncs = True

    def __init__(self, data: Data, work: Path) -> None:
        self.data = data
        self.ring = DenseRing(data)
        self.saved = work / "saved"

    def state(self) -> dict[str, object]:
        """Tensors over the ring's own memory, and its position."""
        tensors: dict[str, object] = {name: torch.from_numpy(array) for name, array in self.ring.arrays.items()}
        return {**tensors, "position": self.ring.position}

    def add(self, rows: Rows) -> None:
        self.ring.add(rows)

    def save(self, number: int) -> Callable[[], None]:
        future = dcp.async_save(self.state(), checkpoint_id=str(self.saved / str(number)))
        return lambda: future.result() and None

    def load(self, number: int) -> None:
        self.ring = DenseRing(self.data)
        state = self.state()
        dcp.load(state, checkpoint_id=str(self.saved / str(number)))
        self.ring.position = int(state["position"])

    def rows(self) -> Iterator[Rows]:
        return self.ring.rows()


if __name__ == "__main__":
    main(TorchDcp)
