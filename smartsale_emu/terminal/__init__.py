"""The Smart Sale application of the pinpad: a table of states, run by ``transitions``; no I/O and no clock."""
