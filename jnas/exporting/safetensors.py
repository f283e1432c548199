"""Arrays by name in the safetensors format: a length, a JSON header, the bytes. Exported files carry `read` along."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U8": "|u1",
    "BOOL": "|b1",
}


def read(path: str) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file by name."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    header.pop("__metadata__", None)
    return {
        name: np.frombuffer(data[slice(*entry["data_offsets"])], DTYPES[entry["dtype"]]).reshape(entry["shape"]).copy()
        for name, entry in header.items()
    }


def write(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """Raises KeyError for an array of a kind that the format does not know."""
    kinds = {np.dtype(kind).str: name for name, kind in DTYPES.items()}
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    contents, end = [], 0
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        content = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
        header[name] = {
            "dtype": kinds[array.dtype.newbyteorder("<").str],
            "shape": list(array.shape),
            "data_offsets": [end, end + len(content)],
        }
        contents.append(content)
        end += len(content)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(contents))
