"""The composition root: settings, tables, the provider registry and the frozen ``App``."""
