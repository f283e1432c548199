"""Which name of torch, the standard library and NumPy becomes what: the declarative half of the rewriting."""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from types import SimpleNamespace


def words(text: str) -> frozenset[str]:
    """A table of names, written as text."""
    return frozenset(text.split())


# Longest prefix first: a torch module and the runtime module that has the same names.
RUNTIME_MODULES: tuple[tuple[str, str], ...] = (
    ("torch.nn.functional", "functional"),
    ("torch.nn.init", "init"),
    ("torch.nn", "nn"),
    ("torch.utils._pytree", "pytree"),
    ("torch", "ops"),
    ("einops", "einops"),
)
# How emitted files spell the runtime modules.
RUNTIME_ALIASES = {"functional": "F", "init": "init", "nn": "nn", "ops": "ops", "pytree": "pytree", "einops": "einops"}

# Spellings of one and the same thing.
SAME = {
    "torch.nn.parameter.Parameter": "torch.nn.Parameter",
    "torch.nn.parameter.Buffer": "torch.nn.Buffer",
    "torch.functional": "torch",
    "torch._C._nn": "torch.nn.functional",
    "torch._C": "torch",
    "torch.autograd.Variable": "torch.tensor",
    "torch.autograd.function.Function": "torch.autograd.Function",
    "torch.nn.utils.weight_norm.weight_norm": "torch.nn.utils.weight_norm",
    "torch.nn.utils.spectral_norm.spectral_norm": "torch.nn.utils.spectral_norm",
    "einops.layers.torch": "torch.nn",
} | {
    f"{place}.{name}": f"torch.nn.{name}"
    for place in ("torch.quantization", "torch.ao.quantization", "torch.nn.quantized", "torch.ao.nn.quantized")
    for name in ("QuantStub", "DeQuantStub", "FloatFunctional")
}

# Queries about the surroundings, answered once: eager, on one process, without CUDA or tracing.
ANSWERS: dict[str, object] = {
    "torch.jit.is_scripting": False,
    "torch.jit.is_tracing": False,
    "torch._get_tracing_state": None,
    "torch.is_autocast_enabled": False,
    "torch.is_autocast_cpu_enabled": False,
    "torch.cuda.is_available": False,
    "torch.cuda.device_count": 0,
    "torch.cuda.is_current_stream_capturing": False,
    "torch.backends.mps.is_available": False,
    "torch.compiler.is_compiling": False,
    "torch.compiler.is_exporting": False,
    "torch.compiler.is_dynamo_compiling": False,
    "torch._dynamo.is_compiling": False,
    "torch.onnx.is_in_onnx_export": False,
    "torch.distributed.is_available": False,
    "torch.distributed.is_initialized": False,
    "torch.overrides.has_torch_function": False,
    "torch.overrides.has_torch_function_unary": False,
    "torch.overrides.has_torch_function_variadic": False,
    "torch.is_grad_enabled": True,
    "torch.is_inference_mode_enabled": False,
}
VALUES: dict[str, object] = {
    "torch.__version__": "2.9.0",
    "torch.version.__version__": "2.9.0",
    "torch.version.cuda": None,
    "typing.TYPE_CHECKING": False,
    "sys.version_info": (3, 11, 0),
    "os.environ": {},
}

# Calls that load compiled code: there is none here, so they raise what the source expects of an absent one.
NATIVE_LOADERS = words(
    """torch.ops.load_library torch.classes.load_library ctypes.CDLL ctypes.cdll.LoadLibrary
    torch.utils.cpp_extension.load torch.utils.cpp_extension.load_inline"""
)

# Names whose meaning plain Python can spell.
EXPRESSIONS = {
    "types.FunctionType": "type(lambda: None)",
    "types.LambdaType": "type(lambda: None)",
    "inspect.isfunction": "(lambda x: isinstance(x, type(lambda: None)))",
    "os.path.join": "(lambda *parts: '/'.join(parts))",
    "inspect.isclass": "(lambda x: isinstance(x, type))",
    "torch.nn._single": "(lambda x: tuple(x) if isinstance(x, (tuple, list)) else (x,))",
    "torch.nn._pair": "(lambda x: tuple(x) if isinstance(x, (tuple, list)) else (x,) * 2)",
    "torch.nn._triple": "(lambda x: tuple(x) if isinstance(x, (tuple, list)) else (x,) * 3)",
    "torch.nn._ntuple": "(lambda n: lambda x: tuple(x) if isinstance(x, (tuple, list)) else (x,) * n)",
    "torch.contiguous_format": "None",
    "torch.channels_last": "None",
    "torch.preserve_format": "None",
}

# Calls that hand their first argument on: f(x, ...) is x.
TRANSPARENT = {
    "torch.jit.script",
    "torch.jit.script_if_tracing",
    "torch.jit.ignore",
    "torch.jit.export",
    "torch.jit.unused",
    "torch.fx.wrap",
    "torch.compile",
    "torch.compiler.disable",
    "torch._dynamo.disable",
}
# Calls that call their first argument with the rest, apart from keywords of their own.
CALLS_THROUGH = {"torch.utils.checkpoint.checkpoint"}
CALL_THROUGH_KEYWORDS = {"use_reentrant", "preserve_rng_state", "determinism_check", "debug", "context_fn"}

# Contexts that change nothing here; those in the second set also stop the gradient of what they assign.
NEUTRAL_CONTEXTS = {
    "torch.autocast",
    "torch.amp.autocast",
    "torch.cuda.amp.autocast",
    "torch.cpu.amp.autocast",
    "torch.enable_grad",
    "torch.autograd.profiler.record_function",
    "torch.profiler.record_function",
    "torch.jit.optimized_execution",
    "torch.cuda.device",
    "torch.device",
    "torch.nn.attention.sdpa_kernel",
    "torch.backends.cuda.sdp_kernel",
    "warnings.catch_warnings",
}
GRADIENT_STOPS = {"torch.no_grad", "torch.inference_mode", "torch.autograd.no_grad"}

# Decorators without meaning here.
DROPPED_DECORATORS = (
    TRANSPARENT
    | GRADIENT_STOPS
    | NEUTRAL_CONTEXTS
    | {
        "typing.final",
        "typing.override",
        "typing.no_type_check",
        "typing_extensions.final",
        "typing_extensions.override",
        "typing_extensions.deprecated",
        "torch.cuda.amp.custom_fwd",
        "torch.cuda.amp.custom_bwd",
        "torch.amp.custom_fwd",
        "torch.amp.custom_bwd",
        "torch.autograd.function.once_differentiable",
        "abc.abstractmethod",
        "contextlib.contextmanager",
        "torch.jit.interface",
    }
)
KEPT_DECORATORS = {
    "staticmethod",
    "classmethod",
    "property",
    "functools.wraps",
    "functools.lru_cache",
    "functools.cache",
    "functools.cached_property",
    "functools.partial",
    "dataclasses.dataclass",
    "enum.unique",
}

# Statements that only talk to people.
SILENT_MODULES = ("warnings.", "logging.")
SILENT_CALLS = words(
    """print torch._log_api_usage_once torch._assert_async torch.manual_seed torch.set_printoptions
    torch.cuda.empty_cache torch.cuda.synchronize"""
)

# Assertions spelled as calls; they hold for shapes, as those of Python do.
CHECKS = {"torch._assert", "torch._check"}

REFUSED_PREFIXES: tuple[tuple[str, str], ...] = (
    ("torch.autograd", "R03"),
    ("torch.nonzero", "R04"),
    ("torch.argwhere", "R04"),
    ("torch.unique", "R04"),
    ("torch.masked_select", "R04"),
    ("torch.load", "R06"),
    ("torch.save", "R06"),
    ("torch.hub", "R06"),
    ("torch.nested", "R11"),
    ("torch.sparse", "R11"),
    ("torch.ao", "R11"),
    ("torch.quantization", "R11"),
    ("torch.nn.quantized", "R11"),
    ("torch.cuda", "R11"),
    ("torch.distributed", "R12"),
    ("torch.nn.parallel", "R12"),
    ("torch.nn.utils.parametrizations", "R13"),
    ("torch.nn.utils.parametrize", "R13"),
    ("numpy.random", "R06"),
    ("random", "R06"),
    ("time", "R06"),
    ("os", "R06"),
    ("sys", "R06"),
    ("pathlib", "R06"),
    ("json", "R06"),
    ("pickle", "R06"),
    ("subprocess", "R06"),
    ("socket", "R06"),
    ("urllib", "R06"),
)

# Special methods that emitted classes may define.
DUNDER_METHODS = words(
    """__init__ __call__ __len__ __getitem__ __setitem__ __delitem__ __iter__ __next__ __contains__ __repr__ __str__
    __eq__ __ne__ __lt__ __le__ __gt__ __ge__ __hash__ __bool__ __enter__ __exit__ __post_init__ __add__ __sub__
    __mul__ __radd__ __rsub__ __rmul__ __truediv__ __floordiv__ __mod__ __pow__ __neg__ __matmul__ __iadd__ __int__
    __float__ __index__ __getattr__ __new__ __copy__ __deepcopy__ __reversed__ __format__"""
)

# Builtins that emitted code may use.
ALLOWED_BUILTINS = words(
    """abs all any bool bytes callable chr complex dict divmod enumerate filter float format frozenset hasattr getattr
    setattr hash id int isinstance issubclass iter len list map max min next object ord pow print property range repr
    reversed round set slice sorted staticmethod classmethod str sum super tuple type zip NotImplemented
    NotImplementedError Ellipsis True False None __name__ Exception ValueError TypeError KeyError IndexError
    RuntimeError AttributeError AssertionError ImportError StopIteration ArithmeticError ZeroDivisionError
    OverflowError Warning UserWarning DeprecationWarning FutureWarning LookupError OSError IOError FileNotFoundError
    ModuleNotFoundError NameError FloatingPointError RecursionError MemoryError RuntimeWarning"""
)

# Modules that emitted code may import, with the names it may take from them (None: all public ones).
LIBRARIES: dict[str, frozenset[str] | None] = {
    "math": None,
    "functools": words("partial partialmethod reduce wraps lru_cache cache cached_property"),
    "itertools": None,
    "typing": None,
    "collections": words("OrderedDict defaultdict namedtuple deque Counter ChainMap abc"),
    "collections.abc": None,
    "dataclasses": words("dataclass field fields asdict astuple replace is_dataclass MISSING"),
    "enum": None,
    "copy": words("copy deepcopy"),
    "numbers": None,
    "operator": words("add sub mul truediv floordiv mod neg pow matmul eq ne lt le gt ge and_ or_ not_ itemgetter"),
    "abc": words("ABC abstractmethod"),
    "re": words("compile split match fullmatch search sub findall escape IGNORECASE I"),
    "inspect": words("signature"),
    "numpy": words(
        """abs add all allclose any arange arccos arcsin arctan argmax argmin argsort array asarray atleast_1d bool_
        broadcast_to ceil clip concatenate convolve cos cumsum diff divide dot dtype einsum empty exp expand_dims eye
        flip float32 float64 floor full hamming hanning hstack identity inf int32 int64 integer interp isscalar kron
        linspace log log10 log2 logspace max maximum mean meshgrid min minimum mod multiply nan ndarray newaxis
        number ones ones_like outer pad pi power prod ravel repeat reshape roll round sign sin sqrt square squeeze
        stack std sum tan tanh tile transpose tri tril triu uint8 unravel_index vstack where zeros zeros_like"""
    ),
}


@dataclass(frozen=True)
class Spelling:
    """How a foreign name is written in emitted code: `expression` uses `imported`, a runtime or library module."""

    expression: str
    imported: str


@dataclass(frozen=True)
class Unsupported:
    """A foreign name without counterpart; `code` is the refusal code."""

    code: str
    name: str


def canonical(name: str) -> str:
    """One spelling for each thing in torch: `torch.nn.modules.conv.Conv2d` is `torch.nn.Conv2d`."""
    for old, new in SAME.items():
        if name == old or name.startswith(old + "."):
            return new + name[len(old) :]
    if name.startswith("torch.nn.init.") and f"{name.rpartition('.')[2]}_" in runtime_names("init"):
        return f"{name}_"  # what fills a tensor had no underscore before PyTorch 0.4, and still need not have it
    parts = name.split(".")
    if parts[:3] == ["torch", "nn", "modules"]:
        # The submodule of torch.nn.modules is lower case, what it defines need not be (`_pair`, `_BatchNorm`).
        rest = parts[3:]
        return ".".join(["torch", "nn", *(rest[1:] if len(rest) > 1 else rest)])
    return name


@functools.cache
def runtime_names(module: str) -> frozenset[str]:
    """Public names of a runtime module: what is supported."""
    loaded = importlib.import_module(f"translators.runtime.{module}")
    return frozenset(getattr(loaded, "__all__", None) or (name for name in vars(loaded) if not name.startswith("_")))


def supported(name: str) -> bool:
    """Whether a canonical torch name exists in the runtime."""
    return isinstance(spell_torch(name), Spelling)


def is_dtype(name: str) -> bool:
    """Whether a torch name is a dtype of the runtime."""
    dtypes = importlib.import_module("translators.runtime.tensor.dtypes")
    first, _, last = name.rpartition(".")
    return first == "torch" and isinstance(getattr(dtypes, last, None), dtypes.dtype)


def exists(name: str) -> bool:
    """What `hasattr` says of a canonical torch name: supported, or part of an answer about the surroundings."""
    return supported(name) or any(known == name or known.startswith(name + ".") for known in (*ANSWERS, *VALUES))


def spell_torch(name: str) -> Spelling | Unsupported:
    """The runtime's spelling of a torch name, with what follows it: `torch.nn.functional.relu` is `F.relu`."""
    name = canonical(name)
    for prefix, module in RUNTIME_MODULES:
        if name.startswith(prefix + "."):
            first, *rest = name[len(prefix) + 1 :].split(".")
            if first == "Tensor" and rest and rest[0] in runtime_names("ops"):
                return Spelling(".".join(["ops", *rest]), "ops")
            if first in runtime_names(module) and first not in RUNTIME_ALIASES and _reaches(module, first, rest):
                return Spelling(".".join([RUNTIME_ALIASES[module], first, *rest]), module)
            break
        if name == prefix:
            return Spelling(RUNTIME_ALIASES[module], module)
    return Unsupported(refusal_code(name), name)


def _reaches(module: str, first: str, rest: list[str]) -> bool:
    """Whether what follows a namespace of the runtime, such as `ops.linalg`, is in it."""
    found = getattr(importlib.import_module(f"translators.runtime.{module}"), first, None)
    for part in rest:
        if not isinstance(found, SimpleNamespace):
            break
        if not hasattr(found, part):
            return False
        found = getattr(found, part)
    return True


@functools.cache
def library_names(module: str) -> frozenset[str]:
    """Names that emitted code may take from a module of LIBRARIES: those listed, or all that the module declares."""
    listed = LIBRARIES[module]
    if listed is not None:
        return listed
    loaded = importlib.import_module(module)
    # Without __all__ a module of C has only names of its own; one of Python also has what it imports.
    return frozenset(name for name in getattr(loaded, "__all__", dir(loaded)) if not name.startswith("_"))


def spell_library(name: str) -> Spelling | Unsupported:
    """The spelling of a name of the standard library, NumPy or einops, if the allow-list has it."""
    for module in sorted(LIBRARIES, key=len, reverse=True):
        if name == module:
            return Spelling(module, module)
        if name.startswith(module + ".") and name[len(module) + 1 :].split(".")[0] in library_names(module):
            return Spelling(name, module)
    return Unsupported(refusal_code(name), name)


def refusal_code(name: str) -> str:
    """The code for a foreign name that has no counterpart."""
    for prefix, code in REFUSED_PREFIXES:
        if name == prefix or name.startswith((prefix + ".", prefix + "_")):
            return code
    return "R10" if name.split(".")[0] in {"torch", "numpy", "einops"} else "R02"
