"""The two ways a thing can be turned down: bad input of a user, and source that we decline to translate."""

from __future__ import annotations

from dataclasses import dataclass

# code -> (what it is, what to do about it)
CODES: dict[str, tuple[str, str]] = {
    "R01": ("unresolved name", "add the file that defines it to the sources"),
    "R02": ("third-party symbol", "give the package that defines it as a further source"),
    "R03": ("autograd.Function", "write the forward computation with plain operations"),
    "R04": ("control flow or shape that depends on data", "use a mask or a fixed shape"),
    "R05": ("aliasing in-place write", "write the result to a new name"),
    "R06": ("Python or NumPy randomness, time or input/output in forward", "use torch's random functions or drop it"),
    "R07": ("several tensor inputs or outputs", "it can be used as a multi-port module, not as a block"),
    "R08": ("constructor argument that cannot be supplied", "give it a default"),
    "R09": ("parameters, hooks or attributes set outside the constructor", "move them into __init__"),
    "R10": ("unsupported operation", "express it with a supported operation or add it to the runtime"),
    "R11": ("nested, sparse or quantised tensor, or device branch", "use the dense form"),
    "R12": ("collective communication", "use the single-process form"),
    "R13": ("weight or spectral norm, parametrisation", "fold the normalisation into the weight"),
    "R14": ("dynamic class or metaclass", "write the class out"),
    "R15": ("outside the allow-list", "use plain Python over the supported modules"),
}


class UserError(Exception):
    """Bad input. The message is one line: path or key, value, what was expected, what to do next.

    Command lines print it and exit with code 2.
    """


class Refused(Exception):
    """Source or a call that is not supported. `code` is one of CODES, `message` says what and why."""

    def __init__(self, code: str, message: str):
        super().__init__(f"{code}: {message}; {CODES[code][1]}")
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Refusal:
    """Why a class was not translated, and where. `line` counts from 1, `column` from 0; `name` is the symbol."""

    code: str
    message: str
    path: str
    line: int
    column: int
    source_line: str
    name: str

    @property
    def advice(self) -> str:
        return CODES[self.code][1]

    def __str__(self) -> str:
        """Four lines: position and reason, the source line, a caret, what to do."""
        # The line goes to a terminal: what is no visible character of it is spelled out.
        text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in self.source_line.expandtabs(4))
        indent = len(text) - len(text.lstrip())
        caret = " " * max(0, self.column - indent) + "^"
        return (
            f"{self.path}:{self.line}: {self.code} {CODES[self.code][0]}: {self.message}\n"
            f"    {text.strip()}\n    {caret}\n    {self.advice}"
        )
