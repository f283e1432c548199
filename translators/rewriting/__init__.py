"""Rewriting one definition of PyTorch source onto the runtime: declarative tables and a libcst transformer per family."""
