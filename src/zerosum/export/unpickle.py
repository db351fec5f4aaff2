"""Pickles, read without running them: an interpreter of the pickle language that calls nothing.

A pickle is a program: it names functions and says what to call them with. Here its opcodes are interpreted one by one, and
what it names is looked up nowhere: a few names stand for plain values (`OrderedDict`, tensors, arrays), classes of networks
become `Described` objects that hold what was said of them, and every other name is refused. Python's own unpickler is never
started.
"""

import pickletools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from torch import Tensor

from zerosum.export.tensors import DTYPES, Array, Kind, Storage, rebuild, scalar

MAX_OPCODES = 5_000_000
"""Steps after which a pickle is refused; a network of a hundred million weights takes some ten thousand."""

NETWORK_CLASSES = ("torch.nn.modules.", "training.networks", "R3GAN.", "torch_utils.")
"""How the names of classes begin that are described."""

PLAIN_CLASSES = ("argparse.Namespace",)
"""Other classes that are described."""

Persistent = Callable[[Any], Any]


class RefusedError(ValueError):
    """A file asks for something that is not data."""


@dataclass(frozen=True)
class Name:
    """Something that a pickle names; it is never looked up."""

    full: str
    """Module and name, with a dot between."""


@dataclass
class Described:
    """An object that a pickle describes; it is never made."""

    kind: str
    """Name of its class."""
    state: dict[str, Any] = field(default_factory=dict)
    """Its attributes."""


def read_pickle(stream: IO[bytes], persistent: Persistent | None = None, nested: Persistent | None = None) -> Any:
    """What the next pickle of a stream holds.

    Args:
        persistent: what stands for a persistent id, as torch's files have them; None: they are refused.
        nested: what the bytes of a torch file inside the pickle hold; None: they are refused.

    Raises:
        RefusedError: it asks for something that is not data, or is endless.
        ValueError: it is not a whole pickle.
    """
    machine = _Machine(persistent, nested)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if count > MAX_OPCODES:
                raise RefusedError(f"it takes more than {MAX_OPCODES:,} steps to read")
            machine.step(opcode.name, argument)
        return machine.result()
    except RefusedError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        raise ValueError(f"it is not a whole pickle ({type(error).__name__}: {error})") from None


CONSTANTS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING"),
}
FIXED: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
FIXED_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
WITHOUT_MEANING = {"PROTO", "FRAME"}


class _Machine:
    """The stack and memo of a pickle that is being read."""

    def __init__(self, persistent: Persistent | None, nested: Persistent | None) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.persistent, self.nested = persistent, nested
        self.loaded: dict[int, tuple[bytes | bytearray, Any]] = {}

    def result(self) -> Any:
        (value,) = self.stack
        return value

    def step(self, opcode: str, argument: Any) -> None:
        """Do what one opcode says."""
        if opcode in CONSTANTS:
            self.stack.append(argument)
        elif opcode in FIXED:
            self.stack.append(FIXED[opcode]())
        elif opcode in FIXED_TUPLES:
            self.stack.append(tuple(self.pop(FIXED_TUPLES[opcode])))
        elif opcode not in WITHOUT_MEANING and opcode != "STOP":
            handler = getattr(self, f"op_{opcode.lower()}", None)
            if handler is None:
                raise RefusedError(f"it uses the pickle opcode {opcode}, which no checkpoint needs")
            handler(argument)

    def pop(self, count: int) -> list[Any]:
        """Take the top values from the stack, the deepest first."""
        if count > len(self.stack) - (self.marks[-1] if self.marks else 0):
            raise ValueError("the stack is empty")
        values = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return values

    def pop_mark(self) -> list[Any]:
        """Take all values since the last mark."""
        mark = self.marks.pop()
        values = self.stack[mark:]
        del self.stack[mark:]
        return values

    def op_mark(self, _: Any) -> None:
        self.marks.append(len(self.stack))

    def op_pop(self, _: Any) -> None:
        self.pop(1)

    def op_pop_mark(self, _: Any) -> None:
        self.pop_mark()

    def op_dup(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def op_memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def op_put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    op_binput = op_long_binput = op_put

    def op_get(self, index: int) -> None:
        self.stack.append(self.memo[index])

    op_binget = op_long_binget = op_get

    def op_tuple(self, _: Any) -> None:
        self.stack.append(tuple(self.pop_mark()))

    def op_list(self, _: Any) -> None:
        self.stack.append(self.pop_mark())

    def op_dict(self, _: Any) -> None:
        self.stack.append(_pairs(self.pop_mark()))

    def op_append(self, _: Any) -> None:
        self._extend(self.pop(1))

    def op_appends(self, _: Any) -> None:
        self._extend(self.pop_mark())

    def _extend(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise RefusedError(f"it appends to a {_what(target)}")
        target.extend(values)

    def op_setitem(self, _: Any) -> None:
        self._update(self.pop(2))

    def op_setitems(self, _: Any) -> None:
        self._update(self.pop_mark())

    def _update(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise RefusedError(f"it sets items of a {_what(target)}")
        target.update(_pairs(values))

    def op_additems(self, _: Any) -> None:
        values, target = self.pop_mark(), self.stack[-1]
        if not isinstance(target, set):
            raise RefusedError(f"it adds items to a {_what(target)}")
        target.update(map(_key, values))

    def op_global(self, argument: str) -> None:
        self._name(*argument.split(" ", 1))

    def op_stack_global(self, _: Any) -> None:
        module, name = self.pop(2)
        if not isinstance(module, str) or not isinstance(name, str):
            raise RefusedError("it names something by what is not text")
        self._name(module, name)

    def _name(self, module: str, name: str) -> None:
        full = f"{module}.{name}".replace("__builtin__.", "builtins.", 1)
        if not (full in CALLS or full in VALUES or full in TYPES or full in PLAIN_CLASSES or full.startswith(NETWORK_CLASSES)):
            hint = "; it is a TensorFlow network" if full.startswith("dnnlib.tflib") else ""
            raise RefusedError(f"it asks for {full}, which is not data{hint}")
        self.stack.append(Name(full))

    def op_reduce(self, _: Any) -> None:
        function, arguments = self.pop(2)
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise RefusedError(f"it calls a {_what(function)}")
        if function.full not in CALLS:
            raise RefusedError(f"it calls {function.full}, which is not data")
        self.stack.append(CALLS[function.full](self, arguments))

    def op_newobj(self, _: Any) -> None:
        kind, arguments = self.pop(2)
        self._new(kind, arguments)

    def op_newobj_ex(self, _: Any) -> None:
        kind, arguments, keywords = self.pop(3)
        if keywords:
            raise RefusedError("it makes an object with keyword arguments")
        self._new(kind, arguments)

    def _new(self, kind: Any, arguments: Any) -> None:
        if not isinstance(kind, Name):
            raise RefusedError(f"it makes an object of a {_what(kind)}")
        self.stack.append(CALLS[kind.full](self, arguments) if kind.full in CALLS else _describe(kind))

    def op_build(self, _: Any) -> None:
        (state,), target = self.pop(1), self.stack[-1]
        if isinstance(target, Array | Kind):
            target.build(state)
        elif isinstance(target, Described):
            target.state.update(_pairs([part for item in _dictionary(state).items() for part in item]))
        elif not isinstance(target, dict):  # of an OrderedDict: attributes, such as torch's versions of modules
            raise RefusedError(f"it sets the state of a {_what(target)}")

    def op_binpersid(self, _: Any) -> None:
        self._persistent(self.pop(1)[0])

    def op_persid(self, argument: str) -> None:
        self._persistent(argument)

    def _persistent(self, identity: Any) -> None:
        if self.persistent is None:
            raise RefusedError("it refers to objects outside of the file")
        self.stack.append(self.persistent(identity))

    def load_nested(self, content: Any) -> Any:
        """The object in a torch file inside the pickle; each is read once."""
        if self.nested is None or not isinstance(content, bytes | bytearray):
            raise RefusedError("it holds a file inside a file inside a file")
        if id(content) not in self.loaded:
            self.loaded[id(content)] = (content, self.nested(content))
        return self.loaded[id(content)][1]


def _key(value: Any) -> Any:
    if not isinstance(value, str | int | float | bytes | None):
        raise RefusedError(f"it uses a {_what(value)} as a key")
    return value


def _pairs(values: Sequence[Any]) -> dict[Any, Any]:
    if len(values) % 2:
        raise ValueError("a key without a value")
    return {_key(key): value for key, value in zip(values[::2], values[1::2], strict=True)}


def _dictionary(state: Any) -> Mapping[Any, Any]:
    if not isinstance(state, dict):
        raise RefusedError(f"it gives a {_what(state)} as the attributes of an object")
    return state


def _what(value: Any) -> str:
    return value.full if isinstance(value, Name) else value.kind if isinstance(value, Described) else type(value).__name__


def _describe(kind: Name) -> Described:
    if not (kind.full.startswith(NETWORK_CLASSES) or kind.full in PLAIN_CLASSES):
        raise RefusedError(f"it makes an object of {kind.full}, which is not data")
    return Described(kind.full)


def _dict(_: _Machine, arguments: tuple[Any, ...]) -> dict[Any, Any]:
    return _pairs([part for pair in (arguments[0] if arguments else ()) for part in pair])


def _set(_: _Machine, arguments: tuple[Any, ...]) -> set[Any]:
    return {_key(value) for value in (arguments[0] if arguments else ())}


def _persistent_object(_: _Machine, arguments: tuple[Any, ...]) -> Described:
    """An object of a class whose source is kept in the pickle as text: the text is dropped."""
    meta = _dictionary(arguments[0])
    if meta.get("type") != "class" or not isinstance(meta.get("class_name"), str):
        raise ValueError("a persistent object without a class")
    return Described(meta["class_name"], dict(_dictionary(meta["state"])))


def _reconstructor(_: _Machine, arguments: tuple[Any, ...]) -> Described:
    kind, base, value = arguments
    if not isinstance(kind, Name) or base != Name("builtins.object") or value is not None:
        raise RefusedError(f"it makes an object of a {_what(kind)} from a {_what(base)}")
    return _describe(kind)


def _encode(_: _Machine, arguments: tuple[Any, ...]) -> bytes:
    text, encoding = arguments
    if not isinstance(text, str) or encoding != "latin1":
        raise RefusedError(f"it encodes a {_what(text)} as {encoding!r}")
    return text.encode("latin1")


def _tensor(_: _Machine, arguments: tuple[Any, ...]) -> Tensor:
    storage, offset, size, stride = arguments[:4]
    if not isinstance(storage, Storage):
        raise RefusedError(f"it makes a tensor of a {_what(storage)}")
    return rebuild(storage, offset, size, stride)


def _parameter(_: _Machine, arguments: tuple[Any, ...]) -> Tensor:
    value = arguments[0]
    if not isinstance(value, Tensor):
        raise RefusedError(f"it makes a parameter of a {_what(value)}")
    return value


def _array(_: _Machine, arguments: tuple[Any, ...]) -> Array:
    if arguments[0] != Name("numpy.ndarray"):
        raise RefusedError(f"it makes an array of the kind {_what(arguments[0])}")
    return Array()


def _flat_array(_: _Machine, arguments: tuple[Any, ...]) -> Array:
    content, kind, shape, order = arguments
    array = Array()
    array.build((None, shape, kind, order == "F", content))
    return array


def _scalar(_: _Machine, arguments: tuple[Any, ...]) -> float | int | bool:
    kind, content = arguments
    if not isinstance(kind, Kind):
        raise RefusedError(f"it makes a number of the kind {_what(kind)}")
    return scalar(kind, content)


CALLS: dict[str, Callable[[_Machine, tuple[Any, ...]], Any]] = {
    **dict.fromkeys(("collections.OrderedDict", "dnnlib.util.EasyDict", "dnnlib.EasyDict", "builtins.dict"), _dict),
    **dict.fromkeys(("builtins.set", "builtins.frozenset"), _set),
    "torch_utils.persistence._reconstruct_persistent_obj": _persistent_object,
    "copyreg._reconstructor": _reconstructor,
    "_codecs.encode": _encode,
    **dict.fromkeys(("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"), _tensor),
    **dict.fromkeys(("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"), _parameter),
    "torch.storage._load_from_bytes": lambda machine, arguments: machine.load_nested(arguments[0]),
    "torch.Size": lambda _, arguments: tuple(arguments[0]) if arguments else (),
    "torch.device": lambda _, arguments: ":".join(map(str, arguments)),
    **dict.fromkeys(("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"), _array),
    **dict.fromkeys(("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"), _flat_array),
    **dict.fromkeys(("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"), _scalar),
    "numpy.dtype": lambda _, arguments: Kind(arguments[0]),
}
"""What a pickle may call, and what that means here."""

VALUES = {"builtins.object", "numpy.ndarray", "torch.storage.UntypedStorage", "torch.storage.TypedStorage"}
NUMBER_TYPES = ("float16", "float32", "float64", "bfloat16", "half", "float", "double", "int32", "int64", "uint8", "bool")
TYPES = {*(f"torch.{name}" for name in NUMBER_TYPES), *(f"torch.{name}Storage" for name in DTYPES)}
"""Names of torch's number types and storages: they stay names."""
