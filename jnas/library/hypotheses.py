"""What an argument might be, from its name, default, uses and call sites: ordered guesses, confirmed by executing.

Nothing here decides; a guess that does not execute is dropped. Values are symbols (a share of the incoming width, a
size of the input) or constants, so that one guess can be tried at any place.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from jnas.library.binding import Shape, at_width, size_value
from translators import Argument
from translators.usage import APPLIED, CALLED, DIVISOR, ITEMS


@dataclass(frozen=True)
class Share:
    """A share of the incoming width."""

    ratio: Fraction


@dataclass(frozen=True)
class Extent:
    """A size of the input: "height", "pair" or "tokens"."""

    kind: str


@dataclass(frozen=True)
class Constant:
    value: Any


Symbol = Share | Extent | Constant
Guess = Mapping[str, Symbol]

ACTIVATION_NAMES = ("ReLU", "GELU", "SiLU", "Hardswish", "ReLU6", "LeakyReLU", "ELU", "Mish", "Sigmoid", "Hardsigmoid")

_PLAIN = r"^(device|dtype|inplace|eps|epsilon|momentum|cfg|config|name|.*_fn|.*_cfg|.*kwargs|.*init.*)$"

_WINDOWS = r"window|win_size|block_size|partition"

# (pattern of the name, role): the first that matches; roles are those of block.ROLES
_ROLE_PATTERNS: tuple[tuple[str, str], ...] = (
    (_PLAIN, "other"),
    (r"prefix|^reg_|^max_|pretrained|^ref_|_fmt$|indices|_type$|_func$|_map$", "other"),
    (r"^(use|is|has|with|add|apply|enable)_|_bias$|^bias$", "flag"),
    (r"stride|downscale|^patch_size$|^s$", "stride"),
    (r"drop|prob|^p$|dpr", "rate"),
    (r"kernel|^ks?$|pool_size|dw_size", "kernel"),
    (r"(feat|input|img|image|in|grid|fmap)_?(size|shape|res)|resolution|^size$", "size"),
    (r"seq_?len|seq_length|num_tokens|tokens$|num_patches|n_patches|^patches$|seq_size", "size"),
    (_WINDOWS, "size"),
    (r"groups?$", "heads"),
    (r"ratio|expan|mult|factor|reduction|_mul$", "ratio"),
    (r"heads?$|^h$|nhead|cardinality|radix|head_dim|group_size", "heads"),
    (r"depth|(num|(^|_)n)_(blocks?|layers?|convs?)|reps?$|block_num|layer_num|_per_(block|stage)", "depth"),
    (r"growth", "width"),
    (r"act(ivation)?(_layer)?$|act_func|nonlin|gate_layer", "module class"),
    (r"norm(_layer|_cls)?$|layer$|_cls$|^block$|_block$", "module class"),
    (r"^(m|fn|module|main|net|inner|body|shortcut|downsample)$", "module"),
    (r"rate$|^e$|^t$|bn_size|n_div", "ratio"),
    (r"^n?out_?|^oup|^planes|dim_out|^c(h|hans?)?_?out|^c2$|c_out|filters|pool_features", "output width"),
    (r"^n?in_|^n?inp?$|^inp|^inc$|^c1$|^c(h|hans?)?_?in|^dims?$|dim_in|^d$|embed_dim", "input width"),
    (r"num_(features|channels|input)|^channels?$", "input width"),
    (r"^ch(s|ans?)?$|nf$|^width$|n_?feats?$|d_model|base_dim|prev_dim|^ed$|^c$|stem_|^hidden_size$", "input width"),
    (r"normali[sz](ed|ation)_shape", "input width"),
    (r"dim|ch(s|an|annels?)?$|channels|features|width|hidden|^mid|inter|squeeze|num_\dx\d", "width"),
)

_SHARES = {
    "input width": (Fraction(1),),
    "output width": (Fraction(1), Fraction(1, 4), Fraction(1, 2), Fraction(2)),
    "width": (Fraction(1, 2), Fraction(1), Fraction(1, 4), Fraction(1, 8)),
}

_CONSTANTS: dict[str, tuple[Any, ...]] = {
    "stride": (1, 2),
    "rate": (0.0, None, (0.0,)),
    "kernel": (3, 7, 2),
    "heads": (4, 1, 8),
    "ratio": (2, 4, 1.0, 16),
    "depth": (1, 2),
    "flag": (False, True),
    "choice": (),
    "other": (1, 0, None),
}


HEAD_WIDTHS = (16, 8, 32)

# Modules that stand where a block takes one and gives back what it receives, by layout; the first is the likeliest.
INNER_MODULES: dict[str, tuple[str, ...]] = {
    "NCHW": (
        "nn.Conv2d({width}, {width}, 3, padding=1)",
        "nn.Conv2d({width}, {width}, 1)",
        "nn.Sequential(nn.Conv2d({width}, {width}, 3, padding=1, groups={width}), nn.BatchNorm2d({width}), nn.GELU())",
    ),
    "NLC": (
        "nn.Linear({width}, {width})",
        "nn.Sequential(nn.Linear({width}, {width}), nn.GELU(), nn.Linear({width}, {width}))",
    ),
}
INNER_MODULES["NHWC"] = INNER_MODULES["NLC"]


_MAKES_MODULES = re.compile(r"(typing\.)?(Callable|Type|type)\[.*\bModule\b")


def role_of(argument: Argument) -> str:
    """The likeliest role of an argument."""
    role = _role_by_name(argument, argument.name.lower())
    uses = argument.uses
    if role not in ("flag", "choice") and argument.default is None:
        if APPLIED in uses:
            return "module"
        if CALLED in uses or (role == "other" and argument.required and _MAKES_MODULES.match(argument.annotation)):
            return "module class"
    if role == "other" and not _is_plain(argument.name.lower()):
        roles = (_role_by_name(argument, use.lower()) for use in uses)
        role = next((found for found in roles if found not in ("other", "module", "module class")), role)
        if role == "other" and DIVISOR in uses:
            return "heads"
    if role == "input width":
        passed = (_role_by_name(argument, use.lower()) for use in uses)
        first = next((found for found in passed if found in ("input width", "output width")), role)
        return "output width" if first == "output width" else role
    return role


def _is_plain(name: str) -> bool:
    """Whether the name itself says that the argument is nothing of interest."""
    return re.search(_PLAIN, name) is not None


def _role_by_name(argument: Argument, name: str) -> str:
    default = default_value(argument)
    if re.search(r"inplace|inference|fused|legacy|checkpoint|reparam|running_stats", name):
        return "other"
    if isinstance(default, bool) or (argument.required and "bool" in argument.annotation):
        return "flag"
    if isinstance(default, str) and not default.startswith("nn."):
        return "choice"
    for pattern, role in _ROLE_PATTERNS:
        if re.search(pattern, name):
            if role == "ratio" and isinstance(default, int) and default == 0:
                return "other"
            return role
    return "other"


def default_value(argument: Argument) -> Any:
    """The default as a plain value: a literal, the result of arithmetic, or a runtime class by name; else None."""
    if argument.default is not None:
        return argument.default
    source = argument.default_source
    if re.fullmatch(r"(torch\.)?nn\.[A-Z]\w*", source):
        return source.removeprefix("torch.")
    try:
        return _arithmetic(ast.parse(source, mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError):
        return None


_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}


def _arithmetic(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return node.value
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_arithmetic(node.left), _arithmetic(node.right))
    raise ValueError


def value_at(symbol: Symbol, shape: Shape) -> Any:
    """The value of a symbol at an incoming (channels, height, width)."""
    if isinstance(symbol, Share):
        return max(1, math.floor(symbol.ratio * shape[0]))
    if isinstance(symbol, Extent):
        return size_value(symbol.kind, shape[1], shape[2])
    return at_width(symbol.value, shape[0])


# Of these a value that others passed says more than a usual one; widths, sizes and heads depend on the place.
_SPOKEN_FOR = ("other", "ratio", "depth", "module class", "choice", "flag")


def guesses(argument: Argument, passed: Sequence[Any] = ()) -> tuple[Symbol, ...]:
    """Values to try for a required argument, likeliest first. `passed` are those of call sites."""
    usual, said = _usual(argument), tuple(Constant(value) for value in passed)
    ordered = (*said, *usual) if role_of(argument) in _SPOKEN_FOR else (*usual, *said)
    return tuple(dict.fromkeys(ordered))


def _usual(argument: Argument) -> tuple[Symbol, ...]:
    """Values of its role; of a sequence as many of one value as it must have, where more than a pair is known of it."""
    length, single = _length(argument), _usual_one(argument)
    if not length or role_of(argument) in ("size", "module", "module class", "choice"):
        return single
    values = [value_at(symbol, _USUAL_SHAPE) for symbol in single if not isinstance(symbol, Extent)]
    values = [value for value in values if not isinstance(value, tuple)]
    for _ in range(_depth(argument)):
        values = [(value,) * length for value in values]
    return (*(Constant(value) for value in values), *single)


_SEQUENCE = re.compile(r"(?:typing\.)?(?:list|tuple|sequence)\[(.*)\]", re.IGNORECASE)
_USUAL_SHAPE = (64, 16, 16)  # widths in a sequence do not follow from the place


def _length(argument: Argument) -> int:
    """How many items a sequence must have by its annotation and uses; 0 for what need not be one."""
    told = [int(use[1:-1]) for use in argument.uses if re.fullmatch(r"\[\d+\]", use)]
    annotated = _SEQUENCE.fullmatch(argument.annotation)
    if annotated is None:
        return max(told, default=2) if ITEMS in argument.uses and not argument.annotation else 0
    items = annotated[1].split(",") if "[" not in annotated[1] and "..." not in annotated[1] else ()
    return max([*told, len(items) if len(items) > 1 else 2])


def _depth(argument: Argument) -> int:
    """How deep sequences are nested by the annotation."""
    return max(1, len(re.match(r"(?:(?:list|tuple|sequence)\[)*", argument.annotation.lower())[0].split("[")) - 1)  # type: ignore[index]


def _usual_one(argument: Argument) -> tuple[Symbol, ...]:
    role = role_of(argument)
    pair = bool(re.search(r"tuple|Tuple|[Ll]ist|Sequence", argument.annotation)) or ITEMS in argument.uses
    if role in _SHARES:
        return tuple(Share(ratio) for ratio in _SHARES[role])
    if role == "size":
        return _sizes(argument.name.lower(), pair)
    if role == "module class":
        return tuple(Constant(name) for name in class_names(argument.name))
    if role == "module":
        inner = tuple(Constant(INNER_MODULES[layout][0]) for layout in ("NCHW", "NLC"))
        return (*inner, Constant("nn.Identity()"), Constant(None))
    constants = _CONSTANTS[role]
    if role == "heads" and re.search(r"dim|size", argument.name):
        constants = HEAD_WIDTHS
    if role == "other":
        if re.search(r"int", argument.annotation):
            constants = (1, 2, 0)
        elif re.search(r"float", argument.annotation):
            constants = (1e-5, 1.0)
        elif "init" in argument.name or "eps" in argument.name:
            constants = (1e-5, None, 1)
        elif re.search(r"dilation|index|groups", argument.name) or "padding" in argument.name:
            constants = (1, 0)
    if pair and role in ("stride", "kernel", "other"):
        constants = tuple((c, c) for c in constants if isinstance(c, int)) + constants
    return tuple(Constant(value) for value in constants)


def class_names(name: str) -> tuple[str, ...]:
    """Runtime classes that an argument of this name may stand for."""
    if "norm" in name:
        return ("nn.BatchNorm2d", "nn.LayerNorm", "nn.Identity")
    if "conv" in name:
        return ("nn.Conv2d", "nn.Identity")
    if re.search(r"act|gate|nonlin", name):
        return ("nn.ReLU", "nn.GELU", "nn.SiLU")
    return ("nn.Identity",)


def _sizes(name: str, pair: bool) -> tuple[Symbol, ...]:
    if re.search(_WINDOWS, name):
        scalars, pairs = (Constant(4), Constant(7)), (Constant((4, 4)), Constant((7, 7)))
        whole: tuple[Symbol, ...] = (Extent("pair"), Extent("height"))
        return (*pairs, *scalars, *whole) if pair else (*scalars, *pairs, *whole)
    if re.search(r"seq|tokens|patches", name):
        return (Extent("tokens"), Extent("pair"), Extent("height"))
    if pair or re.search(r"feat_size|input_res|shape", name):
        return (Extent("pair"), Extent("height"), Extent("tokens"))
    return (Extent("height"), Extent("pair"), Extent("tokens"))


def whole_window(argument: Argument) -> Symbol | None:
    """The size of the input for an optional window, as where a block works within one."""
    default = default_value(argument)
    if argument.required or not re.search(_WINDOWS, argument.name) or role_of(argument) != "size":
        return None
    return Extent("height" if isinstance(default, int) and ITEMS not in argument.uses else "pair")


def optional_guess(argument: Argument) -> Symbol | None:
    """What an optional argument may have to be for the class to work at all: a width, a size or a class."""
    default = default_value(argument)
    role = role_of(argument)
    if role == "module class" and argument.default_source == "None":
        return Constant(class_names(argument.name)[0])
    if role == "input width" and isinstance(default, int) and not isinstance(default, bool):
        return Share(Fraction(1))
    if role == "size" and not re.search(_WINDOWS, argument.name):
        if ITEMS in argument.uses:
            return Extent("pair")
        if isinstance(default, int) and not isinstance(default, bool):
            return Extent("height")
        if isinstance(default, (tuple, list)):
            return Extent("pair")
        return _sizes(argument.name.lower(), "Tuple" in argument.annotation or "tuple" in argument.annotation)[0]
    return None
