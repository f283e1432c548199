"""What the source itself says about constructor arguments."""

import pytest

from translators.usage import APPLIED, CALLED, DIVISOR

TEXT = """
class Conv(nn.Module):
    def __init__(self, nin, nout, act=nn.ReLU, **kwargs):
        super().__init__()
        self.conv = nn.Conv2d(nin, nout, **kwargs)
        self.act = act()

    def forward(self, x):
        return self.act(self.conv(x))

class Joined(nn.Module):
    def __init__(self, width, n1, sizes, fn, groups):
        super().__init__()
        self.a = Conv(width, n1, kernel_size=1)
        self.b = Conv(width, nout=n1, kernel_size=3, padding=1)
        self.rest = width // groups + len(sizes)
        self.fn = fn

    def forward(self, x):
        return self.fn(self.a(x) + self.b(x))

class Net(nn.Module):
    def __init__(self, width, block=Joined, groups=4):
        super().__init__()
        self.first = block(64, 32, [1, 2], nn.Identity(), groups)
        self.second = block(width, 2 * 32, groups=groups, fn=nn.ReLU())
        self.third = block(*width)

    def forward(self, x):
        return self.second(self.first(x))
"""


@pytest.fixture
def mined(translated):
    return {record.name: record for record in translated(TEXT).classes}


def test_uses_are_names_that_arguments_are_passed_on_as_and_keyword_arguments_bring_what_is_required(mined):
    uses = {argument.name: argument.uses for name in ("Conv", "Joined") for argument in mined[name].arguments}
    assert uses == {
        "nin": ("in_channels",),
        "nout": ("out_channels",),
        "act": (CALLED,),
        "kernel_size": (),
        "width": ("nin",),
        "n1": ("nout",),
        "sizes": ("[]",),
        "fn": (APPLIED,),
        "groups": (DIVISOR,),
    }


def test_calls_hold_literals_classes_of_torch_and_what_keyword_arguments_pass_on(mined):
    assert mined["Conv"].calls == ({"kernel_size": 1}, {"kernel_size": 3, "padding": 1})
    assert mined["Joined"].calls == (
        {"width": 64, "n1": 32, "sizes": (1, 2), "fn": "nn.Identity()", "groups": 4},
        {"n1": 64, "groups": 4, "fn": "nn.ReLU()"},
    )
    assert mined["Net"].calls == ()


def test_what_a_constructor_reads_from_its_keyword_arguments_is_an_argument(translated):
    text = """
    class Stage(nn.Module):
        def __init__(self, width, **options):
            super().__init__()
            self.norm = options.get("norm_layer")
            self.depth = options.pop("depth", 2)
            self.conv = nn.Conv2d(width, options["out"], 1)

        def forward(self, x):
            return self.conv(x)
    """
    (record,) = translated(text).classes
    read = {argument.name: (argument.required, argument.default_source) for argument in record.arguments[1:]}
    assert read == {"norm_layer": (False, "None"), "depth": (False, "2"), "out": (True, "")}


def test_how_many_items_a_sequence_must_have_is_a_use(translated):
    text = (
        "class Block(nn.Module):\n    def __init__(self, sizes, scales, pair):\n        super().__init__()\n"
        "        assert len(scales) == 3\n        self.width, self.height = pair\n"
        "        self.conv = nn.Conv2d(sizes[0], sizes[3], 1)\n\n"
        "    def forward(self, x):\n        return self.conv(x)\n"
    )
    uses = {argument.name: argument.uses for argument in translated(text).classes[0].arguments}
    assert uses == {"sizes": ("[]", "[1]", "[4]"), "scales": ("[3]", "[]"), "pair": ("[]", "[2]")}


def test_keyword_arguments_are_followed_through_several_constructors(translated):
    text = (
        "class Conv(nn.Module):\n    def __init__(self, nin, nout, **kwargs):\n        super().__init__()\n"
        "        self.conv = nn.Conv2d(nin, nout, bias=False, **kwargs)\n\n"
        "    def forward(self, x):\n        return self.conv(x)\n\n"
        "class Fused(Conv):\n    def __init__(self, *args, **kwargs):\n        super().__init__(*args, **kwargs)\n"
    )
    mined = {record.name: record for record in translated(text).classes}
    assert [argument.name for argument in mined["Fused"].arguments] == ["nin", "nout", "kernel_size"]
