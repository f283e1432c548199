"""`torch.utils._pytree`: containers as leaves and structure. None is a leaf; dictionaries keep their order."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "TreeSpec",
    "tree_all",
    "tree_any",
    "tree_flatten",
    "tree_iter",
    "tree_leaves",
    "tree_map",
    "tree_map_",
    "tree_map_only",
    "tree_structure",
    "tree_unflatten",
]

IsLeaf = Callable[[Any], bool] | None


@dataclass(frozen=True)
class TreeSpec:
    """Structure of a container: its type (None of a leaf), what its type needs to be made again, its children."""

    type: Any
    context: Any = None
    children_specs: tuple[TreeSpec, ...] = ()

    def is_leaf(self) -> bool:
        return self.type is None

    @property
    def num_children(self) -> int:
        return len(self.children_specs)

    @property
    def num_leaves(self) -> int:
        return 1 if self.is_leaf() else sum(child.num_leaves for child in self.children_specs)

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        return tree_unflatten(leaves, self)


_LEAF = TreeSpec(None)


def tree_flatten(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[Any], TreeSpec]:
    """(leaves, structure) of nested lists, tuples, named tuples, dictionaries and deques."""
    kind = _kind(tree)
    if kind is None or (is_leaf is not None and is_leaf(tree)):
        return [tree], _LEAF
    items = tree.values() if isinstance(tree, dict) else tree
    flat = [tree_flatten(item, is_leaf) for item in items]
    spec = TreeSpec(kind, _context(tree), tuple(spec for _, spec in flat))
    return [leaf for leaves, _ in flat for leaf in leaves], spec


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> Any:
    """The inverse of tree_flatten. Raises ValueError for another number of leaves than the structure has."""
    leaves = list(leaves)
    if len(leaves) != treespec.num_leaves:
        raise ValueError(f"tree_unflatten: {len(leaves)} leaves for a structure of {treespec.num_leaves}")
    return _made(iter(leaves), treespec)


def tree_iter(tree: Any, is_leaf: IsLeaf = None) -> Iterator[Any]:
    return iter(tree_flatten(tree, is_leaf)[0])


def tree_leaves(tree: Any, is_leaf: IsLeaf = None) -> list[Any]:
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: IsLeaf = None) -> TreeSpec:
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: IsLeaf = None) -> Any:
    """`func` of the leaves at the same place of `tree` and `rests`, in the structure of `tree`."""
    leaves, spec = tree_flatten(tree, is_leaf)
    others = [_leaves_like(rest, spec) for rest in rests]
    return tree_unflatten([func(*given) for given in zip(leaves, *others, strict=True)], spec)


def tree_map_(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: IsLeaf = None) -> Any:
    """Calls `func` like tree_map and returns `tree` itself."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def tree_map_only(kind: Any, func: Callable[[Any], Any], tree: Any, is_leaf: IsLeaf = None) -> Any:
    """tree_map over the leaves of a type, of one of several types, or that a predicate holds for."""
    chosen = kind if callable(kind) and not isinstance(kind, type) else lambda leaf: isinstance(leaf, kind)
    return tree_map(lambda leaf: func(leaf) if chosen(leaf) else leaf, tree, is_leaf=is_leaf)


def tree_all(pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    return all(map(pred, tree_iter(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    return any(map(pred, tree_iter(tree, is_leaf)))


def _kind(tree: Any) -> Any:
    """The type of a container as it is, None of a leaf: subclasses of lists and dictionaries are leaves in PyTorch."""
    kind = type(tree)
    named = isinstance(tree, tuple) and hasattr(kind, "_fields")
    return kind if named or kind in (list, tuple, dict, OrderedDict, defaultdict, deque) else None


def _context(tree: Any) -> Any:
    match tree:
        case defaultdict():
            return tree.default_factory, tuple(tree)
        case dict():
            return None, tuple(tree)
        case deque():
            return tree.maxlen
    return None


def _made(leaves: Iterator[Any], spec: TreeSpec) -> Any:
    if spec.is_leaf():
        return next(leaves)
    children = [_made(leaves, child) for child in spec.children_specs]
    kind = spec.type
    if issubclass(kind, dict):
        factory, keys = spec.context
        pairs = zip(keys, children, strict=True)
        return defaultdict(factory, pairs) if kind is defaultdict else kind(pairs)
    if kind is deque:
        return deque(children, maxlen=spec.context)
    return kind(*children) if hasattr(kind, "_fields") else kind(children)


def _leaves_like(tree: Any, spec: TreeSpec) -> Sequence[Any]:
    """What stands in `tree` at the leaves of a structure. Raises ValueError where the structures differ."""
    if spec.is_leaf():
        return [tree]
    if _kind(tree) is not spec.type or len(tree) != spec.num_children:
        raise ValueError(f"tree_map: {type(tree).__name__} where the first tree has {spec.type.__name__}")
    items = [tree[key] for key in spec.context[1]] if isinstance(tree, dict) else tree
    return [leaf for item, child in zip(items, spec.children_specs, strict=True) for leaf in _leaves_like(item, child)]
