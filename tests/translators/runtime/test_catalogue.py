"""The catalogue of cases: it leaves out no operation, and the page made from it is current."""

from pathlib import Path

from tests.translators.runtime.catalogue import FAMILIES
from tests.translators.runtime.catalogue.document import document, members, uses

PAGE = Path(__file__).parents[3] / "docs" / "operations.md"
# What PyTorch can do on other devices only, base classes, and what initialisers are made of.
ELSEWHERE = {"torch.cuda", "torch.pin_memory", "torch.share_memory_", "nn._BatchNorm", "nn._InstanceNorm"}
ELSEWHERE |= {"torch.autograd.Function"}
ELSEWHERE |= {"nn.init._calculate_fan_in_and_fan_out", "nn.init._calculate_correct_fan"}


def test_every_operation_is_compared_with_pytorch():
    drawn = uses(case for make in FAMILIES.values() for case in make(1))
    assert members() - set(drawn) <= ELSEWHERE


def test_a_use_is_told_by_spelling_and_parameters():
    used = uses(FAMILIES["convolution"](1))
    assert {"F.conv2d", "torch.conv2d"} <= used["F.conv2d"].spellings | used["torch.conv2d"].spellings
    assert {"stride", "padding", "dilation", "groups"} <= used["F.conv2d"].parameters.keys()
    assert "'reflect'" in used["F.pad"].parameters["mode"]


def test_the_page_lists_what_is_drawn():
    assert PAGE.read_text() == document(), "run: python -m tests.translators.runtime.catalogue > docs/operations.md"
