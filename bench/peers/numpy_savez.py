"""numpy.savez_compressed of a dense ring: what one writes first. One zip of deflated arrays, a file for each save."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harness import Data, DenseRing, Rows, main


class NumpySavez:
    version = np.__version__
    syncs = False

    def __init__(self, data: Data, work: Path) -> None:
        self.ring = DenseRing(data)
        self.saved = work / "saved"

    def add(self, rows: Rows) -> None:
        self.ring.add(rows)

    def save(self, number: int) -> None:
        np.savez_compressed(self.saved / f"{number}.npz", position=self.ring.position, **self.ring.arrays)

    def load(self, number: int) -> None:
        with np.load(self.saved / f"{number}.npz") as file:
            self.ring.arrays = {name: file[name] for name in self.ring.arrays}
            self.ring.position = int(file["position"])

    def rows(self) -> Iterator[Rows]:
        return self.ring.rows()


if __name__ == "__main__":
    main(NumpySavez)
