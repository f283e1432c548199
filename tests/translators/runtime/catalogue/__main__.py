"""Writes the table of operations: python -m tests.translators.runtime.catalogue > docs/operations.md"""

import sys

from tests.translators.runtime.catalogue.document import document

sys.stdout.write(document())
