"""The Smart Sale application of the pinpad: a table of states, run by ``transitions``. No I/O, no clock."""
