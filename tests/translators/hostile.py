"""Sources written to hurt whoever reads, translates or loads them. PAYLOAD leaves a mark when it runs."""

from __future__ import annotations

HEADER = "import torch\nfrom torch import nn\nimport torch.nn.functional as F\n"
PAYLOAD = "__import__('os').system('touch MARK')"
CLASS = "class Block(nn.Module):\n    def forward(self, x):\n        return x.abs()\n"


def method(body: str, head: str = "") -> str:
    """A class whose forward has `body`, below `head`."""
    lines = "".join(f"        {line}\n" for line in body.split("\n"))
    return f"{head}class Block(nn.Module):\n    def forward(self, x):\n{lines}"


def body(*lines: str, head: str = "", bases: str = "nn.Module") -> str:
    """A class whose body has `lines` above a plain forward."""
    text = "".join(f"    {line}\n" for line in lines)
    return f"{head}class Block({bases}):\n{text}    def forward(self, x):\n        return x\n"


def constructor(text: str) -> str:
    """A class whose constructor has `text`."""
    lines = "".join(f"\n        {line}" for line in text.split("\n"))
    return body(f"def __init__(self):\n        super().__init__(){lines}")


def initialised(arguments: str) -> str:
    return body(f"def __init__(self, {arguments}):\n        super().__init__()")


# name -> (source, what becomes of it): "skipped" (the file is not read), "refused", or "harmless" (translated without).
TEXTS: dict[str, tuple[str, str]] = {
    # What runs when a module is imported.
    "statement": (f"{PAYLOAD}\n{CLASS}", "harmless"),
    "print": (f"print({PAYLOAD})\n{CLASS}", "harmless"),
    "unused constant": (f"VALUE = {PAYLOAD}\n{CLASS}", "harmless"),
    "used constant": (method("return x * VALUE", f"VALUE = {PAYLOAD}\n"), "harmless"),
    "constant completed": (method("return x * len(T)", f"T = []\nT.append({PAYLOAD})\n"), "harmless"),
    "constant completed by a call": (
        method("return x * len(T)", "T = []\nopen('MARK', 'w').write(str(T))\n"),
        "harmless",
    ),
    "branch": (f"if {PAYLOAD} is None:\n    pass\nelse:\n    import os\n{CLASS}", "harmless"),
    "loop": (f"for i in [{PAYLOAD}]:\n    pass\n{CLASS}", "harmless"),
    "endless loop": (f"while True:\n    pass\n{CLASS}", "harmless"),
    "try statement": (f"try:\n    {PAYLOAD}\nexcept Exception:\n    pass\n{CLASS}", "harmless"),
    "with statement": (f"with open('MARK', 'w') as f:\n    f.write('x')\n{CLASS}", "harmless"),
    "assertion": (f"assert {PAYLOAD} == 0\n{CLASS}", "harmless"),
    "exit": (f"raise SystemExit\n{CLASS}", "harmless"),
    "import of itself": (f"from statement import *\nimport hostile\n{CLASS}", "harmless"),
    "main guard": (f"if __name__ == '__main__':\n    {PAYLOAD}\n{CLASS}", "harmless"),
    "module getattr": (f"def __getattr__(name):\n    {PAYLOAD}\n{CLASS}", "harmless"),
    # What runs when a class or function is defined.
    "class body": (body(PAYLOAD), "refused"),
    "class attribute": (body(f"a = {PAYLOAD}"), "refused"),
    "class loop": (body(f"for i in [{PAYLOAD}]:", "    pass"), "refused"),
    "default argument": (CLASS.replace("x):", f"x, y={PAYLOAD}):"), "refused"),
    "keyword default": (CLASS.replace("x):", f"x, *, y={PAYLOAD}):"), "refused"),
    "lambda default": (body(f"f = lambda x, y={PAYLOAD}: x"), "refused"),
    "annotation": (CLASS.replace("x):", f"x: {PAYLOAD}) -> {PAYLOAD}:"), "harmless"),
    "annotated attribute": (body(f"a: {PAYLOAD} = 1"), "harmless"),
    "class decorator": (f"@({PAYLOAD},)[0]\n{CLASS}", "refused"),
    "class decorator call": (f"def d(c):\n    return {PAYLOAD}\n@d\n{CLASS}", "refused"),
    "method decorator": (body("@d", head=f"def d(f):\n    return {PAYLOAD}\n"), "refused"),
    "decorator argument": (body(f"@functools.lru_cache({PAYLOAD})", head="import functools\n"), "refused"),
    "registering decorator": (
        f"class R:\n    def register(self, c):\n        {PAYLOAD}\n        return c\nR = R()\n@R.register\n{CLASS}",
        "harmless",
    ),
    "metaclass": (
        body(head=f"class M(type):\n    def __new__(m, *a):\n        {PAYLOAD}\n", bases="nn.Module, metaclass=M"),
        "refused",
    ),
    "class keyword": (body(bases=f"nn.Module, x={PAYLOAD}"), "refused"),
    "base expression": (body(bases=f"(lambda: [nn.Module, {PAYLOAD}][0])()"), "harmless"),
    "init_subclass": (
        body(head=f"class Base(nn.Module):\n    def __init_subclass__(cls):\n        {PAYLOAD}\n", bases="Base"),
        "harmless",
    ),
    "set_name": (body("a = D()", head=f"class D:\n    def __set_name__(*a):\n        {PAYLOAD}\n"), "harmless"),
    "descriptor": (body("a = D()", head=f"class D:\n    def __get__(*a):\n        {PAYLOAD}\n"), "harmless"),
    "class by type": (method("return type('A', (), {'f': open})().f('MARK', 'w')"), "refused"),
    # What runs when a block is built or called.
    "import inside": (method("import subprocess\nsubprocess.run(['touch', 'MARK'])\nreturn x"), "refused"),
    "eval": (method('return eval("PAYLOAD")'.replace("PAYLOAD", PAYLOAD)), "refused"),
    "exec": (constructor(f'exec("{PAYLOAD}")'), "refused"),
    "open": (constructor("self.f = open('MARK', 'w')"), "refused"),
    "compile": (constructor(f'self.c = compile("{PAYLOAD}", "a", "exec")'), "refused"),
    "dunder import": (constructor(f"self.a = {PAYLOAD}"), "refused"),
    "class walk": (method("return ().__class__.__base__.__subclasses__()"), "refused"),
    "globals of a function": (method("return self.forward.__func__.__globals__['x']"), "refused"),
    "builtins": (method("return __builtins__['open']('MARK', 'w')"), "refused"),
    "getattr by parts": (method("return getattr(x, '__cl' + 'ass__')"), "refused"),
    "getattr of a dunder": (method("return getattr(x, '__class__')"), "refused"),
    "setattr by name": (constructor("for n in ['forward']:\n    setattr(nn.Module, n, print)"), "harmless"),
    "format field": (method("return '{0.__class__.__mro__}'.format(x)"), "refused"),
    "f string": (method(f'return f"{{{PAYLOAD}}}"'), "refused"),
    "f string in a default": (CLASS.replace("x):", f'x, y=f"{{{PAYLOAD}}}"):'), "refused"),
    "pickle": (constructor("import pickle\nself.a = pickle.loads(b'cos\\nsystem\\n.')"), "refused"),
    "torch load": (constructor("self.a = torch.load('MARK')"), "refused"),
    "hub": (constructor("self.a = torch.hub.load('a/b', 'c')"), "refused"),
    "network": (constructor("import urllib.request\nself.a = urllib.request.urlopen('http://localhost:1')"), "refused"),
    "numpy loads": (constructor("import numpy as np\nself.a = np.load('MARK', allow_pickle=True)"), "refused"),
    "global write": (constructor("global nn\nnn = None"), "refused"),
    "frame": (method("g = (i for i in [x])\nreturn g.gi_frame.f_back.f_globals"), "refused"),
    "traceback": (
        method("try:\n    x.missing\nexcept Exception as e:\n    return e.__traceback__.tb_frame"),
        "refused",
    ),
    "environment": (constructor("import os\nself.a = os.environ['HOME']"), "harmless"),
    "deleted": (constructor("def __del__(self):\n    open('MARK', 'w')\nself.f = __del__\nself.f(self)"), "refused"),
    # What hides from a reader.
    "bidirectional text": (method("return x.abs() # \u202e)(metsys\u202c"), "refused"),
    "zero width": (method("re\u200bsult = x\nreturn x"), "skipped"),
    "zero width in a string": (constructor("self.a = 'a\u200b'"), "refused"),
    "wide letters": (method("return ｅval('1')"), "refused"),
    "escape in a name": (CLASS.replace("Block", "Bl\x1b[31mock"), "skipped"),
    "escape in a comment": (method("return x.abs() # \x1b[2J"), "refused"),
    "markup in a docstring": (method('"""<script>alert(1)</script>[red]\\x1b[2J"""\nreturn x.abs()'), "harmless"),
    "form feed": (f"x = 1\x0c\n{CLASS}", "harmless"),
    # What is too large, too deep or broken.
    "long line": (f"X = '{'a' * 1_000_000}'\n{CLASS}", "skipped"),
    "deep parentheses": (f"X = {'(' * 10_000}1{')' * 10_000}\n{CLASS}", "skipped"),
    "deep operators": (method(f"return {'-' * 10_000}x"), "skipped"),
    "deep attributes": (method(f"return x{'.T' * 2000}"), "skipped"),
    "deep blocks": (
        method("\n".join(f"{' ' * n}if x:" for n in range(90)) + "\n" + " " * 90 + "return x"),
        "harmless",
    ),
    "long sum": (method("return " + " + ".join(["x"] * 2000)), "skipped"),
    "deep but parsable": (method("return " + " + ".join(["x"] * 180)), "refused"),
    "many statements": ("T = []\n" + "T.append(1)\n" * 3000 + method("return x * len(T)"), "harmless"),
    "huge number": (initialised(f"a={'9' * 5000}"), "skipped"),
    "huge hexadecimal default": (initialised(f"a=0x{'f' * 9000}, b=1 / 0x{'f' * 900}"), "harmless"),
    "odd defaults": (initialised("a=b'x', b=1j, c={1}, d=..., e=1e999, f='\\ud800', g={1: 2}"), "harmless"),
    "unbalanced": (f"def f(:\n{CLASS}", "skipped"),
    "python 2": (f"print 'hello'\n{CLASS}", "skipped"),
    "tabs and spaces": ("if True:\n\tx = 1\n        y = 2\n" + CLASS, "skipped"),
    "class in a circle": ("class Block(Other):\n    pass\nclass Other(Block):\n    pass\n", "harmless"),
    "names in a circle": ("from circle_b import Block\nclass Other(Block):\n    pass\n", "harmless"),
}
BYTES: dict[str, bytes] = {
    "NUL": f"{HEADER}X = '\0'\n{CLASS}".encode(),
    "latin without a word": b"X = '\xff'\n",
    "wrong coding": b"# coding: no-such-codec\nX = 1\n",
    "hidden by a codec": b"# coding: rot13\nvzcbeg bf\n",
    "escaped by a codec": b"# coding: unicode_escape\nX = 1\\nimport os\n",
    "utf-16": f"{HEADER}{CLASS}".encode("utf-16"),
    "cut in a character": f"{HEADER}X = 'é'\n".encode()[:-3],
    "two codings": b"\xef\xbb\xbf# coding: latin-1\nX = 1\n",
    "giant": b"X = 1\n" * 400_000,
}
