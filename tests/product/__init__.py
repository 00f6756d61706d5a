"""The whole product in one process: every function, its tables in moto or the emulator."""
