"""The benchmark: ``python -m tests.bench`` from the top of a checkout. It asserts nothing about time."""
