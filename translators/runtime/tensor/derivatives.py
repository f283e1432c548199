"""`torch.autograd.Function`: a forward computation whose derivative is written by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jax

from translators.diagnostics import Refused
from translators.runtime.arrays import is_array, value

__all__ = ["autograd"]


class _Context:
    """What `forward` leaves for `backward`: saved tensors, and attributes of any kind."""

    def __init__(self, inputs: int):
        self.needs_input_grad = (True,) * inputs
        self.saved_tensors: tuple[Any, ...] = ()

    @property
    def saved_variables(self) -> tuple[Any, ...]:
        return self.saved_tensors

    def save_for_backward(self, *tensors: Any) -> None:
        self.saved_tensors = tuple(value(x) for x in tensors)

    def mark_dirty(self, *tensors: Any) -> None:
        raise Refused("R05", "an autograd.Function writes into its arguments")

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Gradients that `backward` does not return are zero anyway."""

    def set_materialize_grads(self, given: bool) -> None:
        """Gradients always are arrays here."""


class _Function:
    """`torch.autograd.Function`: subclasses define static methods `forward(ctx, ...)` and `backward(ctx, ...)`."""

    forward: Any
    backward: Any

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """`forward`, differentiated by `backward`. Arguments that are no arrays are constants."""
        places = [i for i, x in enumerate(args) if is_array(x)]
        contexts: list[tuple[_Context, list[str]]] = []

        def forward(*arrays: Any) -> tuple[Any, Any]:
            given = list(args)
            for place, array in zip(places, arrays, strict=True):
                given[place] = array
            context = _Context(len(args))
            if hasattr(cls, "setup_context"):
                result = cls.forward(*given)
                cls.setup_context(context, tuple(given), result)
            else:
                result = cls.forward(context, *given)
            # What is traced leaves the forward computation as its result; the rest stays as it is.
            held = {name: x for name, x in vars(context).items() if name != "saved_tensors" and _is_traced(x)}
            contexts.append((context, list(held)))
            return result, (context.saved_tensors, tuple(held.values()))

        def backward(saved: Any, gradients: Any) -> tuple[Any, ...]:
            context, names = contexts[-1]
            context.saved_tensors = saved[0]
            for name, array in zip(names, saved[1], strict=True):
                setattr(context, name, array)
            several = isinstance(gradients, (tuple, list))
            found = cls.backward(context, *(gradients if several else (gradients,)))
            found = found if isinstance(found, (tuple, list)) else (found,)
            return tuple(found[place] for place in places)

        def both(*arrays: Any) -> tuple[Any, ...]:
            result, saved = forward(*arrays)
            return backward(saved, result)

        arrays = [value(args[place]) for place in places]
        jax.eval_shape(both, *arrays)  # a derivative that is refused is so before anybody asks for it
        run = jax.custom_vjp(lambda *arrays: forward(*arrays)[0])
        run.defvjp(forward, backward)
        return run(*arrays)


def _is_traced(x: Any) -> bool:
    return any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(x))


autograd = SimpleNamespace(Function=_Function)
