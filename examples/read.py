"""Reads the newest checkpoint of a local Varve run into numpy arrays, as docs/format.md describes it.

    python3 examples/read.py runs/market-001

Needs numpy, and zstd: Python has it from 3.14 on; before that, `pip install zstandard`.
"""
import hashlib, json, pathlib, struct, sys
import numpy as np

try:
    from compression import zstd
    unzstd = lambda data, size: zstd.ZstdDecompressor().decompress(data, size)
except ImportError:
    import zstandard
    unzstd = lambda data, size: zstandard.ZstdDecompressor().decompress(data, max_output_size=size)

def check(condition, message):
    if not condition:
        sys.exit(message)

def read_manifest(path):
    data = path.read_bytes()
    if data[:4] == b"\x28\xb5\x2f\xfd":
        data = unzstd(data, 2**27)
    digest = hashlib.sha256(data[:-75]).hexdigest()  # the hash is over all that is before the property "hash"
    check(data[-75:] == b',"hash":"%s"}' % digest.encode(), f"{path} is corrupt")
    manifest = json.loads(data)
    check(manifest["version"] == 1 and not manifest["requires"], f"{path} was written by a newer Varve")
    return manifest

def read_pack(path):
    data = path.read_bytes()
    check(hashlib.sha256(data).hexdigest() == path.stem[9:], f"{path} is corrupt")
    stored, raw, _crc, is_zstd = struct.unpack("<4I", data[-40:-24])
    index = data[-40 - stored : -40]
    return data, json.loads(unzstd(index, raw) if is_zstd else index)["sections"]

def decode(section, pack, columns):
    data = pack[section["offset"] : section["offset"] + section["storedBytes"]]
    codecs = {codec["name"]: codec["configuration"] for codec in section["codecs"]}
    dtype, shape, (rows, *_) = np.dtype(section["dtype"]), section["shape"], section["shape"]
    next_of, size, bitmap = codecs.get("varve.next-of"), section["rawBytes"], -(-section["shape"][0] // 8)
    if next_of:
        size = bitmap + next_of["exceptions"] * (size // max(rows, 1))
    if "zstd" in codecs:
        data = unzstd(data, size)
    width = (next_of or codecs.get("numcodecs.shuffle", {})).get("elementsize", 1)
    planes = np.frombuffer(data, np.uint8, offset=bitmap if next_of else 0).reshape(width, -1)
    values = np.frombuffer(planes.T.tobytes(), dtype)
    if "numcodecs.delta" in codecs:
        values = np.cumsum(values, dtype=dtype)
    if not next_of:
        return values.reshape(shape)
    result, following = np.empty(shape, dtype), {}
    is_stored = np.unpackbits(np.frombuffer(data, np.uint8, bitmap), bitorder="little")[:rows] == 1
    result[is_stored] = values.reshape(-1, *shape[1:])
    for row in reversed(range(rows)):  # the observation of the same env's next row
        env = columns["env"][row]
        if not is_stored[row]:
            result[row] = columns[next_of["observation"]][following[env]]
        following[env] = row
    return result

def read_log(run, manifest, key, log):
    tail, head = log["tail"], log["head"]
    columns = {c["name"]: np.empty((head - tail, *c["shape"]), c["dtype"]) for c in log["columns"]}
    for ref in manifest["packs"]:
        covers = [cover for cover in ref["covers"] if cover["log"] == key]
        data, sections = read_pack(run / ref["name"]) if covers else (b"", [])
        decoded = {}
        for section in sorted(sections, key=lambda s: s["codecs"][0]["name"] == "varve.next-of"):
            content = section["content"]
            if content.get("log") != key:
                continue
            first, last, name = content["from"], content["to"], content["column"]
            group = decoded.setdefault((first, last), {})
            group[name] = decode(section, data, group)
            for cover in covers:  # rows count only where the manifest says so, and only while they are alive
                start, end = max(first, cover["from"], tail), min(last, cover["to"], head)
                if start < end:
                    columns[name][start - tail : end - tail] = group[name][start - first : end - first]
    return columns

def expand(firsts, start, count, step, length):
    """The frames of each window: slice after slice, from the first on, until it has its length."""
    ends = np.cumsum(count, dtype=np.int64)  # in a row of all slices' frames; the windows are parts of it
    within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - count, count)
    frames = np.repeat(start.astype(np.int64), count) + within * np.repeat(step.astype(np.int64), count)
    return frames[(ends - count)[firsts][:, None] + np.arange(length)]

def read_buffer(run, manifest, name):
    buffer = manifest["buffers"][name]
    logs = {log["name"]: (log["tail"], read_log(run, manifest, f"{name}/{log['name']}", log)) for log in buffer["logs"]}
    _, result = logs["transitions"]
    for column in [column for column in result if column.startswith("slices.")]:
        key = column.rpartition(".")[2]  # slices.observation, or in a record slices.observation.camera
        key = "observation" if key == "nextObservation" and column.count(".") == 1 else key
        declared = buffer["fields"]["observation"]
        spec = declared if column.count(".") == 1 else declared[key]
        tail, slices = logs[f"slices/{key}"]
        firsts = result.pop(column) - np.uint32(tail % 2**32)  # numbers and ids are row numbers modulo 2^32
        tail, frames = logs[f"frames/{key}"]
        start = slices["start"] - np.uint32(tail % 2**32)
        ids = expand(firsts, start, slices["count"], slices["step"], spec.get("frames", 1))
        result[column[7:]] = frames["frame"][ids].reshape(-1, *spec["shape"])
    return result

if __name__ == "__main__":
    run = pathlib.Path(sys.argv[1])
    manifest = read_manifest(max((run / "checkpoints").glob("*.json")))
    print(f"checkpoint {manifest['sequence']}, step {manifest['step']}, metrics {json.dumps(manifest['metrics'])}")
    for buffer in sorted(manifest["buffers"]):
        for name, values in sorted(read_buffer(run, manifest, buffer).items()):
            digest = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
            print(buffer, name, values.dtype, json.dumps(values.shape), digest)
