"""`python -m nbslim.packer` is the `nbslim` command."""

from nbslim.packer.cli import entry

entry()
