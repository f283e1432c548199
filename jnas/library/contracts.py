"""From a guess that executes to a contract: each clause is what executions at other widths, sizes and values showed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from jnas.library.binding import BindError, Shape, bind, contract_of, output_shape
from jnas.library.block import Block, Contract, Parameter
from jnas.library.execution import Place
from jnas.library.experiments import Experiment, Output, Start
from jnas.library.hypotheses import Constant, Extent, Guess, Share, default_value, role_of, value_at
from jnas.library.projections import Projected, find_projection
from translators import Argument

# (multiple, a value that only it and its divisors divide)
WIDTH_TESTS = ((1, 67), (2, 66), (4, 68), (8, 72), (16, 80), (32, 96), (64, 192), (128, 384))
SIZE_TESTS = ((1, 37), (2, 38), (4, 44), (7, 35), (8, 40), (14, 42), (16, 48), (32, 96))
WINDOWS = (2, 4, 7, 8)
GROWTHS = (8, 16, 32)


class NotPlaceable(Exception):
    """The class executes, but no contract describes it; the message says why."""


def find_contract(experiment: Experiment, start: Start, name: str) -> Block:
    """The block with its contract; domains of parameters are left open. Raises NotPlaceable."""
    projected = find_projection(experiment, start)
    if projected is not None:
        try:
            return _confirmed(experiment, _draft(experiment, start, name, projected), start)
        except NotPlaceable:
            pass  # the shortcut of the source may be more than a projection; without one shapes stay as they are
    return _confirmed(experiment, _draft(experiment, start, name, None), start)


def _confirmed(experiment: Experiment, block: Block, start: Start) -> Block:
    free = _is_free(experiment, block, start)
    block = _confirm_widths(experiment, block, start, free)
    block = _confirm_sizes(experiment, block, start, free)
    _confirm_modes(experiment, block, start)
    return block


def _is_free(experiment: Experiment, block: Block, start: Start) -> bool:
    """Whether the block executes where width, height and breadth divide by nothing: then each of them is free."""
    contract = contract_of(block)
    shape = awkward_shape(contract, start.place)
    return (
        contract.exact_width is None
        and shape[1] >= 2 * contract.reduction
        and fits(experiment, block, {}, start.place.at(shape=shape))
    )


def awkward_shape(contract: Contract, place: Place) -> Shape:
    """Width and sizes that divide by nothing more than they must."""
    width = contract.exact_width or dict(WIDTH_TESTS).get(contract.width_multiple, place.shape[0])
    height = contract.size_multiple * (2 * (place.shape[1] // contract.size_multiple // 2) + 1)
    return width, height, height if contract.square else height + 2 * contract.size_multiple


@dataclass(frozen=True)
class _Widths:
    """Which arguments of a guess carry widths; `exact` where the class takes one incoming width only."""

    tied: frozenset[str]
    output: str | None
    exact: bool = False


def _draft(experiment: Experiment, start: Start, name: str, projected: Projected | None) -> Block:
    guess, place = dict(start.guess), start.place
    widths = _find_widths(experiment, guess, place)
    stride: str | None
    if projected is not None:
        guess |= projected.start_at(place.shape[0])
        widths = replace(widths, tied=widths.tied - {projected.output}, output=projected.output)
        stride, expansion = projected.stride, Fraction(projected.expansion)
    else:
        stride, guess = _find_stride(experiment, guess, place)
    base = _succeed(experiment.guess(guess, place), "with stride 1")
    growth, offset = None, 0
    if projected is None:
        found = _find_expansion(experiment, guess, widths, place)
        if found is None and not widths.exact:
            growth = _find_growth(experiment, guess, place)
        if growth is not None:
            found = Fraction(1), 0
            widths = replace(widths, tied=widths.tied - {growth[0]}, output=None)
            if growth[0] in guess:
                guess[growth[0]] = Constant(GROWTHS[1])
                base = _succeed(experiment.guess(guess, place), "with little growth")
        elif found is None:
            guess, widths = _fixed(guess, widths, place)
            found = _find_line(experiment, guess, place)
        expansion, offset = found
    shares = {n: s.ratio for n, s in guess.items() if isinstance(s, Share) and n != widths.output}
    contract = Contract(
        layout=place.layout,
        output_layout=base.layout,
        input_width=tuple(n for n, ratio in shares.items() if ratio == 1 and n in widths.tied),
        width_ratios=tuple((n, float(r)) for n, r in shares.items() if r != 1 or n not in widths.tied),
        output_width=widths.output,
        expansion=float(expansion) if expansion.denominator != 1 else int(expansion),
        offset=offset,
        growth=growth,
        stride=stride,
        sizes=tuple((n, s.kind) for n, s in guess.items() if isinstance(s, Extent)),
        exact_width=place.shape[0] if widths.exact else None,
        projection=projected.parameter if projected is not None else None,
        supplied=MappingProxyType(
            {n: s.value for n, s in guess.items() if isinstance(s, Constant) and n not in (stride, widths.output)}
        ),
        **_find_scale(experiment, guess, place, base),
    )
    parameters = tuple(_parameter(a, guess, widths, stride) for a in experiment.arguments)
    return Block(name, "other", parameters, contract)


def _parameter(argument: Argument, guess: Guess, widths: _Widths, stride: str | None) -> Parameter:
    symbol = guess.get(argument.name)
    role = role_of(argument)
    if argument.name in widths.tied:
        role = "input width"
    elif argument.name == widths.output:
        role = "output width"
    elif argument.name == stride:
        role = "stride"
    elif isinstance(symbol, Share) or role in ("input width", "output width"):
        role = "width"
    elif isinstance(symbol, Extent):
        role = "size"
    elif role == "stride":
        role = "other"
    default = symbol.value if argument.required and isinstance(symbol, Constant) else default_value(argument)
    return Parameter(argument.name, role, default, argument.required)


def _find_widths(experiment: Experiment, guess: dict[str, Any], place: Place) -> _Widths:
    """Varies each width argument alone at another incoming width. May add an output width to `guess`."""
    elsewhere = _another_width(experiment, guess, place)
    if elsewhere is None:
        return _Widths(frozenset(), _exact_output(experiment, guess, place), exact=True)
    other, wide = elsewhere
    tied, outputs = set(), []
    for name, symbol in guess.items():
        if not isinstance(symbol, Share):
            continue
        fixed = {**guess, name: Constant(max(1, int(symbol.ratio * place.shape[0])))}
        outcome = experiment.guess(fixed, other)
        if not isinstance(outcome, Output):
            tied.add(name)
        elif outcome.shape[0] != wide.shape[0]:
            outputs.append(name)
    if len(outputs) > 1:  # as of branches that are concatenated: what each of them has is not offered
        for name in outputs:
            guess[name] = Constant(value_at(guess[name], place.shape))
        return _Widths(frozenset(tied), None)
    if not outputs:
        outputs = _optional_output(experiment, guess, place)
    return _Widths(frozenset(tied), outputs[0] if outputs else None)


def _exact_output(experiment: Experiment, guess: dict[str, Any], place: Place) -> str | None:
    """What sets the outgoing width where the incoming one is fixed; all other widths become constants of `guess`."""
    base = _succeed(experiment.guess(guess, place), "again")
    shares = [name for name, symbol in guess.items() if isinstance(symbol, Share)]
    found = None
    for name in shares:
        wider = experiment.guess({**guess, name: Constant(2 * value_at(guess[name], place.shape))}, place)
        if found is None and isinstance(wider, Output) and wider.shape[0] == 2 * base.shape[0]:
            found = name
    for name in shares:
        if name != found:
            guess[name] = Constant(value_at(guess[name], place.shape))
    return found


def _fixed(guess: dict[str, Any], widths: _Widths, place: Place) -> tuple[dict[str, Any], _Widths]:
    """The guess without an argument that sets the outgoing width, for no rule was found."""
    if widths.output is None:
        return guess, widths
    value = value_at(guess[widths.output], place.shape)
    return {**guess, widths.output: Constant(value)}, replace(widths, output=None)


def _another_width(experiment: Experiment, guess: Guess, place: Place) -> tuple[Place, Output] | None:
    """The same at another width; None where the class executes at one width only."""
    width, *sizes = place.shape
    for factor in (Fraction(3, 2), Fraction(2)):
        other = place.at(shape=(int(width * factor), *sizes))
        outcome = experiment.guess(guess, other)
        if isinstance(outcome, Output):
            return other, outcome
    return None


def _optional_output(experiment: Experiment, guess: dict[str, Any], place: Place) -> list[str]:
    """An optional argument that sets the outgoing width, which `guess` then keeps at the incoming width."""
    for argument in experiment.arguments:
        if argument.name in guess or role_of(argument) not in ("output width", "width", "input width"):
            continue
        default = default_value(argument)
        if default is not None and (isinstance(default, bool) or not isinstance(default, int)):
            continue
        wider = experiment.guess({**guess, argument.name: Constant(2 * place.shape[0])}, place)
        same = experiment.guess({**guess, argument.name: Share(Fraction(1))}, place)
        if isinstance(wider, Output) and isinstance(same, Output) and wider.shape[0] == 2 * same.shape[0]:
            guess[argument.name] = Share(Fraction(1))
            return [argument.name]
    return []


def _find_stride(experiment: Experiment, guess: dict[str, Any], place: Place) -> tuple[str | None, dict[str, Any]]:
    """The argument that divides height and width, set to 1."""
    for argument in experiment.arguments:
        if role_of(argument) != "stride":
            continue
        one = experiment.guess({**guess, argument.name: Constant(1)}, place)
        two = experiment.guess({**guess, argument.name: Constant(2)}, place)
        if not isinstance(one, Output) or not isinstance(two, Output):
            continue
        if one.shape[1] == 2 * two.shape[1] and one.shape[0] == two.shape[0]:
            return argument.name, {**guess, argument.name: Constant(1)}
    return None, guess


def _find_expansion(experiment: Experiment, guess: Guess, widths: _Widths, place: Place) -> tuple[Fraction, int] | None:
    """(ratio of the outgoing width to what sets it, an argument or the incoming one; 0); None without such a rule."""
    ratios = set()
    if widths.output is not None:
        for value in (48, 64, 128):
            outcome = experiment.guess({**guess, widths.output: Constant(value)}, place)
            if isinstance(outcome, Output):
                ratios.add(Fraction(outcome.shape[0], value))
    else:
        base = _succeed(experiment.guess(guess, place), "again")
        elsewhere = _another_width(experiment, guess, place)
        ratios.add(Fraction(base.shape[0], place.shape[0]))
        if elsewhere is not None:
            ratios.add(Fraction(elsewhere[1].shape[0], elsewhere[0].shape[0]))
    return (ratios.pop(), 0) if len(ratios) == 1 else None


def _find_line(experiment: Experiment, guess: Guess, place: Place) -> tuple[Fraction, int]:
    """(slope, offset) of the outgoing width over the incoming one, as where branches of fixed widths are joined."""
    width, *sizes = place.shape
    points = {}
    for factor in (1, Fraction(3, 2), 2, 3):
        at = int(width * factor)
        outcome = experiment.guess(guess, place.at(shape=(at, *sizes)))
        if isinstance(outcome, Output):
            points[at] = outcome.shape[0]
    if len(points) >= 3:
        (x, y), *rest = points.items()
        slopes = {Fraction(b - y, a - x) for a, b in rest}
        offset = y - min(slopes) * x
        if len(slopes) == 1 and min(slopes) >= 0 and offset.denominator == 1:
            return min(slopes), int(offset)
    raise NotPlaceable("outgoing width is no line over the incoming one, nor proportional to one argument")


def _find_growth(experiment: Experiment, guess: Guess, place: Place) -> tuple[str, float] | None:
    """The argument that is added to the incoming width, as where inputs and outputs are concatenated."""
    elsewhere = _another_width(experiment, guess, place)
    if elsewhere is None:
        return None
    for argument in experiment.arguments:
        if role_of(argument) not in ("width", "output width"):
            continue
        added = set()
        for where in (place, elsewhere[0]):
            for growth in GROWTHS:
                outcome = experiment.guess({**guess, argument.name: Constant(growth)}, where)
                added.add(Fraction(outcome.shape[0] - where.shape[0], growth) if isinstance(outcome, Output) else None)
        factor = added.pop()
        if not added and factor is not None and factor > 0:
            return argument.name, float(factor)
    return None


def _find_scale(experiment: Experiment, guess: Guess, place: Place, base: Output) -> dict[str, Any]:
    """Clauses of the contract that say what becomes of height and width."""
    before, after = place.shape[1], base.shape[1]
    large = experiment.guess(guess, place.at(shape=(place.shape[0], 2 * before, 2 * before)))
    if not isinstance(large, Output):
        if before % after:
            raise NotPlaceable(f"makes {after} pixels of {before}")
        return {"reduction": before // after}
    if large.shape[1] == after:
        return {"output_size": after}
    slope = Fraction(large.shape[1] - after, before)
    if slope.denominator == 1 and slope >= 1 and (before * slope - after) % slope == 0:
        return {"enlargement": int(slope), "margin": int(before - after / slope)}
    if slope.numerator != 1:
        raise NotPlaceable(f"makes {after} pixels of {before} and {large.shape[1]} of {2 * before}")
    return {"reduction": slope.denominator, "margin": _find_margin(experiment, guess, place, after, slope.denominator)}


def _find_margin(experiment: Experiment, guess: Guess, place: Place, after: int, reduction: int) -> int:
    """Pixels that are lost before height and width are divided."""
    before = place.shape[1]
    margins = [m for m in range(before - reduction * after, before - reduction * (after - 1)) if m]
    if len(margins) < reduction:
        return 0
    for size in range(before + 1, before + reduction):
        outcome = experiment.guess(guess, place.at(shape=(place.shape[0], size, size)))
        if isinstance(outcome, Output):
            margins = [m for m in margins if -(-(size - m) // reduction) == outcome.shape[1]]
    if not margins:
        raise NotPlaceable("outgoing size does not follow the incoming one")
    return margins[0]


def fits(experiment: Experiment, block: Block, args: Mapping[str, Any], place: Place) -> bool:
    """Whether the contract binds the block at `place`, and it executes there with the predicted outcome."""
    try:
        values, expected = bind(block, args, place.shape), output_shape(block, args, place.shape)
    except BindError:
        return False
    contract = contract_of(block)
    outcome = experiment.run(values, place, contract.output_layout)
    return isinstance(outcome, Output) and outcome.shape == expected and min(expected) >= 1


def _confirm_widths(experiment: Experiment, block: Block, start: Start, free: bool) -> Block:
    """Divisibility and least value of the incoming and the outgoing width."""
    place = start.place
    _, *sizes = place.shape

    def at(width: int) -> Place:
        return place.at(shape=(width, *sizes))

    if contract_of(block).exact_width is not None:
        if not fits(experiment, block, {}, place):
            raise NotPlaceable("outgoing width follows no rule that was tried")
        return _with_output_multiple(experiment, block, place)
    multiple = 1 if free else _least_multiple(lambda w: fits(experiment, block, {}, at(w)), WIDTH_TESTS)
    if multiple is None:
        raise NotPlaceable("no divisibility of the incoming width explains where it executes")
    block = _with(block, width_multiple=multiple)
    widths = [w for w in sorted({1, 3, multiple, 8, 16, 32, 48, 64}) if w % multiple == 0]
    least = _least(lambda w: fits(experiment, block, {}, at(w)), widths)
    if least is None:
        raise NotPlaceable("executes at single widths only")
    block = _with(block, minimum_width=1 if least == multiple else least)
    return _with_output_multiple(experiment, block, place)


def _with_output_multiple(experiment: Experiment, block: Block, place: Place) -> Block:
    output = contract_of(block).output_width
    if output is None:
        return block
    multiple = _least_multiple(lambda w: fits(experiment, block, {output: w}, place), WIDTH_TESTS)
    if multiple is None:
        return _with_output_tied(experiment, block, output, place)
    if multiple > 1 and multiple % place.shape[0] == 0:  # as of a depthwise convolution: of the incoming width itself?
        wider = 3 * place.shape[0] // 2
        follows = _with(block, output_multiple=0)
        if fits(experiment, follows, {output: wider}, place.at(shape=(wider, *place.shape[1:]))):
            return follows
    return _with(block, output_multiple=multiple)


def _with_output_tied(experiment: Experiment, block: Block, output: str, place: Place) -> Block:
    """The block for incoming widths only, as where another outgoing width also changes the size."""
    contract = contract_of(block)
    parameters = tuple(replace(p, role="input width") if p.name == output else p for p in block.parameters)
    ratios = (*contract.width_ratios, (output, float(1 / Fraction(contract.expansion))))
    tied = _with(replace(block, parameters=parameters), output_width=None, expansion=1, width_ratios=ratios)
    if not fits(experiment, tied, {}, place):
        raise NotPlaceable("outgoing width follows no rule that was tried")
    return tied


def _confirm_sizes(experiment: Experiment, block: Block, start: Start, free: bool) -> Block:
    """Divisibility and least value of height and width; windows that tile are bound to the size."""
    place = start.place
    width = place.shape[0]

    def at(height: int, breadth: int | None = None) -> Place:
        return place.at(shape=(width, height, breadth or height))

    multiple = 1 if free else _size_multiple(experiment, block, at)
    if multiple != 1:
        bound = _bind_window(experiment, block, at)
        if bound is not None:
            return bound
    if multiple is None or not _rounds_up(experiment, block, at, multiple):
        block = _with(block, exact=True)
        multiple = _size_multiple(experiment, block, at)
    if multiple is None:
        raise NotPlaceable("no divisibility of height and width explains where it executes")
    block = _with(block, size_multiple=multiple)
    stride = contract_of(block).stride
    if stride is not None and not contract_of(block).exact:
        odd = at(15 * multiple)
        if not fits(experiment, block, {stride: 2}, odd):
            block = _with(block, exact=True)
    unit = multiple * (contract_of(block).reduction if contract_of(block).exact else 1)
    least = next((s for s in (1, 2, 4, 7, 8, 14) if s % unit == 0 and fits(experiment, block, {}, at(s))), None)
    block = _with(block, minimum_size=least or place.shape[1])
    if fits(experiment, block, {}, _everywhere(block, place)):
        return block
    if not fits(experiment, block, {}, at(3 * place.shape[1])):
        raise NotPlaceable("outgoing size does not follow the incoming one")
    if not fits(experiment, block, {}, at(place.shape[1], 2 * place.shape[1])):
        block = _with(block, square=True)
    return block


def _size_multiple(experiment: Experiment, block: Block, at: Callable[..., Place]) -> int | None:
    reduction = contract_of(block).reduction
    tests = tuple((m, s if s >= 2 * reduction else s + 2 * m * reduction) for m, s in SIZE_TESTS)
    return _least_multiple(lambda s: fits(experiment, block, {}, at(s)), tests)


def _rounds_up(experiment: Experiment, block: Block, at: Callable[..., Place], multiple: int) -> bool:
    """Whether sizes between multiples of a large spatial factor round up, as several roundings in a row may not."""
    reduction = contract_of(block).reduction
    between = (reduction + 1, reduction * 3 // 2, reduction * 7 // 4, 2 * reduction - 1) if reduction >= 4 else ()
    return all(fits(experiment, block, {}, at(multiple * size)) for size in between)


def _bind_window(experiment: Experiment, block: Block, at: Callable[..., Place]) -> Block | None:
    """The block with its window bound to the largest that tiles the input, if it executes with at least two windows."""
    for parameter in block.parameters:
        if parameter.role != "size" or any(parameter.name == name for name, _ in contract_of(block).sizes):
            continue
        pair = isinstance(parameter.default, tuple)
        domain = tuple((w, w) if pair else w for w in WINDOWS)
        candidate = _with(
            with_parameter(block, replace(parameter, domain=domain)),
            sizes=(*contract_of(block).sizes, (parameter.name, "window")),
        )
        working = tuple(v for v, w in zip(domain, WINDOWS, strict=True) if fits(experiment, candidate, {}, at(3 * w)))
        if len(working) < 2:
            continue
        candidate = with_parameter(candidate, replace(parameter, domain=working))
        sizes = [s for s in (4, 7, 8, 14, 16, 28) if fits(experiment, candidate, {}, at(s))]
        if len(sizes) >= 3:
            square = not fits(experiment, candidate, {}, at(sizes[-1], 2 * sizes[-1]))
            return _with(candidate, minimum_size=sizes[0], square=square)
    return None


def _everywhere(block: Block, place: Place) -> Place:
    """A larger place, not square where it need not be, in training mode with a batch of one: what executes there needs
    no test of each."""
    width, height, breadth = place.shape
    shape = (width, 3 * height, (3 if contract_of(block).square else 2) * breadth)
    return place.at(shape=shape, training=True, batch=1)


def _confirm_modes(experiment: Experiment, block: Block, start: Start) -> None:
    if fits(experiment, block, {}, _everywhere(block, start.place)):
        return
    if not fits(experiment, block, {}, start.place.at(training=True)):
        raise NotPlaceable(
            f"does not execute in training mode ({_why(experiment, block, start.place.at(training=True))})"
        )
    if not fits(experiment, block, {}, start.place.at(batch=1)):
        raise NotPlaceable("does not execute with a batch of one")


def _why(experiment: Experiment, block: Block, place: Place) -> str:
    return str(experiment.run(bind(block, {}, place.shape), place, contract_of(block).output_layout))


def _least_multiple(holds: Callable[[int], bool], tests: tuple[tuple[int, int], ...]) -> int | None:
    return next((multiple for multiple, value in tests if holds(value)), None)


def _least(holds: Callable[[int], bool], values: Sequence[int]) -> int | None:
    """The least of ascending values from which on all hold; where the first one does, so do the others. None if the
    last does not."""
    if holds(values[0]):
        return values[0]
    least = None
    for value in reversed(values):
        if not holds(value):
            break
        least = value
    return least


def _succeed(outcome: Any, where: str) -> Output:
    if not isinstance(outcome, Output):
        raise NotPlaceable(f"does not execute {where} ({outcome})")
    return outcome


def _with(block: Block, **changes: Any) -> Block:
    return replace(block, contract=replace(contract_of(block), **changes))


def with_parameter(block: Block, parameter: Parameter) -> Block:
    return replace(block, parameters=tuple(parameter if p.name == parameter.name else p for p in block.parameters))
