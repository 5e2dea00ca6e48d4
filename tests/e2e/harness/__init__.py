"""Starts the real parts (frontend, host, engine), watches them and leaves nothing behind.

Standard library only: `make demo` uses it before anything is installed.
"""
