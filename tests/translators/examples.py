"""What a reader of a page about refusals would see: an example translated and, if it gets that far, traced."""

from __future__ import annotations

import tempfile
from pathlib import Path

import jax
import numpy as np

from translators import Refusal, Refused, load_class, open_source, translate_source

IMPORTS = "import torch\nfrom torch import nn\n\n"


def outcome(example: str) -> str:
    """The refusal of the last class of an example: of its translation, or of its trace on a small input."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "block.py").write_text(IMPORTS + example)
        translation = translate_source(open_source(folder))
        name, found = list(translation.outcomes.items())[-1]
        if isinstance(found, Refusal):
            return str(found)
        for path, text in translation.modules.items():
            (Path(folder) / path).write_text(text)
        try:
            jax.eval_shape(load_class(Path(folder), name)(), jax.ShapeDtypeStruct((2, 4, 5, 5), np.float32))
        except Refused as refused:
            return str(refused)
    return f"{name} is translated"
