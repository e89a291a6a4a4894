"""The adapters, each asked over real HTTP."""
