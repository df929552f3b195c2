"""TorchRL, the way its documentation names for large buffers: `dumps` to the folder that the storage lies in.

Nothing is copied then, and there is one checkpoint: the files that training goes on writing into.
"""

from pathlib import Path

from harness import Data, main
from torchrl_dumps import TorchrlDumps


class TorchrlInPlace(TorchrlDumps):
    def __init__(self, data: Data, work: Path) -> None:
        super().__init__(data, work)
        self.buffer = self.create(self.saved / "storage")

    def save(self, number: int) -> None:
        self.buffer.dumps(self.saved)

    def load(self, number: int) -> None:
        self.buffer.loads(self.saved)
        self.touch()
        if number == 1:
            # What a crash before the second save leaves: its cursor, which stood at 0, and the rows written since.
            self.buffer.writer._cursor = 0


if __name__ == "__main__":
    main(TorchrlInPlace)
