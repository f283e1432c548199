"""Which decorators may be left out."""

import ast
import textwrap

import pytest

from translators.rewriting.wrappers import hands_on

LEFT_OUT = {
    "identity": "def d(f):\n    f.seen = True\n    return f\n",
    "wrapper": """
        def d(f):
            @functools.wraps(f)
            def g(*args, **kwargs):
                warnings.warn(f.__name__)
                return f(*args, **kwargs)
            return g
        """,
    "renaming of keywords": """
        def make(names, of=None):
            def d(f):
                @functools.wraps(f)
                def g(*args, **kwargs):
                    if kwargs:
                        for old, new in names.items():
                            if old in kwargs:
                                kwargs[new] = kwargs.pop(old)
                    result = f(*args, **kwargs)
                    return result
                return g
            return d
        """,
    "method": "def d(f):\n    def g(self, *a, **k):\n        return f(self, *a, **k)\n    return g\n",
}
KEPT = {
    "result changed": "def d(f):\n    def g(*a, **k):\n        return f(*a, **k) * 2\n    return g\n",
    "result changed in place": """
        def d(f):
            def g(*a, **k):
                r = f(*a, **k)
                r.mul_(2)
                return r
            return g
        """,
    "result replaced": """
        def d(f):
            def g(*a, **k):
                r = f(*a, **k)
                r = 1
                return r
            return g
        """,
    "other arguments": "def d(f):\n    def g(*a, **k):\n        return f(*a[1:], **k)\n    return g\n",
    "arguments replaced": "def d(f):\n    def g(*a, **k):\n        a = ()\n        return f(*a, **k)\n    return g\n",
    "keyword changed": "def d(f):\n    def g(*a, **k):\n        k['x'] = 1\n        return f(*a, **k)\n    return g\n",
    "keyword dropped": "def d(f):\n    def g(*a, **k):\n        k.pop('x')\n        return f(*a, **k)\n    return g\n",
    "sometimes": "def d(f):\n    def g(*a, **k):\n        if main():\n            return f(*a, **k)\n    return g\n",
    "another result": """
        def d(f):
            def g(*a, **k):
                if k:
                    return 0
                return f(*a, **k)
            return g
        """,
    "in a context": """
        def d(f):
            def g(*a, **k):
                with no_grad():
                    return f(*a, **k)
            return g
        """,
    "another function": "def d(f):\n    def g(*a, **k):\n        return h(*a, **k)\n    return g\n",
    "called": "def d(f):\n    return f()\n",
    "nothing": "def d(f):\n    print(f)\n",
    "looping": "def d(f):\n    return d\n",
}


def decorator(text):
    return ast.parse(textwrap.dedent(text)).body[0]


@pytest.mark.parametrize("name", LEFT_OUT)
def test_left_out(name):
    assert hands_on(decorator(LEFT_OUT[name]))


@pytest.mark.parametrize("name", KEPT)
def test_not_left_out(name):
    assert not hands_on(decorator(KEPT[name]))
