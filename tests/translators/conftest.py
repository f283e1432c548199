"""Small source trees, translated."""

import textwrap

import pytest

from translators import Refusal, Translation, open_source, translate_source

HEADER = "import math\nimport torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"


@pytest.fixture
def tree(tmp_path):
    """Write files and open the folder (or the file given by name) as a source."""

    def write(files: dict[str, str], opened: str = ""):
        for path, text in files.items():
            file = tmp_path / "source" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(text))
        return open_source(str(tmp_path / "source" / opened))

    return write


@pytest.fixture
def translated(tree):
    """Translate one module `block.py` with torch imported in the usual ways."""

    def translate(text: str, header: str = HEADER) -> Translation:
        return translate_source(tree({"block.py": header + textwrap.dedent(text)}))

    return translate


@pytest.fixture
def forward(translated):
    """The emitted statements of a forward with the given body, or the refusal of its class."""

    def rewrite(body: str, arguments: str = "x") -> str | Refusal:
        lines = textwrap.indent(textwrap.dedent(body).strip("\n"), " " * 8)
        translation = translated(f"class Block(nn.Module):\n    def forward(self, {arguments}):\n{lines}\n")
        outcome = translation.outcomes["block.Block"]
        if isinstance(outcome, Refusal):
            return outcome
        _, _, after = translation.modules["block.py"].partition("def forward(")
        return textwrap.dedent(after.partition("\n")[2]).strip("\n")

    return rewrite
