"""Orbax: a CheckpointManager, which saves asynchronously by default, over a dense ring of numpy arrays."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import orbax.checkpoint as ocp

from harness import Data, DenseRing, Rows, main


class OrbaxAsync:
    version = ocp.__version__
    syncs = True

    def __init__(self, data: Data, work: Path) -> None:
        self.ring = DenseRing(data)
        self.manager = ocp.CheckpointManager(work / "saved")

    def state(self) -> dict[str, np.ndarray]:
        return {**self.ring.arrays, "position": np.array(self.ring.position)}

    def add(self, rows: Rows) -> None:
        self.ring.add(rows)

    def save(self, number: int) -> Callable[[], None]:
        self.manager.save(number, args=ocp.args.StandardSave(self.state()))
        return self.manager.wait_until_finished

    def load(self, number: int) -> None:
        state = self.manager.restore(number, args=ocp.args.StandardRestore(self.state()))
        self.ring.position = int(state.pop("position"))
        self.ring.arrays = {name: np.asarray(values) for name, values in state.items()}

    def rows(self) -> Iterator[Rows]:
        return self.ring.rows()


if __name__ == "__main__":
    main(OrbaxAsync)
