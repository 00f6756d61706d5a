"""One module per vendor, each implementing a port of ``darkroom.generation.ports``."""
