"""Flashbax Vault over a flat buffer, as its quick start has it: what is new since the last `write` is appended.

A flat buffer holds the steps of the environment one after another and draws pairs of neighbours, so each observation is
there once, and once more where an episode ends: about half the bytes of the others. A vault has no checkpoints: it is
one growing record, and `read` brings back its newest steps.
"""

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import flashbax
import jax
import numpy as np
from flashbax.vault import Vault

from harness import Data, Rows, main

SPARE = 8


def steps_of(rows: Rows) -> Rows:
    """Transitions as steps: one for each observation, and one for the last of each episode."""
    ends = rows["terminated"] == 1
    places = np.arange(len(ends)) + np.concatenate(([0], np.cumsum(ends)[:-1]))
    count = len(ends) + int(ends.sum())
    steps = {}
    for name in ("observation", "action", "reward", "terminated"):
        steps[name] = np.zeros((count, *rows[name].shape[1:]), rows[name].dtype)
        steps[name][places] = rows[name]
    steps["observation"][places[ends] + 1] = rows["next_observation"][ends]
    return steps


class FlashbaxVault:
    version = version("flashbax")
    syncs = True

    def __init__(self, data: Data, work: Path) -> None:
        self.data = data
        self.work = work
        ends = int(np.fromfile(data.folder / "terminated.raw", np.uint8).sum())
        # A write of exactly the whole ring would find nothing new, hence spare places.
        length = data.capacity + ends + SPARE
        self.buffer = flashbax.make_flat_buffer(length, 2, 2, add_sequences=True)
        self.add_steps = jax.jit(self.buffer.add, donate_argnums=0)
        self.state = None
        self.vault: Vault | None = None

    def add(self, rows: Rows) -> None:
        steps = steps_of(rows)
        if self.state is None:
            self.state = self.buffer.init({name: values[0] for name, values in steps.items()})
        self.state = self.add_steps(self.state, steps)
        jax.block_until_ready(self.state)

    def open(self) -> Vault:
        structure = None if self.state is None else self.state.experience
        return Vault("run", structure, rel_dir=str(self.work / "saved"), vault_uid="1")

    def save(self, number: int) -> None:
        self.vault = self.vault or self.open()
        self.vault.write(self.state)

    def load(self, number: int) -> None:
        experience = self.open().read().experience
        self.steps = {name.strip("."): np.asarray(values)[0] for name, values in experience.items()}
        self.number = number

    def rows(self) -> Iterator[Rows]:
        """Steps of that checkpoint as transitions again, without those that only end an episode."""
        data, ends = self.data, self.steps["terminated"] == 1
        follows = np.concatenate(([False], ends[:-1]))
        places = np.flatnonzero(~follows)
        start = 0 if self.number == 1 else data.added
        for at in range(start, start + data.capacity, 4096):
            chosen = places[at : min(at + 4096, start + data.capacity)]
            rows = {name: values[chosen] for name, values in self.steps.items()}
            # The newest transition's next observation comes with the step after it.
            if chosen[-1] + 1 < len(ends):
                rows["next_observation"] = self.steps["observation"][chosen + 1]
            yield rows


if __name__ == "__main__":
    main(FlashbaxVault)
