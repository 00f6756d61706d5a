"""One module or package per vendor; each implements ``darkroom.generation.ports.Provider``."""
