"""Turns a pickled replay buffer of the original program into an npz file that `varve import` reads.

    python3 tools/original-to-npz.py buffer.pkl.gz buffer.npz [--observation-dtype float32]

Takes a pickle, gzipped or not, of a deque or list of transitions: dicts, objects with attributes, or tuples
(observation, action, reward, next observation, done[, truncated]). Lists of the same under one key of a dict
("buffer", "memory", "replay_buffer", ...) are found too.

UNPICKLING RUNS CODE. Classes that the pickle names are not loaded: only numpy's arrays, numbers and collections.deque
are; of any other class only the attributes are taken. Needs Python 3.8 and numpy, and the memory of the buffer.
"""
import argparse
import collections
import gzip
import pickle
import sys

import numpy as np

NAMES = {
    "observations": ("observation", "state", "obs", "s"),
    "actions": ("action", "a"),
    "rewards": ("reward", "r"),
    "next_observations": ("next_observation", "next_state", "next_obs", "s2"),
    "terminals": ("terminated", "terminal"),
    "dones": ("done", "d"),
    "timeouts": ("truncated", "timeout"),
}
ORDER = ("observations", "actions", "rewards", "next_observations", "dones", "timeouts")
COLUMNS = ("observations", "actions", "rewards", "next_observations", "terminals", "dones", "timeouts")
BUFFERS = ("buffer", "memory", "replay_buffer", "storage", "transitions", "data")

ALLOWED = {
    ("collections", "deque"), ("collections", "OrderedDict"), ("builtins", "list"), ("builtins", "dict"),
    ("builtins", "tuple"), ("builtins", "set"), ("builtins", "complex"), ("builtins", "bytearray"),
    ("numpy", "ndarray"), ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"), ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"), ("numpy._core.numeric", "_frombuffer"),
    ("_codecs", "encode"),
}


class Record:
    """Stands for any other class of the pickle: keeps its attributes, or its items, and runs nothing."""

    def __new__(cls, *items, **attributes):
        record = object.__new__(cls)
        record.items = items
        record.__dict__.update(attributes)
        return record

    def __init__(self, *items, **attributes):
        pass

    def __setstate__(self, state):
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                self.__dict__.update(part)

    def append(self, item):
        self.items = (*self.items, item)


class Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) in ALLOWED:
            # numpy moved these between its versions 1 and 2.
            for home in (module, module.replace("numpy.core", "numpy._core"), module.replace("numpy._core", "numpy.core")):
                try:
                    return super().find_class(home, name)
                except (ImportError, AttributeError):
                    continue
        return type(name, (Record,), {})


def load(path):
    with open(path, "rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rb") if is_gzip else open(path, "rb") as file:
        return Unpickler(file).load()


def transitions_of(found):
    """The sequence of transitions, wherever it lies."""
    if isinstance(found, (collections.deque, list)) and len(found) > 0:
        return list(found)
    holder = found if isinstance(found, dict) else vars(found) if isinstance(found, Record) else {}
    for name in BUFFERS:
        for key in (name, "_" + name):
            if isinstance(holder.get(key), (collections.deque, list)) and len(holder[key]) > 0:
                return list(holder[key])
    sys.exit(f"No deque or list of transitions was found in a {type(found).__name__}, nor under {', '.join(BUFFERS)}")


def fields_of(transition, row):
    if isinstance(transition, (tuple, list)) or (isinstance(transition, Record) and len(transition.items) >= 5):
        items = transition if isinstance(transition, (tuple, list)) else transition.items
        if len(items) not in (5, 6):
            sys.exit(f"Row {row} is a tuple of {len(items)} items, expected 5 or 6: observation, action, reward, next, done")
        return dict(zip(ORDER, items))
    holder = transition if isinstance(transition, dict) else vars(transition)
    fields = {}
    for name, keys in NAMES.items():
        key = next((key for key in (name, *keys) if key in holder), None)
        if key is not None:
            fields[name] = holder[key]
    missing = [name for name in ORDER[:4] if name not in fields]
    if "terminals" not in fields and "dones" not in fields:
        missing.append("terminated or done")
    if missing:
        sys.exit(f"Row {row} has no {', '.join(missing)}; it has {', '.join(map(str, holder))}")
    return fields


def column(name, rows, observation_dtype):
    first = np.asarray(rows[0][name])
    if first.dtype == object:
        sys.exit(f"{name} of row 0 is no array of numbers")
    if name in ("terminals", "dones", "timeouts"):
        return np.array([bool(np.asarray(row[name]).item()) for row in rows])
    if name == "rewards":
        return np.array([np.asarray(row[name]).item() for row in rows], np.float32)
    # Of all rows together: by the first alone, 0.7 after an action 0 would become 0.
    common = np.result_type(*{np.asarray(row[name]).dtype for row in rows})
    dtype = observation_dtype if name.endswith("observations") and observation_dtype else common
    result = np.empty((len(rows), *first.shape), np.dtype(dtype).newbyteorder("<"))
    for index, row in enumerate(rows):
        value = np.asarray(row[name])
        if value.shape != first.shape:
            sys.exit(f"{name} has the shape {list(value.shape)} at row {index}, expected {list(first.shape)}")
        result[index] = value
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pickle", help="the pickled buffer, gzipped or not")
    parser.add_argument("npz", help="the file to write")
    parser.add_argument("--observation-dtype", help="store observations as this type, such as float32")
    arguments = parser.parse_args()
    rows = [fields_of(transition, row) for row, transition in enumerate(transitions_of(load(arguments.pickle)))]
    names = [name for name in COLUMNS if any(name in row for row in rows)]
    for name in names:
        lacking = next((index for index, row in enumerate(rows) if name not in row), None)
        if lacking is not None:
            sys.exit(f"Row {lacking} has no {name}, other rows have")
    np.savez(arguments.npz, **{name: column(name, rows, arguments.observation_dtype) for name in names})
    print(f"{len(rows)} transitions, {', '.join(names)}: now varve import {arguments.npz} --store <run>")


if __name__ == "__main__":
    main()
