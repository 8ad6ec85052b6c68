"""Keys, PIN blocks and masking. Only published or self-made test keys are ever used."""
