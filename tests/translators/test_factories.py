"""Model factories: found by what they return, translated with what they need."""

from __future__ import annotations

from pathlib import Path

import pytest

from translators import Translated, UserError, load_object, open_source, translate_class, translate_source

MODEL = """
import functools
import torch.nn as nn
from torch.hub import load_state_dict_from_url

def register(function):
    NAMES[function.__name__] = function
    return function

NAMES = {}

class Net(nn.Module):
    def __init__(self, widths=(8, 16), num_classes=10):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, width) for width in widths])
        self.head = nn.Linear(widths[-1], num_classes)

    def forward(self, x):
        return self.head(self.layers[-1](x))

def _net(widths, pretrained=False, **kwargs):
    model = Net(widths, **kwargs)
    if pretrained:
        model.load_state_dict(load_state_dict_from_url("https://example.org/net.pth"))
    return model

@register
def net_small(pretrained=False, **kwargs):
    \"\"\"The small one.\"\"\"
    arguments = dict(widths=(2, 3))
    return _net(pretrained=pretrained, **dict(arguments, **kwargs))

def net_of(width):
    return Net((width,))

def helper():
    return [1, 2]
"""


@pytest.fixture
def source(tmp_path: Path):
    (tmp_path / "net.py").write_text(MODEL)
    return open_source(str(tmp_path / "net.py"))


def write(translation, folder: Path) -> Path:
    for path, text in translation.modules.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def test_a_factory_returns_a_model_and_needs_nothing(source, tmp_path: Path) -> None:
    translation = translate_source(source)
    (found,) = translation.factories
    assert (found.qualified_name, found.models, found.forwards) == ("net.net_small", ("net.Net",), True)
    assert found.doc == "The small one." and [argument.name for argument in found.arguments] == ["pretrained"]
    make = load_object(write(translation, tmp_path / "out"), "net.net_small")
    model = make(num_classes=7)
    assert model.head.weight.shape == (7, 3) and len(model.layers) == 2


def test_a_factory_translates_by_its_name(source) -> None:
    translation = translate_class(source, "net_small")
    assert translation.outcomes == {"net.net_small": Translated("net.net_small", "net.py")}
    with pytest.raises(UserError, match=r"net_huge: no nn\.Module class or model factory"):
        translate_class(source, "net_huge")


TIMM = """
import torch.nn as nn
from ._builder import build_model_with_cfg

class Net(nn.Module):
    def __init__(self, width=4, num_classes=10, in_chans=1, cfg=None):
        super().__init__()
        self.fc = nn.Linear(width, num_classes)
        self.in_chans = in_chans
        self.cfg = cfg

    def forward(self, x):
        return self.fc(x)

def checkpoint_filter(state, model):
    import os
    return {os.path.basename(key): value for key, value in state.items()}

def net(pretrained=False, **kwargs):
    return build_model_with_cfg(Net, "net", pretrained, pretrained_filter_fn=checkpoint_filter,
                                kwargs_filter=("global_pool",), **dict(dict(width=6), **kwargs))
"""


def test_what_loads_weights_is_the_call_of_the_class(tmp_path: Path) -> None:
    models = tmp_path / "timm" / "models"
    models.mkdir(parents=True)
    (tmp_path / "timm" / "__init__.py").write_text("")
    (models / "__init__.py").write_text("from .net import net\n")
    (models / "net.py").write_text(TIMM)
    (models / "_builder.py").write_text("def build_model_with_cfg(*args, **kwargs):\n    download()\n")
    translation = translate_source(open_source(str(tmp_path / "timm")))
    assert [factory.qualified_name for factory in translation.factories] == ["timm.models.net.net"]
    make = load_object(write(translation, tmp_path / "out"), "timm.models.net.net")
    model = make(num_classes=3, global_pool="avg", features_only=False)
    assert model.fc.weight.shape == (3, 6) and model.in_chans == 3


TORCHVISION = """
import torch.nn as nn
from enum import Enum

class WeightsEnum(Enum):
    pass
"""


def test_of_descriptions_of_weights_only_names_are_emitted(tmp_path: Path) -> None:
    models = tmp_path / "torchvision" / "models"
    models.mkdir(parents=True)
    (tmp_path / "torchvision" / "__init__.py").write_text("")
    (models / "__init__.py").write_text("")
    (models / "_api.py").write_text(TORCHVISION + "\ndef register_model(name=None):\n    return lambda f: f\n")
    (models / "_utils.py").write_text("def handle_legacy_interface(**weights):\n    return lambda f: f\n")
    (models / "net.py").write_text(
        "import torch.nn as nn\nfrom ._api import WeightsEnum, register_model\n"
        "from ._utils import handle_legacy_interface\n\n"
        "class Net_Weights(WeightsEnum):\n    V1 = download('https://example.org')\n    DEFAULT = V1\n\n"
        "class Net(nn.Module):\n    def __init__(self, num_classes=10):\n        super().__init__()\n"
        "        self.fc = nn.Linear(3, num_classes)\n\n    def forward(self, x):\n        return self.fc(x)\n\n"
        "@register_model()\n@handle_legacy_interface(weights=('pretrained', Net_Weights.V1))\n"
        "def net(*, weights=None, backbone=Net_Weights.V1, **kwargs):\n    weights = Net_Weights.verify(weights)\n"
        "    if weights is not None:\n        kwargs['num_classes'] = len(weights.meta['categories'])\n"
        "    return Net(**kwargs)\n"
    )
    translation = translate_source(open_source(str(tmp_path / "torchvision")))
    make = load_object(write(translation, tmp_path / "out"), "torchvision.models.net.net")
    assert make(num_classes=3).fc.weight.shape == (3, 3)
