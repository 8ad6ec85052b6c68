"""Stories on virtual time: the same core that a port drives, with a clock that jumps to the next deadline."""
