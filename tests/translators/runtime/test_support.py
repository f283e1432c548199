"""What translated code calls besides PyTorch's names."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from translators.diagnostics import Refused
from translators.runtime import einops, nn, support


def traced(function, *shapes):
    return jax.jit(function)(*(jnp.arange(np.prod(shape), dtype=jnp.float32).reshape(shape) for shape in shapes))


def test_item_assignment_writes_numpy_and_returns_new_traced_arrays():
    array = np.zeros((2, 3), np.float32)
    assert support.set_item(array, (slice(None), 0), 1) is array and array[:, 0].tolist() == [1, 1]
    result = traced(lambda x: support.set_item(x, (slice(None), [0, 2]), 9), (2, 3))
    assert result.tolist() == [[9, 1, 9], [9, 4, 9]]


def test_a_mask_takes_one_value_and_refuses_several():
    assert traced(lambda x: support.set_item(x, x > 1, 0), (4,)).tolist() == [0, 1, 0, 0]
    with pytest.raises(Refused, match="R04"):
        traced(lambda x: support.set_item(x, x > 1, x), (4,))


def test_items_of_containers_are_theirs():
    assert support.set_item({}, "a", 1) == {"a": 1}
    assert support.get_item({"a": 2}, "a") == 2


def test_a_shared_write_is_refused_for_traced_arrays_only():
    support.refuse_alias(np.zeros(2), "shared")
    support.refuse_alias(3, "shared")
    with pytest.raises(Refused, match="R05: shared"):
        traced(lambda x: support.refuse_alias(x, "shared"), (2,))


def test_a_module_that_writes_into_its_input_is_refused():
    assert isinstance(support.unless_in_place(nn.ReLU(), "written"), nn.ReLU)
    for module in (nn.ReLU(inplace=True), nn.Sequential(nn.ReLU(inplace=True), nn.Identity())):
        with pytest.raises(Refused, match="R05: written"):
            support.unless_in_place(module, "written")


def test_a_stand_in_raises_when_it_is_used():
    stand_in = support.unsupported("R02", "mmcv.X")
    for use in (lambda: stand_in(1), lambda: stand_in.attribute):
        with pytest.raises(Refused, match=r"R02: mmcv\.X"):
            use()


def test_a_name_is_looked_up_among_supported_ones():
    assert support.look_up(nn, "ReLU") is nn.ReLU
    with pytest.raises(Refused, match=r"nn\.NoSuchLayer is not supported"):
        support.look_up(nn, "NoSuchLayer")


def test_control_flow_on_data_is_refused():
    class Block(nn.Module):
        def forward(self, x):
            return x if x.mean() > 0 else -x

    with pytest.raises(Refused, match="R04"):
        jax.eval_shape(Block(), jax.ShapeDtypeStruct((2,), jnp.float32))


def test_einops_takes_parameters_and_is_a_layer_too():
    weight = nn.Parameter(np.arange(6, dtype=np.float32).reshape(2, 3))
    assert einops.rearrange(weight, "a b -> b a").shape == (3, 2)
    assert nn.Rearrange("a (b c) -> a b c", c=1)(jnp.ones((2, 3))).shape == (2, 3, 1)
    assert nn.Reduce("a b -> a", "mean")(jnp.ones((2, 3))).tolist() == [1, 1]


def test_what_a_sequence_writes_first_is_activated():
    x = jnp.array([-1.0, 2.0])
    branch = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(2, 2))
    np.testing.assert_array_equal(support.activated(branch, x, ""), [0.0, 2.0])
    assert support.activated(nn.Sequential(nn.ReLU(), nn.Linear(2, 2)), x, "") is x
    for module in (nn.ReLU(True), nn.Sequential(nn.ReLU(True)), nn.Sequential(nn.SiLU(True), nn.Linear(2, 2))):
        with pytest.raises(Refused, match="R05"):  # the result is written too, or twice is not once
            support.activated(module, x, "")


@pytest.mark.parametrize("wrap", [np.asarray, jnp.asarray, jax.jit(lambda x: x)])
def test_an_operator_on_what_a_mask_selects(wrap):
    x = wrap(np.array([[-1.0, 2.0], [3.0, -4.0]], np.float32))
    np.testing.assert_array_equal(support.update_item(x, x < 0, "*", 0.5), [[-0.5, 2.0], [3.0, -2.0]])
    y = wrap(np.array([[-1.0, 2.0], [3.0, -4.0]], np.float32))
    np.testing.assert_array_equal(support.update_item(y, y[:, 0] < 0, "+", np.float32([1, 2])), [[0, 4], [3, -4]])


def test_an_operator_on_as_many_values_as_a_mask_selects_is_refused():
    x = jnp.array([-1.0, 2.0])
    with pytest.raises(Refused, match="R04"):
        support.update_item(x, x < 0, "*", jnp.array([2.0]))


def test_a_flag_of_writing_must_not_hold_where_it_would_be_seen():
    assert support.unless_written(False, "") is False
    with pytest.raises(Refused, match="R05"):
        support.unless_written(True, "")
