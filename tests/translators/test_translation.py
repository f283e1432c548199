"""Where a translation gets what its source does not hold."""

import sys

from translators import Refusal, Translated, translate_class, translate_source
from translators.translation import _installed

SOURCE = {
    "block.py": """
        import torch.nn as nn
        from torch_extras_for_test.layers import Scale, half
        from tables_for_test import rows
        class Scaled(nn.Module):
            def __init__(self):
                super().__init__()
                self.scale = Scale()
            def forward(self, x):
                return half(self.scale(x))
        class Rows(nn.Module):
            def forward(self, x):
                return rows(x)
        """
}
LAYERS = """
import torch.nn as nn
class Scale(nn.Module):
    def forward(self, x):
        return x * 2
def half(x):
    return x / 2
"""


def test_installed_packages_with_modules_complete_a_translation(tree, tmp_path, monkeypatch):
    site = tmp_path / "site"
    (site / "torch_extras_for_test").mkdir(parents=True)
    (site / "torch_extras_for_test" / "__init__.py").write_text("raise SystemExit\n")
    (site / "torch_extras_for_test" / "layers.py").write_text(LAYERS)
    (site / "tables_for_test.py").write_text("def rows(x):\n    return x\n")
    source = tree(SOURCE)
    assert translate_class(source, "Scaled").outcomes["block.Scaled"].code == "R02"
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    _installed.cache_clear()
    translation = translate_source(source)
    assert isinstance(translation.outcomes["block.Scaled"], Translated)
    assert "class Scale(nn.Module)" in translation.modules["torch_extras_for_test/layers.py"]
    refused = translation.outcomes["block.Rows"]
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.name) == ("R02", "tables_for_test.rows")
