"""kill -9 of any process at any moment, and what is left then: `python -m tests.kill`; see tests/README.md."""
