"""Rewriting a definition onto the runtime: declarative tables and one libcst transformer per family."""
