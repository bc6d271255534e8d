"""The product's version, for what leaves an installation (exports, the scorer's interface). As in pyproject.toml."""

VERSION = "0.1.0"
