"""The two ways a thing can be turned down: bad input of a user, and source that we decline to translate."""

from __future__ import annotations


class UserError(Exception):
    """Bad input. The message is one line: path or key, value, what was expected, what to do next.

    Command lines print it and exit with code 2.
    """


class Refused(Exception):
    """Source or a call that is not supported. `code` is one of R01-R15 (see docs/refusals), `message` says what and why."""

    def __init__(self, code: str, message: str):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
